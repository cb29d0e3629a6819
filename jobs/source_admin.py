"""Keys of sources and confirmed terms in the admin: entered, replaced and taken away, never read."""

# Django calls these methods with more than each needs.
# ruff: noqa: ARG002

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs import credentials, source_keys
from jobs.source_keys import InvalidKey
from jobs.source_models import SourceKey, SourceTerms

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    KeyModelForm = forms.ModelForm[SourceKey]
    TermsModelForm = forms.ModelForm[SourceTerms]
else:
    ModelAdmin = admin.ModelAdmin
    KeyModelForm = forms.ModelForm
    TermsModelForm = forms.ModelForm


class SourceKeyForm(KeyModelForm):
    """A key of a source. What is entered is never filled in again, not even after a mistake."""

    key = forms.ChoiceField(label="Which key", help_text="One that is stored already is replaced.")
    secret = forms.CharField(
        label="The key",
        max_length=source_keys.LONGEST_KEY,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "size": 60}),
        help_text="Stored encrypted, never shown again. Where the environment has one as well, that one is used.",
    )

    class Meta:
        model = SourceKey
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["key"]
        assert isinstance(choice, forms.ChoiceField)  # noqa: S101
        choice.choices = [(f"{source}/{name}", f"{source}: {name}") for source, name in credentials.key_names()]

    def clean_secret(self) -> str:
        try:
            return source_keys.checked(self.cleaned_data["secret"])
        except InvalidKey as error:
            raise forms.ValidationError(str(error)) from None


class SourceTermsForm(TermsModelForm):
    """Somebody confirms the terms of a source for this installation."""

    terms_of = forms.ChoiceField(label="Source")
    confirmed = forms.BooleanField(
        label="I have read these terms, and what this installation does with the source keeps to them",
        error_messages={"required": "Without this the source stays off."},
    )

    class Meta:
        model = SourceTerms
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["terms_of"]
        assert isinstance(choice, forms.ChoiceField)  # noqa: S101
        choice.choices = [(source, f"{source}: {url}") for source, url in credentials.terms().items()]


class _EnteredAdmin(ModelAdmin):
    """Rows that are added and deleted; nothing of them is changed."""

    actions = None
    list_per_page = 50

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SourceKey)
class SourceKeyAdmin(_EnteredAdmin):
    """That a key is set, by whom and when. Adding it again replaces it."""

    form = SourceKeyForm
    list_display = ("source", "name", "set_by_name", "set_at", "readable")

    def get_fields(self, request: HttpRequest, obj: SourceKey | None = None) -> Any:
        return ("source", "name", "set_by_name", "set_at", "readable") if obj else ("key", "secret")

    def get_readonly_fields(self, request: HttpRequest, obj: SourceKey | None = None) -> Any:
        return self.get_fields(request, obj) if obj else ()

    @admin.display(boolean=True, description="can be read")
    def readable(self, key: SourceKey) -> bool:
        return source_keys.is_readable(key)

    def save_model(self, request: HttpRequest, obj: SourceKey, form: Any, change: bool) -> None:
        source, _, name = form.cleaned_data["key"].partition("/")
        key = source_keys.set_key(source, name, form.cleaned_data["secret"], by=cast(User, request.user))
        obj.pk, obj.source, obj.name = key.pk, source, name

    def delete_model(self, request: HttpRequest, obj: SourceKey) -> None:
        source_keys.remove_key(obj.source, obj.name, by=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SourceKey]) -> None:
        for key in queryset:
            self.delete_model(request, key)


@admin.register(SourceTerms)
class SourceTermsAdmin(_EnteredAdmin):
    """Whose terms were confirmed, by whom and when. Deleting a row turns the source off."""

    form = SourceTermsForm
    list_display = ("source", "terms_url", "confirmed_by_name", "confirmed_at")

    def get_fields(self, request: HttpRequest, obj: SourceTerms | None = None) -> Any:
        return self.list_display if obj else ("terms_of", "confirmed")

    def get_readonly_fields(self, request: HttpRequest, obj: SourceTerms | None = None) -> Any:
        return self.list_display if obj else ()

    def save_model(self, request: HttpRequest, obj: SourceTerms, form: Any, change: bool) -> None:
        source = form.cleaned_data["terms_of"]
        url = credentials.terms()[source]
        obj.pk = source_keys.confirm_terms(source, terms_url=url, by=cast(User, request.user)).pk
        obj.source = source

    def delete_model(self, request: HttpRequest, obj: SourceTerms) -> None:
        source_keys.withdraw_terms(obj.source, by=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SourceTerms]) -> None:
        for terms in queryset:
            self.delete_model(request, terms)
