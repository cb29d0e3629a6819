"""Datasets and their images in the admin: read-only where the program writes."""

# Django calls these methods with more than each needs.
# ruff: noqa: ARG002

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from datasets.admin_lists import BoundedPaginator, NewestValuesFilter, newest
from datasets.counting import EXACT_UP_TO, bytes_in_words
from datasets.forms import OPT_OUTS
from datasets.models import Dataset, Image, Undecodable
from datasets.services import InvalidDataset, dataset_name

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Dataset]
else:
    ModelAdmin = admin.ModelAdmin
    ModelForm = forms.ModelForm

Rows: TypeAlias = "QuerySet[Any]"

_PREVIEW_HEIGHT_PX = 60


class ReadOnlyAdmin(ModelAdmin):
    """Rows to look at and to search, in the one order that an index has; only the program writes them."""

    actions: Sequence[str] | None = None
    list_per_page = 50
    paginator = BoundedPaginator
    sortable_by = ()
    search_reach = f"Looks among the newest {EXACT_UP_TO:,} rows of the list; filters reach further back."
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_search_results(self, request: HttpRequest, queryset: Rows, search_term: str) -> tuple[Rows, bool]:
        return super().get_search_results(request, newest(queryset) if search_term else queryset, search_term)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DatasetForm(ModelForm):
    """A name is stored as crawls look it up."""

    def clean_name(self) -> str:
        try:
            return dataset_name(str(self.cleaned_data["name"]))
        except InvalidDataset as error:
            raise forms.ValidationError(str(error)) from None


@admin.register(Dataset)
class DatasetAdmin(ModelAdmin):
    """The name and the opt-outs that are obeyed may be changed; the rest follows from crawls."""

    form = DatasetForm
    actions = None
    list_display = ("name", "image_count", "size", "created_by", "created_at")
    list_select_related = ("created_by",)
    list_per_page = 50
    search_fields = ("name",)
    fields = (
        "name",
        "slug",
        "image_count",
        "size",
        "near_duplicate_bits",
        *OPT_OUTS,
        "created_by",
        "created_at",
    )
    readonly_fields = ("slug", "image_count", "size", "near_duplicate_bits", "created_by", "created_at")

    @admin.display(ordering="size_bytes")
    def size(self, dataset: Dataset) -> str:
        return bytes_in_words(dataset.size_bytes)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Dataset, form: Any, change: bool) -> None:
        # A crawl may be counting images into the same row.
        obj.save(update_fields=form.changed_data)


@admin.register(Image)
class ImageAdmin(ReadOnlyAdmin):
    """What was kept, with its origin and rights."""

    list_display = ("preview", "label", "dataset", "pixels", "format", "source", "licence_code", "created_at")
    list_display_links = ("label",)
    list_filter = (
        ("format", NewestValuesFilter),
        ("source", NewestValuesFilter),
        ("licence_code", NewestValuesFilter),
        "created_at",
    )
    list_select_related = ("dataset",)
    search_fields = ("label", "keyword", "sha256", "url", "title", "creator", "dataset__name")
    search_reach = f"{ReadOnlyAdmin.search_reach} A whole SHA-256 is found wherever it is."
    readonly_fields = ("preview", "pixels", "kept_by", "created_at")

    def get_search_results(self, request: HttpRequest, queryset: Rows, search_term: str) -> tuple[Rows, bool]:
        same_bytes = queryset.filter(sha256=search_term)
        if search_term and same_bytes.exists():
            return same_bytes, False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="image")
    def preview(self, image: Image) -> SafeString:
        place = [image.dataset.slug, image.pk]
        return format_html(
            '<a href="{}"><img src="{}" alt="{}" width="{}" height="{}" loading="lazy"></a>',
            reverse("image", args=place),
            reverse("image-thumb", args=place),
            image.label,
            max(1, round(_PREVIEW_HEIGHT_PX * image.width_px / image.height_px)),
            _PREVIEW_HEIGHT_PX,
        )

    def pixels(self, image: Image) -> str:
        return f"{image.width_px} × {image.height_px}"

    @admin.display(description="kept by")
    def kept_by(self, image: Image) -> SafeString:
        return format_html(
            '<a href="{}">Job {}</a>', reverse("admin:jobs_job_change", args=[image.job_id]), image.job_id
        )


@admin.register(Undecodable)
class UndecodableAdmin(ReadOnlyAdmin):
    """Bytes that broke the decoder. Deleting a row has them tried again, such as after an update of a decoder."""

    actions = ("delete_selected",)
    list_display = ("sha256", "kills", "last_killed_at")
    search_fields = ("sha256",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser
