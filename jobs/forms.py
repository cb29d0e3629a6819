"""The form of a new crawl. It only reads fields: what a crawl may ask for is decided by jobs.services."""

import csv
import io
import uuid
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import IO, Any, cast

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from datasets.licences import LicenceClass
from jobs import wiring
from jobs.crawl.filters import Colour, Filters, Orientation, PictureFormat
from jobs.crawl.list_file import lines_of_file
from jobs.crawl.sources.base import SourceInfo
from jobs.crawl.url_list import COLUMNS
from jobs.crawl_services import CrawlRequest
from jobs.credentials import obstacles
from jobs.models import Job
from jobs.spec import UPLOAD_SOURCE, URL_LIST_SOURCE, CrawlSpec, InvalidSpec, parse_filters
from jobs.uploads import GivenZip, limit_words

#: Where a refusal of the services is shown, by the field it names.
_FIELD_OF = {"dataset": "dataset", "keywords": "keywords", "sources": "sources", "per_label": "per_label",
             "min_size": "min_size", "urls": "urls", "zip": "zip_file", "format": "format",
             "orientation": "orientation", "colour": "colour", "licence": "licence", "after": "after",
             "before": "before"}  # fmt: skip


#: What a licence has to allow, as people choose it.
LICENCE_WORDS = {
    LicenceClass.ANY.value: "Any, also unknown",
    LicenceClass.SHARE.value: "Open: may be passed on",
    LicenceClass.COMMERCIAL.value: "May be used for commerce",
    LicenceClass.MODIFY.value: "May be changed",
    LicenceClass.PUBLIC_DOMAIN.value: "Public domain",
}


def _choices(kind: type[StrEnum], *, upper: bool = False) -> list[tuple[str, str]]:
    return [(one.value, one.value.upper() if upper and one != "any" else one.value.capitalize()) for one in kind]


#: A longer list of addresses is not filled in again: it has to be uploaded once more.
_REFILLED_ADDRESSES = 2_000


def ceiling_of(info: SourceInfo) -> str:
    """How many results a search of it gives at most, in words; "" where there is no such limit."""
    return f"Up to {info.result_cap:,} per search." if info.result_cap else ""


class CrawlForm(forms.Form):
    """What to collect, where to look, what to keep."""

    dataset = forms.CharField(max_length=120, error_messages={"required": "Give the dataset a name."})
    keywords = forms.CharField(widget=forms.Textarea, required=False)
    per_label = forms.IntegerField(
        initial=100, error_messages=dict.fromkeys(("invalid", "required"), "Write a whole number, such as 100.")
    )
    sources = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, error_messages={"required": "Choose at least one source."}
    )
    urls = forms.CharField(widget=forms.Textarea, required=False)
    urls_file = forms.FileField(required=False)
    zip_file = forms.FileField(required=False)
    min_size = forms.CharField(max_length=20, initial="64x64")
    format = forms.ChoiceField(choices=_choices(PictureFormat, upper=True), required=False)
    orientation = forms.ChoiceField(choices=_choices(Orientation), required=False)
    colour = forms.ChoiceField(choices=_choices(Colour), required=False)
    licence = forms.ChoiceField(choices=list(LICENCE_WORDS.items()), required=False)
    mature = forms.BooleanField(required=False)
    after = forms.CharField(max_length=10, required=False)
    before = forms.CharField(max_length=10, required=False)
    submit_key = forms.CharField(max_length=64, widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = self.fields["sources"]
        assert isinstance(choices, forms.MultipleChoiceField)  # noqa: S101
        choices.choices = [(info.name, info.title) for info in wiring.source_infos()]
        # A ZIP file brings its source along.
        choices.required = not self.files.get("zip_file")

    @property
    def upload_limit(self) -> str:
        """How large a file may be."""
        return limit_words()

    @property
    def ready_picks(self) -> list[dict[str, Any]]:
        """The sources that can be used."""
        return [pick for pick in self._source_picks if not pick["obstacle"]]

    @property
    def closed_picks(self) -> list[dict[str, Any]]:
        """Those that lack a key, an address, or somebody who confirms their terms."""
        return [pick for pick in self._source_picks if pick["obstacle"]]

    @cached_property
    def _source_picks(self) -> list[dict[str, Any]]:
        """The sources with what people should know of each, and whether it is chosen."""
        chosen = self["sources"].value() or []
        infos = wiring.source_infos()
        why_not = obstacles(infos)
        return [
            {
                "info": info,
                "is_chosen": info.name in chosen,
                "obstacle": why_not[info.name],
                "ceiling": ceiling_of(info),
            }
            for info in infos
        ]

    def request(self, *, dry_run: bool) -> CrawlRequest:
        """The crawl that the valid form asks for. Raises InvalidSpec."""
        data = self.cleaned_data
        return CrawlRequest(
            dataset=data["dataset"],
            keywords=tuple(data["keywords"].splitlines()),
            sources=tuple(data["sources"]),
            per_label=data["per_label"],
            filters=filters_of(data),
            url_list=self._url_list() if URL_LIST_SOURCE in data["sources"] else None,
            upload=_given_zip(data["zip_file"]),
            dry_run=dry_run,
            submit_key=data["submit_key"],
        )

    def clean_urls_file(self) -> Any:
        """No more of a file than the limit comes here: a longer list would be cut."""
        file = self.cleaned_data["urls_file"]
        if file and file.size > settings.MAX_UPLOAD_BYTES:
            raise forms.ValidationError(
                f"The list is larger than {limit_words()}, the most that is taken here. "
                "Pack it by gzip, split it, or ask the operator to raise PIXCRAWLER_MAX_UPLOAD_BYTES."
            )
        return file

    def add_refusal(self, refusal: InvalidSpec) -> None:
        """Shows a refusal of the services at the field it names."""
        self.add_error(_FIELD_OF.get(refusal.field), refusal.message)

    def _url_list(self) -> Iterator[str]:
        pasted: Iterator[str] = iter(self.cleaned_data["urls"].splitlines())
        file = self.cleaned_data["urls_file"]
        return chain(pasted, lines_of_file(file)) if file else pasted


def _given_zip(file: UploadedFile | None) -> GivenZip | None:
    return GivenZip(file=cast(IO[bytes], file.file), name=file.name or "") if file else None


def initial_of(job: Job | None) -> dict[str, Any]:
    """The form's first values: a new submit key, and a job's settings where it is to run again with changes."""
    values: dict[str, Any] = {"submit_key": uuid.uuid4().hex, "per_label": 100, "min_size": "64x64", "sources": []}
    if job is None:
        return values
    spec = CrawlSpec.from_json(job.spec)
    values |= {
        "dataset": job.dataset.name,
        "keywords": "\n".join(spec.keyword_lines),
        "per_label": spec.per_label,
        # A file cannot be filled in: it has to be chosen again.
        "sources": [source for source in spec.sources if not (spec.upload and source == UPLOAD_SOURCE)],
        "had_zip": spec.upload is not None,
        **_filter_values(spec.filters),
        "urls": _listed(job),
    }
    return values


def filters_of(values: Mapping[str, Any]) -> Filters:
    """The filters of a form's values, cleaned or as they were sent. Raises InvalidSpec."""

    def text(name: str) -> str:
        return str(values.get(name) or "")

    return parse_filters(
        min_size=text("min_size") or "64x64",
        format=text("format"),
        orientation=text("orientation"),
        colour=text("colour"),
        licence=text("licence"),
        safe_search=not values.get("mature"),
        after=text("after"),
        before=text("before"),
    )


def _filter_values(filters: Filters) -> dict[str, Any]:
    return {
        "min_size": f"{filters.min_width_px}x{filters.min_height_px}",
        "format": filters.format.value,
        "orientation": filters.orientation.value,
        "colour": filters.colour.value,
        "licence": filters.licence.value,
        "mature": not filters.safe_search,
        "after": filters.after.isoformat() if filters.after else "",
        "before": filters.before.isoformat() if filters.before else "",
    }


def _listed(job: Job) -> str:
    """The job's list of addresses as CSV; "" where there is none, or where it is too long for a page."""
    rows = list(job.listed_urls.order_by("pk").values_list(*COLUMNS)[: _REFILLED_ADDRESSES + 1])
    if not 0 < len(rows) <= _REFILLED_ADDRESSES:
        return ""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue()
