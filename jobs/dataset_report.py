"""The report of a dataset: what it holds, what became of all that was found for it, and a verdict in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils import timezone

from datasets.models import Dataset
from datasets.outcomes import Outcome
from datasets.ranges import MEASURES
from datasets.statistics import TOO_FEW, Statistics, statistics_of
from jobs.models import Chunk, Finding, Kind
from jobs.progress import OUTCOME_COUNTERS

#: A label is thin when it has less than this part of what the largest one has.
_THIN = 0.6
_REASONS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """What one source gave, over all crawls of the dataset."""

    source: str
    found: int
    kept: int
    duplicate: int
    rejected: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A reason, and how many candidates of all crawls were not kept for it."""

    reason: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something to know, in words, and where to look at it; `is_warning`: it needs somebody."""

    words: str
    link: str
    is_warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The same for the page, the command and JSON."""

    dataset: Dataset
    drawn_at: Any
    statistics: Statistics
    funnels: Sequence[Funnel]
    left_out: Sequence[LeftOut]
    remarks: Sequence[Remark]

    @property
    def is_small(self) -> bool:
        """Too few images for charts to say anything."""
        return self.statistics.kept < TOO_FEW

    @property
    def verdict(self) -> str:
        number = len(self.remarks)
        if not self.statistics.kept:
            return "Empty."
        words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven")
        return (
            f"Usable, with {words[number].lower()} thing{'s' if number > 1 else ''} to know." if number else "Usable."
        )

    def to_json(self) -> dict[str, Any]:
        """For `manage.py report --json` and report.json: numbers only, keys as the fields are called."""
        statistics = asdict(self.statistics)
        histograms = {
            name: [{"from": one.range.low, "to": one.range.high, "count": one.count} for one in bins]
            for name, bins in self.statistics.histograms.items()
        }
        middle = self.statistics.middle_px
        return {
            "dataset": self.dataset.name,
            "drawn_at": self.drawn_at.isoformat(),
            **{name: value for name, value in statistics.items() if name not in ("sizes_px", "histograms")},
            "middle_px": list(middle) if middle else None,
            "histograms": histograms,
            "sources": [asdict(funnel) for funnel in self.funnels],
            "left_out": [asdict(reason) for reason in self.left_out],
            "verdict": self.verdict,
            "remarks": [remark.words for remark in self.remarks],
        }


def report_of(dataset: Dataset) -> Report:
    """Draws the report anew."""
    statistics = statistics_of(dataset)
    return Report(
        dataset=dataset,
        drawn_at=timezone.now(),
        statistics=statistics,
        funnels=_funnels(dataset),
        left_out=_left_out(dataset),
        remarks=_remarks(dataset, statistics),
    )


def _funnels(dataset: Dataset) -> list[Funnel]:
    chunks = Chunk.objects.order_by().filter(job__dataset=dataset, job__kind=Kind.CRAWL)
    sums = chunks.values("source").annotate(**{f"sum_{name}": Sum(name) for name in OUTCOME_COUNTERS})
    return [
        Funnel(source=row["source"], **{name: row[f"sum_{name}"] for name in OUTCOME_COUNTERS})
        for row in sums.order_by("-sum_kept", "source")
    ]


def _left_out(dataset: Dataset) -> list[LeftOut]:
    findings = Finding.objects.order_by().filter(job__dataset=dataset, job__kind=Kind.CRAWL)
    counted = findings.filter(~Q(outcome=Outcome.KEPT.value)).values_list("reason", "outcome").annotate(n=Count("pk"))
    return [
        LeftOut(reason=reason, outcome=outcome, count=n)
        for reason, outcome, n in counted.order_by("-n", "reason")[:_REASONS]
    ]


def _remarks(dataset: Dataset, seen: Statistics) -> list[Remark]:
    """What to know before the dataset is used, the gravest first."""
    gallery = dataset.get_absolute_url()
    duplicates = reverse("dataset-duplicates", args=[dataset.slug])
    checks = reverse("dataset-checks", args=[dataset.slug])
    thin = [share for share in seen.thinnest if seen.labels > 1 and share.count < _THIN * seen.largest_label]
    remarks = []
    if seen.damaged:
        remarks.append(Remark(words=f"{seen.damaged:,} files are damaged or missing.", link=checks))
    if seen.unchecked:
        remarks.append(Remark(words=f"{seen.unchecked:,} images were never checked.", link=checks))
    if thin:
        names = ", ".join(f"{share.value} ({share.count:,})" for share in thin)
        remarks.append(
            Remark(words=f"Thin, beside {seen.largest_label:,} of the largest label: {names}.", link=gallery)
        )
    if seen.unknown_licence:
        words = f"{seen.unknown_licence:,} images have no known licence."
        remarks.append(Remark(words=words, link=f"{gallery}?licence=unknown"))
    if seen.undecided_groups:
        words = (
            f"{seen.undecided_groups:,} groups of look-alikes are undecided; they could leak between train and test."
        )
        remarks.append(Remark(words=words, link=duplicates))
    if seen.with_gps or seen.with_personal_data:
        words = f"{seen.with_gps:,} files tell where they were taken, {seen.with_personal_data:,} name people."
        remarks.append(Remark(words=words, link=checks))
    return remarks


def histogram_titles() -> dict[str, str]:
    """Measure -> its title, as the JSON's keys are explained."""
    return {name: measure.title for name, measure in MEASURES.items()}
