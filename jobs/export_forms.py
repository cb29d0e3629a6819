"""The form of a new export. It only reads fields: what an export may be is decided by jobs.export_services."""

import uuid
from typing import Any

from django import forms

from datasets.counting import number_of
from datasets.exports.policy import Policy
from datasets.exports.types import SPLITS
from datasets.exports.writer import FORMATS
from datasets.models import Dataset
from jobs.spec import ExportSpec

#: What each format is good for, in a few words. docs/exports.md has a section on each.
_WORDS = {
    "imagefolder": "ImageFolder: a ZIP with a folder per split and label",
    "webdataset": "WebDataset: tar shards, for streaming",
    "parquet": "Parquet: the manifest alone, without pictures",
    "csv": "CSV: the manifest alone, for a spreadsheet",
    "jsonl": "JSON lines: the manifest alone",
    "coco": "COCO: a ZIP with annotations",
    "yolo-cls": "YOLO: a ZIP for classification",
}

_NEW = "new"


class ExportForm(forms.Form):
    """Format, what the pictures are for, and how they are split."""

    format = forms.ChoiceField(choices=[(name, _WORDS[name]) for name in FORMATS], initial="imagefolder")
    version = forms.ChoiceField(choices=[(_NEW, "as the dataset is now")], initial=_NEW, required=False)
    commercial_use = forms.BooleanField(required=False)
    changes = forms.BooleanField(required=False)
    ml_training = forms.BooleanField(required=False, initial=True)
    allow_unknown_licence = forms.BooleanField(required=False)
    allow_ml_restricted = forms.BooleanField(required=False)
    train = forms.IntegerField(initial=80, min_value=0, max_value=100)
    validation = forms.IntegerField(initial=10, min_value=0, max_value=100)
    test = forms.IntegerField(initial=10, min_value=0, max_value=100)
    seed = forms.IntegerField(initial=0, min_value=0)
    submit_key = forms.CharField(max_length=64, widget=forms.HiddenInput, required=False)

    def __init__(self, dataset: Dataset, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("submit_key", uuid.uuid4().hex)
        choices = self.fields["version"]
        assert isinstance(choices, forms.ChoiceField)  # noqa: S101
        numbered = dataset.versions.values_list("number", "image_count", "created_at")[:50]
        choices.choices = [
            (_NEW, "as the dataset is now"),
            *((str(n), f"version {n}, {number_of(count, 'image')} of {at:%Y-%m-%d}") for n, count, at in numbered),
        ]

    @property
    def policy(self) -> Policy:
        """What the pictures are for, as the boxes stand; boxes need no validation."""
        names = ("commercial_use", "changes", "ml_training", "allow_unknown_licence", "allow_ml_restricted")
        return Policy(**{name: bool(self[name].value()) for name in names})

    def spec(self) -> ExportSpec:
        """The export that the valid form asks for."""
        data = self.cleaned_data
        train, validation, test = (data[split] / 100 for split in SPLITS)
        return ExportSpec(
            format=data["format"],
            policy=self.policy,
            seed=data["seed"],
            shares=(train, validation, test),
            version=int(data["version"]) if data["version"] not in {"", _NEW} else None,
        )
