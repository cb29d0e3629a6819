"""What a dataset holds, in numbers: counted by the database, never by loading its images."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Count, F, Q

from datasets import duplicate_scan
from datasets.flags import shown_images
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


#: What images are counted by, all at once.
_COUNTED = ("label", "licence_code", "format", "source")


def statistics_of(dataset: Dataset) -> Statistics:
    """Four queries, whatever the size; three read all rows of the dataset once."""
    images = shown_images(dataset)
    by_value: dict[str, Counter[str]] = {column: Counter() for column in _COUNTED}
    for *values, n in images.values_list(*_COUNTED).annotate(n=Count("pk")):
        for column, value in zip(_COUNTED, values, strict=True):
            by_value[column][value] += n
    labels, licences = by_value["label"], by_value["licence_code"]
    kept = labels.total()
    counts, histograms = _measured(dataset)
    scan = duplicate_scan.completed().filter(dataset=dataset).annotate(undecided=_UNDECIDED).first()
    sizes = _sizes(dataset, kept)
    return Statistics(
        kept=kept,
        excluded=counts["excluded"],
        labels=len(labels),
        smallest_label=min(labels.values(), default=0),
        largest_label=max(labels.values(), default=0),
        by_label=_shares(labels),
        thinnest=sorted(_all_shares(labels), key=lambda share: (share.count, share.value))[:3],
        by_licence=_shares(licences),
        by_format=_shares(by_value["format"]),
        by_source=_shares(by_value["source"]),
        unknown_licence=licences[""] + licences["unknown"],
        damaged=counts["damaged"],
        unchecked=counts["unchecked"],
        with_gps=counts["gps"],
        with_personal_data=counts["personal"],
        groups=scan.group_count if scan else 0,
        undecided_groups=scan.undecided if scan else 0,
        sizes_px=sizes,
        is_sample=len(sizes) < kept,
        histograms=histograms,
    )


_UNDECIDED = Count("groups", filter=Q(groups__decided_at__isnull=True))


def _all_shares(counts: Counter[str]) -> list[Share]:
    return [Share(value=value, count=n) for value, n in counts.items()]


def _shares(counts: Counter[str]) -> list[Share]:
    return sorted(_all_shares(counts), key=lambda share: (-share.count, share.value))[:_NAMED]


def _measured(dataset: Dataset) -> tuple[dict[str, int], dict[str, list[Bin]]]:
    """What checks found, and all bins of all measures that some image has, by one query."""
    shown = ~Q(review=Verdict.EXCLUDED)
    ranged = {name: bins(measure) for name, measure in MEASURES.items()}
    asked = {
        "excluded": Count("pk", filter=~shown),
        "damaged": Count("pk", filter=shown & ~Q(damage="")),
        "unchecked": Count("pk", filter=shown & Q(checked_at__isnull=True)),
        "gps": Count("pk", filter=shown & Q(has_gps=True)),
        "personal": Count("pk", filter=shown & Q(has_personal_data=True)),
    }
    places = {
        f"n_{name}_{place}": Count("pk", filter=shown & one.q(f"m_{name}"))
        for name, of_measure in ranged.items()
        for place, one in enumerate(of_measure)
    }
    images = Image.objects.order_by().filter(dataset=dataset)
    measures = {f"m_{name}": measure.expression for name, measure in MEASURES.items()}
    counted: dict[str, int] = images.annotate(**measures).aggregate(**asked, **places)
    histograms = {
        name: [Bin(range=one, count=counted[f"n_{name}_{place}"]) for place, one in enumerate(of_measure)]
        for name, of_measure in ranged.items()
    }
    return counted, {name: found for name, found in histograms.items() if any(one.count for one in found)}


def _sizes(dataset: Dataset, kept: int) -> list[tuple[int, int]]:
    """Every n-th image by its id, so that old and new ones are in it."""
    images = Image.objects.order_by("pk").filter(dataset=dataset).exclude(review=Verdict.EXCLUDED)
    step = max(1, kept // _SAMPLE)
    chosen = images.annotate(turn=F("pk") % step).filter(turn=0) if step > 1 else images
    return list(chosen.values_list("width_px", "height_px")[: 2 * _SAMPLE])
