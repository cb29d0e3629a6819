"""What a job was asked for: parsed and checked once, stored with the job, read by planner, pages and API."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, Self, TypeVar

from datasets.exports.policy import Policy
from datasets.exports.writer import FORMATS
from datasets.licences import LicenceClass
from datasets.models import ValidationLevel
from jobs.crawl.filters import Colour, Filter, Filters, Orientation, PictureFormat
from jobs.crawl.text import clean

_Choice = TypeVar("_Choice", bound=StrEnum)

#: Bounds that every door (form, command, API) applies.
MAX_KEYWORDS = 10_000
MAX_PER_LABEL = 1_000_000
MAX_TEXT_LENGTH = 200
MAX_SEED = 2**31 - 1

_MAX_LINE_LENGTH = 100_000

#: The source that reads the addresses given with the job.
URL_LIST_SOURCE = "urls"

#: The source that reads the ZIP file given with the job, where there is one.
UPLOAD_SOURCE = "folder"


class InvalidSpec(ValueError):
    """A job that cannot be started; `field` names the part, the message says what is wrong and what it takes."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True, order=True)
class Keyword:
    """What is searched for, and the label under which its images are kept."""

    keyword: str
    label: str


class Lane(NamedTuple):
    """One keyword × source: its chunks run one after the other, each going on where the last one stopped.

    A long list is read by several workers at once, in strands that are lanes of their own (jobs.plans.strands).
    """

    label: str
    keyword: str
    source: str
    strand: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A ZIP file that came with a crawl: `token` names it in our store, `labels` are those of its pictures.

    `root_label` is the label of pictures that lie in no folder of it; `told` says in words what it holds.
    """

    token: str
    root_label: str
    labels: tuple[str, ...]
    told: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "labels": tuple(data["labels"])})


@dataclass(frozen=True, kw_only=True)
class CrawlSpec:
    """A crawl as asked for. `per_label` is a total over the label's keywords and sources;
    `listed_labels` are the labels of a URL list that came with it, `upload` is the ZIP file that did.
    """

    keywords: tuple[Keyword, ...]
    sources: tuple[str, ...]
    per_label: int
    filters: Filters = field(default_factory=lambda: Filters(min_width_px=64, min_height_px=64))
    listed_labels: tuple[str, ...] = ()
    upload: Upload | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "keywords": [[k.keyword, k.label] for k in self.keywords],
            "sources": list(self.sources),
            "filters": _filters_to_json(self.filters),
            "listed_labels": list(self.listed_labels),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "CrawlSpec":
        """Equal data give the same object, which pages that poll ask for again and again."""
        return _crawl_spec(json.dumps(data))

    @cached_property
    def filter_words(self) -> tuple[tuple[str, str], ...]:
        """What else was asked for, as people read it."""
        words = {name: value for name, value in self.filters.active.items() if name is not Filter.MIN_SIZE}
        words.setdefault(Filter.SAFE_SEARCH, "off")
        return tuple((name.replace("_", " ").capitalize(), value.replace("_", " ")) for name, value in words.items())

    @property
    def keyword_lines(self) -> tuple[str, ...]:
        """The keywords as lines that `parse_keywords` reads."""
        by_label: dict[str, list[str]] = {}
        for one in self.keywords:
            by_label.setdefault(one.label, []).append(one.keyword)
        return tuple(
            label if keywords == [label] else f"{label}: {', '.join(keywords)}" for label, keywords in by_label.items()
        )

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels that something is searched for, in their order."""
        return tuple(dict.fromkeys(lane.label for lane in self.lanes))

    @cached_property
    def lanes(self) -> tuple[Lane, ...]:
        """Every keyword × source that is searched, in the order asked for; what was brought is read once per label."""
        brought = {URL_LIST_SOURCE: self.listed_labels}
        if self.upload:
            brought[UPLOAD_SOURCE] = self.upload.labels
        lanes = [
            Lane(keyword.label, keyword.keyword, source)
            for keyword in self.keywords
            for source in self.sources
            if source not in brought
        ]
        return (*lanes, *(Lane(label, label, source) for source, labels in brought.items() for label in labels))

    @cached_property
    def lane_sources(self) -> tuple[str, ...]:
        """The sources of the lanes, in their order."""
        return tuple(dict.fromkeys(lane.source for lane in self.lanes))

    @cached_property
    def lanes_by_row(self) -> Mapping[tuple[str, str], Sequence[Lane | None]]:
        """The lanes of each label and keyword, one for each of `lane_sources`; None where it is not asked."""
        places = {source: place for place, source in enumerate(self.lane_sources)}
        rows: dict[tuple[str, str], list[Lane | None]] = {}
        for lane in self.lanes:
            row = rows.setdefault((lane.label, lane.keyword), [None] * len(places))
            row[places[lane.source]] = lane
        return rows

    def lanes_of(self, label: str) -> tuple[Lane, ...]:
        """The lanes of one label, in the order asked for."""
        keywords = tuple(keyword for keyword in self.keywords if keyword.label == label)
        listed = (label,) if label in self.listed_labels else ()
        upload = self.upload and replace(self.upload, labels=(label,) if label in self.upload.labels else ())
        return replace(self, keywords=keywords, listed_labels=listed, upload=upload).lanes


@lru_cache(maxsize=8)
def _crawl_spec(told: str) -> CrawlSpec:
    data = json.loads(told)
    return CrawlSpec(
        keywords=tuple(Keyword(keyword, label) for keyword, label in data["keywords"]),
        sources=tuple(data["sources"]),
        per_label=data["per_label"],
        filters=_filters_from_json(data),
        listed_labels=tuple(data["listed_labels"]),
        # A job of the time before uploads has none.
        upload=Upload.from_json(data["upload"]) if data.get("upload") else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSpec:
    """A validation as asked for: the images that were there then, up to `last_image_id`, `image_count` of them."""

    level: ValidationLevel
    last_image_id: int
    image_count: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            level=ValidationLevel(data["level"]),
            last_image_id=data["last_image_id"],
            image_count=data["image_count"],
        )

    @property
    def finds_duplicates(self) -> bool:
        return self.level != ValidationLevel.BASIC


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairSpec:
    """Damaged images whose bytes are fetched again: one, or all that the dataset has (None)."""

    image_id: int | None
    image_count: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(image_id=data["image_id"], image_count=data["image_count"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSpec:
    """An export as asked for: of version `version`, or of a new one (None) that is chosen by policy, seed and shares.

    `shares` are those of train, validation and test, and add up to 1.
    """

    format: str
    policy: Policy
    seed: int = 0
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    pictures_per_shard: int = 5_000
    version: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "shares": list(self.shares)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        train, validation, test = data["shares"]
        return cls(**{**data, "policy": Policy(**data["policy"]), "shares": (train, validation, test)})


def check_export(spec: ExportSpec) -> None:
    """Raises InvalidSpec where an export could not be written."""
    if spec.format not in FORMATS:
        raise InvalidSpec("format", f"There is no format “{spec.format}”. Known are: {', '.join(FORMATS)}.")
    if min(spec.shares) < 0 or abs(sum(spec.shares) - 1) > 1e-9:
        raise InvalidSpec("shares", "The shares of train, validation and test add up to 100 percent, none below 0.")
    if not 0 <= spec.seed <= MAX_SEED:
        raise InvalidSpec("seed", f"The seed is a whole number from 0 to {MAX_SEED:,}.")
    if not 1_000 <= spec.pictures_per_shard <= 10_000:
        raise InvalidSpec("pictures_per_shard", "A shard holds 1,000 to 10,000 pictures.")


def parse_keywords(lines: Iterable[str]) -> tuple[Keyword, ...]:
    """Keywords in order, repeats left out. A line is `keyword` or `label: keyword, keyword`; # starts a comment line.

    An address (https://…) is a keyword for sources that read pages; its colon sets no label apart.

    Raises InvalidSpec for a line that is too long, or for too many.
    """
    found: dict[Keyword, None] = {}
    for number, raw in enumerate(lines, start=1):
        line = clean(raw, _MAX_LINE_LENGTH)
        if not line or line.startswith("#"):
            continue
        before, _, after = line.partition(":")
        keywords = [term for part in after.split(",") if (term := part.strip())]
        label = before.strip()
        if not (label and keywords) or after.startswith("//"):
            label = line.strip(":, ")
            keywords = [label] if label else []
        for keyword in keywords:
            if max(len(keyword), len(label)) > MAX_TEXT_LENGTH:
                raise InvalidSpec(
                    "keywords", f"Line {number} is too long: {MAX_TEXT_LENGTH} characters at most per keyword."
                )
            found[Keyword(keyword, label)] = None
        if len(found) > MAX_KEYWORDS:
            raise InvalidSpec(
                "keywords", f"There are more than {MAX_KEYWORDS:,} keywords. Split the crawl into several."
            )
    return tuple(found)


def parse_min_size(text: str) -> tuple[int, int]:
    """(width, height) in pixels out of `64x64`, or out of `64` for both. Raises InvalidSpec."""
    width, _, height = text.lower().replace("×", "x").partition("x")
    try:
        size = int(width), int(height or width)
    except ValueError:
        raise InvalidSpec(
            "min_size", f"“{text}” is not a size. Write width x height in pixels, such as 64x64."
        ) from None
    if not all(1 <= side <= 16_384 for side in size):
        raise InvalidSpec("min_size", "The smallest size lies between 1x1 and 16384x16384 pixels.")
    return size


def parse_filters(
    *,
    min_size: str = "64x64",
    format: str = "",
    orientation: str = "",
    colour: str = "",
    licence: str = "",
    safe_search: bool = True,
    after: str = "",
    before: str = "",
) -> Filters:
    """What is asked for in words, as a form, a command or the API gives it; "" is any. Raises InvalidSpec."""
    width_px, height_px = parse_min_size(min_size)
    return Filters(
        min_width_px=width_px,
        min_height_px=height_px,
        format=_choice(PictureFormat, "format", format),
        orientation=_choice(Orientation, "orientation", orientation),
        colour=_choice(Colour, "colour", colour),
        licence=_choice(LicenceClass, "licence", licence),
        safe_search=safe_search,
        after=_day("after", after),
        before=_day("before", before),
    )


def _choice(kind: type[_Choice], name: str, text: str) -> _Choice:
    try:
        return kind(text.strip().lower().replace("-", "_") or "any")
    except ValueError:
        raise InvalidSpec(name, f"There is no {name} “{text}”. Known are: {', '.join(kind)}.") from None


def _day(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise InvalidSpec(name, f"“{text}” is not a day. Write it as 2020-12-31.") from None


def check(spec: CrawlSpec, *, known_sources: Iterable[str]) -> None:
    """Raises InvalidSpec where a crawl could not be planned."""
    known = tuple(known_sources)
    if not spec.sources:
        raise InvalidSpec("sources", f"Choose at least one source: {', '.join(known)}.")
    for source in spec.sources:
        if source not in known:
            raise InvalidSpec("sources", f"There is no source “{source}”. Known are: {', '.join(known)}.")
    if not 1 <= spec.per_label <= MAX_PER_LABEL:
        raise InvalidSpec(
            "per_label", f"Images per label lie between 1 and {MAX_PER_LABEL:,}. For more, split the label."
        )
    for side in (spec.filters.min_width_px, spec.filters.min_height_px):
        if not 1 <= side <= 16_384:
            raise InvalidSpec("min_size", "The smallest size lies between 1x1 and 16384x16384 pixels.")
    if spec.filters.after and spec.filters.before and spec.filters.after > spec.filters.before:
        raise InvalidSpec("before", "The last day lies before the first: no picture can be of such a day.")


def _filters_to_json(filters: Filters) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(filters).items()}


def _filters_from_json(data: Mapping[str, Any]) -> Filters:
    if "filters" not in data:
        # A job of the time when only the smallest size could be asked for.
        return Filters(min_width_px=data["min_width_px"], min_height_px=data["min_height_px"])
    given = data["filters"]
    return Filters(
        min_width_px=given["min_width_px"],
        min_height_px=given["min_height_px"],
        format=PictureFormat(given["format"]),
        orientation=Orientation(given["orientation"]),
        colour=Colour(given["colour"]),
        licence=LicenceClass(given["licence"]),
        safe_search=given["safe_search"],
        after=date.fromisoformat(given["after"]) if given["after"] else None,
        before=date.fromisoformat(given["before"]) if given["before"] else None,
    )
