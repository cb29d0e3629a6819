"""What pages ask of datasets and their images. Nothing here writes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import (
    BigIntegerField,
    BooleanField,
    Count,
    F,
    FloatField,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThan

from datasets import duplicate_scan, numbers
from datasets.counting import EXACT_UP_TO, CountUpTo, counted_by
from datasets.flags import shown_images
from datasets.imaging.checks import Check
from datasets.models import Dataset, DuplicateGroup, Image, Verdict
from datasets.preferences import DEFAULT_PAGE_SIZE
from datasets.ranges import MEASURES, Range

#: The facets of the gallery: parameter of the address -> title and column.
FACETS: Mapping[str, tuple[str, str]] = {
    "label": ("Label", "label"),
    "source": ("Source", "source"),
    "licence": ("Licence", "licence_code"),
    "format": ("Format", "format"),
}

#: Words of fewer letters are looked for among so many of the newest images of a large dataset: no index finds them.
SHORT_SEARCH = 20_000
_INDEXED_LETTERS = 3

#: Values shown per facet: the most frequent.
_FACET_VALUES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a gallery shows: chosen values per facet, words, and whether only look-alikes.

    `flags` holds each chosen check with what is true of the images that it flags, `damage` reasons, and `review` what
    people decided: without it, all but what they excluded.
    """

    chosen: Mapping[str, Sequence[str]]
    search: str = ""
    only_alike: bool = False
    ranges: Mapping[str, Range] = field(default_factory=dict)
    flags: Mapping[Check, Q] = field(default_factory=dict)
    damage: Sequence[str] = ()
    review: Sequence[str] = ()

    @property
    def is_short_search(self) -> bool:
        """Whether the words are too short for the index of words, which knows runs of three letters."""
        return 0 < len(self.search) < _INDEXED_LETTERS

    @property
    def count(self) -> int:
        chosen = (*self.chosen.values(), self.ranges, self.flags, self.damage, self.review)
        return sum(map(len, chosen)) + bool(self.search) + self.only_alike


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetValue:
    value: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    key: str
    title: str
    values: Sequence[FacetValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands above all pages of a dataset; numbers above EXACT_UP_TO are not counted further."""

    checked_at: datetime | None
    damaged: int
    excluded: int
    undecided: int


def head(dataset: Dataset) -> Head:
    """The state of a dataset in four numbers, each along an index; one query."""
    images = Image.objects.order_by().filter(dataset=OuterRef("pk"))
    newest_scan = duplicate_scan.completed().filter(dataset=OuterRef(OuterRef("pk"))).values("pk")[:1]
    found = {
        "damaged": CountUpTo(images.exclude(review=Verdict.EXCLUDED).exclude(damage="")),
        "excluded": CountUpTo(reviewed(images, [Verdict.EXCLUDED])),
        "undecided": CountUpTo(DuplicateGroup.objects.filter(decided_at__isnull=True, scan=Subquery(newest_scan))),
    }
    newest = images.order_by("-pk").values("checked_at")[:1]
    rows = Dataset.objects.filter(pk=dataset.pk).annotate(**found, checked_at=Subquery(newest))
    return Head(**rows.values("checked_at", *found).get())


def matching(dataset: Dataset, filters: Filters) -> QuerySet[Image]:
    """The images of a dataset that the filters let through, newest first."""
    images = _searched(dataset, filters)
    for key, values in filters.chosen.items():
        images = images.filter(**{f"{FACETS[key][1]}__in": values})
    return _ranged(_checked(images, filters), filters).order_by("-pk")


def _ranged(images: QuerySet[Image], filters: Filters) -> QuerySet[Image]:
    for name, wanted in filters.ranges.items():
        images = images.annotate(**{f"m_{name}": MEASURES[name].expression}).filter(wanted.q(f"m_{name}"))
    return images


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the gallery, along an index: by the id, or by the area and then the id."""

    title: str
    by_area: bool
    is_descending: bool

    @property
    def columns(self) -> list[str]:
        sign = "-" if self.is_descending else ""
        return [f"{sign}{column}" for column in (("area_px", "pk") if self.by_area else ("pk",))]

    def behind(self, after: str) -> Q:
        """True of what comes after the image that an address names; of all where it names none."""
        area, _, pk = after.rpartition("-")
        beyond = "lt" if self.is_descending else "gt"
        if not _is_id(pk) or (self.by_area and not _is_id(area)):
            return Q()
        if not self.by_area:
            return Q(**{f"pk__{beyond}": int(pk)})
        # As rows, so that the index is entered at the place itself: many images may have the same area.
        place = _row(Value(float(area), output_field=FloatField()), Value(int(pk), output_field=BigIntegerField()))
        compare = LessThan if self.is_descending else GreaterThan
        return Q(compare(_row(F("area_px"), F("pk")), place))

    def place_of(self, image: Image) -> str:
        """How an address names the image as the place to go on from."""
        return f"{image.area_px:.0f}-{image.pk}" if self.by_area else str(image.pk)


#: The orders there are, by their parameter of the address; the first is the one without.
ORDERS: Mapping[str, Order] = {
    "": Order("Newest first", by_area=False, is_descending=True),
    "oldest": Order("Oldest first", by_area=False, is_descending=False),
    "largest": Order("Largest first", by_area=True, is_descending=True),
    "smallest": Order("Smallest first", by_area=True, is_descending=False),
}


def _row(*values: F | Value) -> Func:
    """Values that are compared together, the first ones first."""
    return Func(*values, function="", output_field=BooleanField())


def _is_id(text: str) -> bool:
    return text.isdecimal() and len(text) < 19


def gallery_page(
    images: QuerySet[Image], after: str = "", size: int = DEFAULT_PAGE_SIZE, order: Order = ORDERS[""]
) -> tuple[list[Image], str]:
    """One page of images, and the `after` of the next page ("": this is the last).

    Their ids are found first, so that an index which holds all that is asked for is read instead of the rows.
    """
    ids = images.filter(order.behind(after)).order_by(*order.columns).values("pk")[: size + 1]
    page = list(Image.objects.filter(pk__in=ids).order_by(*order.columns))
    return page[:size], order.place_of(page[size - 1]) if len(page) > size else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Images counted by all facets and by damage at once; where `is_least`, by the newest EXACT_UP_TO of them alone.

    `total` is the number that all filters let through, at least. `counted_at` is there where facets are told by kept
    numbers, and `since` are words for what changed since then.
    """

    facets: Sequence[Facet]
    damages: Sequence[tuple[str, int]]
    total: int
    total_is_least: bool
    is_least: bool
    counted_at: datetime | None = None
    since: str = ""


def tally(dataset: Dataset, filters: Filters, *, excluded: int | None = None) -> Tally:
    """One query; a second where labels and the like are chosen among more matches than are counted.

    A facet counts under all filters but its own, so that its values can be exchanged; so does damage. `excluded` is how
    many images of the dataset are excluded.
    """
    base = replace(filters, chosen={}, damage=())
    kept = None if base.count else numbers.with_cells(dataset, excluded=excluded)
    rows: Sequence[Sequence[Any]] | None = kept[1] if kept else None
    is_bounded = bool(base.count) or (rows is None and numbers.is_large(dataset))
    if rows is None:
        rows = _rows_by_value(dataset, base, is_bounded=is_bounded)
    is_least = is_bounded and sum(row[-1] for row in rows) > EXACT_UP_TO
    wanted = (*(filters.chosen.get(key, ()) for key in FACETS), filters.damage)
    counts, total = _by_facet(rows, wanted)
    if is_least and (filters.count > base.count or not base.count):
        total = matching(dataset, filters)[: EXACT_UP_TO + 1].count()
    total_is_least = is_least and total > EXACT_UP_TO
    if total_is_least:
        total = EXACT_UP_TO
    if not filters.count and numbers.is_large(dataset):
        exactly = kept[0].numbers.excluded if kept and (excluded or 0) > EXACT_UP_TO else excluded
        if exactly is not None and exactly <= dataset.image_count and (kept or exactly <= EXACT_UP_TO):
            total, total_is_least = dataset.image_count - exactly, False
    found = [
        Facet(key=key, title=title, values=_facet_values(counts[place], wanted[place]))
        for place, (key, (title, _)) in enumerate(FACETS.items())
    ]
    return Tally(
        facets=found,
        damages=[(reason, n) for reason, n in _most_first(counts[-1]) if reason],
        total=total,
        total_is_least=total_is_least,
        is_least=is_least,
        counted_at=kept[0].counted_at if kept else None,
        since=kept[0].since if kept else "",
    )


def _rows_by_value(dataset: Dataset, base: Filters, *, is_bounded: bool) -> "Sequence[Sequence[Any]]":
    """The values of all facets and damage, and the number of images that have them; of the newest where bounded."""
    columns = (*(column for _, column in FACETS.values()), "damage")
    images = matching(dataset, base)
    if is_bounded:
        return counted_by(images, columns)
    return list(images.order_by().values_list(*columns).annotate(n=Count("pk")))


def _by_facet(rows: Sequence[Any], wanted: Sequence[Sequence[str]]) -> tuple[list[Counter[str]], int]:
    """Each facet under all filters but its own, and the number that all let through."""
    counts: list[Counter[str]] = [Counter() for _ in wanted]
    total = 0
    for *values, n in rows:
        missed = [place for place, value in enumerate(values) if wanted[place] and value not in wanted[place]]
        if not missed:
            total += n
        for place, value in enumerate(values):
            if not missed or missed == [place]:
                counts[place][value] += n
    return counts, total


def _facet_values(counts: Mapping[str, int], chosen: Sequence[str]) -> list[FacetValue]:
    shown = _most_first(counts)[:_FACET_VALUES]
    return [FacetValue(value=value, count=n, is_chosen=value in chosen) for value, n in shown]


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))


def neighbours(image: Image) -> tuple[Image | None, Image | None]:
    """The newer and the older image of the same dataset."""
    images = Image.objects.filter(dataset_id=image.dataset_id).select_related("dataset")
    newer = images.filter(pk__gt=image.pk).order_by("pk").first()
    return newer, images.filter(pk__lt=image.pk).order_by("-pk").first()


def _searched(dataset: Dataset, filters: Filters) -> QuerySet[Image]:
    images = Image.objects.filter(dataset=dataset) if filters.review else shown_images(dataset)
    if filters.search:
        words = filters.search
        if filters.is_short_search and numbers.is_large(dataset):
            newest = Image.objects.filter(dataset=dataset).order_by("-pk").values("pk")
            images = images.filter(pk__gt=Coalesce(Subquery(newest[SHORT_SEARCH : SHORT_SEARCH + 1]), 0))
        images = images.filter(Q(keyword__icontains=words) | Q(title__icontains=words) | Q(url__icontains=words))
    return images.filter(near_duplicate_of__isnull=False) if filters.only_alike else images


def _checked(images: QuerySet[Image], filters: Filters) -> QuerySet[Image]:
    """Of several checks, reasons or decisions, one is enough."""
    if filters.flags:
        images = images.filter(reduce(or_, filters.flags.values()))
    if filters.damage:
        images = images.filter(damage__in=filters.damage)
    return reviewed(images, filters.review) if filters.review else images


def reviewed(images: QuerySet[Image], verdicts: Sequence[str]) -> QuerySet[Image]:
    """Those of which people decided so; along the index of what was decided, which SQLite does not see by itself."""
    return images.exclude(review="").filter(review__in=verdicts)
