"""What a dataset holds, in numbers: counted by the database, never by loading its images."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Count, F, Max, Min, Q

from datasets import duplicate_scan
from datasets.models import Dataset, Image, Verdict
from datasets.ranges import MEASURES, Range, bins

#: Labels, licences, formats and sources that are told by name: the most frequent.
_NAMED = 10

#: Images in the sample that sizes are drawn from, and the middle one is taken from.
_SAMPLE = 300

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


def statistics_of(dataset: Dataset) -> Statistics:
    """A handful of queries, whatever the size; most read all rows of the dataset once."""
    everything = Image.objects.order_by().filter(dataset=dataset)
    images = everything.exclude(review=Verdict.EXCLUDED)
    counts = images.aggregate(
        kept=Count("pk"),
        unknown=Count("pk", filter=Q(licence_code__in=["", "unknown"])),
        damaged=Count("pk", filter=~Q(damage="")),
        unchecked=Count("pk", filter=Q(checked_at__isnull=True)),
        gps=Count("pk", filter=Q(has_gps=True)),
        personal=Count("pk", filter=Q(has_personal_data=True)),
    )
    per_label = images.values("label").annotate(n=Count("pk"))
    span = per_label.aggregate(labels=Count("label"), least=Min("n"), most=Max("n"))
    scan = duplicate_scan.current(dataset)
    sizes = _sizes(dataset, counts["kept"])
    return Statistics(
        kept=counts["kept"],
        excluded=everything.filter(review=Verdict.EXCLUDED).count(),
        labels=span["labels"],
        smallest_label=span["least"] or 0,
        largest_label=span["most"] or 0,
        by_label=_shares(dataset, "label"),
        thinnest=[Share(value=row["label"], count=row["n"]) for row in per_label.order_by("n", "label")[:3]],
        by_licence=_shares(dataset, "licence_code"),
        by_format=_shares(dataset, "format"),
        by_source=_shares(dataset, "source"),
        unknown_licence=counts["unknown"],
        damaged=counts["damaged"],
        unchecked=counts["unchecked"],
        with_gps=counts["gps"],
        with_personal_data=counts["personal"],
        groups=scan.group_count if scan else 0,
        undecided_groups=scan.groups.filter(decided_at__isnull=True).count() if scan else 0,
        sizes_px=sizes,
        is_sample=len(sizes) < counts["kept"],
        histograms=_histograms(dataset) if counts["kept"] else {},
    )


def _shares(dataset: Dataset, column: str) -> list[Share]:
    counted = Image.objects.order_by().filter(dataset=dataset).exclude(review=Verdict.EXCLUDED)
    rows = counted.values_list(column).annotate(n=Count("pk")).order_by("-n", column)[:_NAMED]
    return [Share(value=value, count=n) for value, n in rows]


def _histograms(dataset: Dataset) -> dict[str, list[Bin]]:
    """All bins of all measures by one query."""
    images = Image.objects.order_by().filter(dataset=dataset).exclude(review=Verdict.EXCLUDED)
    ranged = {name: bins(measure) for name, measure in MEASURES.items()}
    counted = images.annotate(**{f"m_{name}": measure.expression for name, measure in MEASURES.items()}).aggregate(
        **{
            f"n_{name}_{place}": Count("pk", filter=one.q(f"m_{name}"))
            for name, of_measure in ranged.items()
            for place, one in enumerate(of_measure)
        }
    )
    histograms = {
        name: [Bin(range=one, count=counted[f"n_{name}_{place}"]) for place, one in enumerate(of_measure)]
        for name, of_measure in ranged.items()
    }
    return {name: found for name, found in histograms.items() if any(one.count for one in found)}


def _sizes(dataset: Dataset, kept: int) -> list[tuple[int, int]]:
    """Every n-th image by its id, so that old and new ones are in it."""
    images = Image.objects.order_by("pk").filter(dataset=dataset).exclude(review=Verdict.EXCLUDED)
    step = max(1, kept // _SAMPLE)
    chosen = images.annotate(turn=F("pk") % step).filter(turn=0) if step > 1 else images
    return list(chosen.values_list("width_px", "height_px")[: 2 * _SAMPLE])
