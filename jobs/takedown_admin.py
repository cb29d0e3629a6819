"""The takedown list in the admin: add to it, read what it removed, and take entries off it."""

# Django calls these methods with more than each needs.
# ruff: noqa: ARG002

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from datasets.counting import number_of
from datasets.takedown_models import Takedown
from jobs import takedowns
from jobs.takedowns import InvalidTakedown, parse

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Takedown]
    ModelForm = forms.ModelForm[Takedown]
else:
    ModelAdmin = admin.ModelAdmin
    ModelForm = forms.ModelForm


class TakedownForm(ModelForm):
    """Reads an entry as the command does."""

    class Meta:
        model = Takedown
        fields = ("kind", "value", "distance_bits", "why")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            try:
                entry = parse(data["kind"], data["value"], distance_bits=data.get("distance_bits"))
            except InvalidTakedown as error:
                raise forms.ValidationError({"value": str(error)}) from None
            if Takedown.objects.filter(key=entry.key, parent__isnull=True).exists():
                raise forms.ValidationError({"value": "This is on the list already."})
            data |= {"entry": entry, "value": entry.value, "distance_bits": entry.distance_bits}
        return data


@admin.register(Takedown)
class TakedownAdmin(ModelAdmin):
    """An entry removes what it names from every dataset as it is saved; it is never changed, only taken off."""

    form = TakedownForm
    list_display = ("kind", "value", "why", "removed_images", "parent", "created_by", "created_at")
    list_display_links = ("value",)
    list_filter = ("kind", ("parent", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("parent", "created_by")
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("value", "why")
    actions = None
    readonly_fields = ("removed_images", "parent", "created_by", "created_at")

    def get_fields(self, request: HttpRequest, obj: Takedown | None = None) -> Any:
        return (*TakedownForm.Meta.fields, *(self.readonly_fields if obj else ()))

    def has_change_permission(self, request: HttpRequest, obj: Takedown | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Takedown, form: Any, change: bool) -> None:
        data = form.cleaned_data
        entries = takedowns.enlist([data["entry"]], why=data["why"], by=cast(User, request.user))
        obj.pk = entries[0].pk
        # The page's transaction has to be over: nothing new may come while the old is removed.
        transaction.on_commit(lambda: self._carry_out(request, entries))

    def _carry_out(self, request: HttpRequest, entries: list[Takedown]) -> None:
        report = takedowns.carry_out(entries)
        self.message_user(request, f"Removed from datasets: {number_of(report.removed_images, 'image')}.")
        if report.files_left:
            told = f"The files of {number_of(report.files_left, 'picture')} could not be deleted; the log says why."
            self.message_user(request, told, messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: Takedown) -> None:
        takedowns.lift(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Takedown]) -> None:
        for entry in queryset:
            takedowns.lift(entry)
