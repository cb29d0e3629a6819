"""Forms of datasets."""

from typing import TYPE_CHECKING

from django import forms

from datasets.models import Dataset

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Dataset]
else:
    ModelForm = forms.ModelForm


class OptOutForm(ModelForm):
    """Which statements against machine use a dataset obeys."""

    class Meta:
        model = Dataset
        fields = ("obey_robots_txt", "obey_robots_tag", "obey_tdm_reservation", "obey_embedded")
