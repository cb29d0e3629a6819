"""Forms of datasets."""

from typing import TYPE_CHECKING

from django import forms

from datasets.models import Dataset

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Dataset]
else:
    ModelForm = forms.ModelForm


#: Which statements against machine use a dataset obeys.
OPT_OUTS = ("obey_robots_txt", "obey_robots_tag", "obey_tdm_reservation", "obey_embedded")


class RulesForm(ModelForm):
    """The rules of a dataset that people set."""

    class Meta:
        model = Dataset
        fields = (*OPT_OUTS, "near_duplicate_bits", "skip_near_duplicates", "match_turned", "validate_after_crawl")
        help_texts = {
            "near_duplicate_bits": "Pictures whose pHash differs in at most so many of 64 bits are flagged as alike. "
            "10 finds copies that were compressed or resized; more finds more, also such as only look similar.",
        }

    @property
    def opt_outs(self) -> list[forms.BoundField]:
        return [self[name] for name in OPT_OUTS]
