"""What a dataset holds, as its report tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from datasets import duplicate_scan
from datasets.imaging.checks import Check
from datasets.models import Dataset, DuplicateGroup
from datasets.numbers import Numbers
from datasets.ranges import MEASURES, Range, bins

#: Labels, licences, formats and sources that are told by name: the most frequent.
_NAMED = 10

#: Below so many images charts would say nothing.
TOO_FEW = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A value and the number of images that have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """A range of a measure and the number of images in it."""

    range: Range
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """A dataset's images in numbers. Excluded ones are counted in `excluded`, and nowhere else.

    `sizes_px` is a sample of (width, height), all images where they are few. `histograms` has a list of bins by
    measure (datasets.ranges); scores that no validation has measured are left out.
    """

    kept: int
    excluded: int
    labels: int
    smallest_label: int
    largest_label: int
    by_label: list[Share]
    thinnest: list[Share]
    by_licence: list[Share]
    by_format: list[Share]
    by_source: list[Share]
    unknown_licence: int
    damaged: int
    unchecked: int
    with_gps: int
    with_personal_data: int
    groups: int
    undecided_groups: int
    sizes_px: list[tuple[int, int]]
    is_sample: bool
    histograms: Mapping[str, list[Bin]] = field(default_factory=dict)

    @property
    def middle_px(self) -> tuple[int, int] | None:
        """Width and height of the image in the middle, by pixels; of the sample where that is one."""
        ordered = sorted(self.sizes_px, key=lambda size: (size[0] * size[1], size))
        return ordered[len(ordered) // 2] if ordered else None

    @property
    def known_licence_percent(self) -> int:
        return 100 * (self.kept - self.unknown_licence) // max(1, self.kept)


def statistics_of(dataset: Dataset, numbers: Numbers) -> Statistics:
    """The numbers of a dataset as its report tells them; one query, for its groups of look-alikes."""
    labels, licences = numbers.values["label"], numbers.values["licence_code"]
    scan = duplicate_scan.completed().filter(dataset=dataset).annotate(undecided=_UNDECIDED).first()
    return Statistics(
        kept=numbers.shown,
        excluded=numbers.excluded,
        labels=len(labels),
        smallest_label=min(labels.values(), default=0),
        largest_label=max(labels.values(), default=0),
        by_label=_shares(labels),
        thinnest=sorted(_all_shares(labels), key=lambda share: (share.count, share.value))[:3],
        by_licence=_shares(licences),
        by_format=_shares(numbers.values["format"]),
        by_source=_shares(numbers.values["source"]),
        unknown_licence=licences.get("", 0) + licences.get("unknown", 0),
        damaged=numbers.damaged,
        unchecked=numbers.states.get("unchecked", 0),
        with_gps=numbers.states.get(Check.GPS, 0),
        with_personal_data=numbers.states.get(Check.PERSONAL_DATA, 0),
        groups=scan.group_count if scan else 0,
        undecided_groups=scan.undecided if scan else 0,
        sizes_px=list(numbers.sizes_px),
        is_sample=len(numbers.sizes_px) < numbers.shown,
        histograms=_histograms(numbers),
    )


#: Along an index of those alone.
_UNDECIDED = Coalesce(
    Subquery(
        DuplicateGroup.objects.order_by()
        .filter(scan=OuterRef("pk"), decided_at__isnull=True)
        .values("scan")
        .annotate(n=Count("pk"))
        .values("n")
    ),
    0,
)


def _all_shares(counts: Mapping[str, int]) -> list[Share]:
    return [Share(value=value, count=n) for value, n in counts.items()]


def _shares(counts: Mapping[str, int]) -> list[Share]:
    return sorted(_all_shares(counts), key=lambda share: (-share.count, share.value))[:_NAMED]


def _histograms(numbers: Numbers) -> dict[str, list[Bin]]:
    """All bins of all measures that some image has."""
    return {
        name: [Bin(range=one, count=n) for one, n in zip(bins(measure), numbers.ranges[name], strict=True)]
        for name, measure in MEASURES.items()
        if any(numbers.ranges[name])
    }
