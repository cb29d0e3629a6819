"""The report of a dataset: what it holds, what became of all that was found for it, and a verdict in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from datasets import numbers
from datasets.models import Dataset
from datasets.ranges import MEASURES
from datasets.statistics import TOO_FEW, Statistics, statistics_of
from jobs import kept

#: A label is thin when it has less than this part of what the largest one has.
_THIN = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something to know, in words, and where to look at it; `is_warning`: it needs somebody."""

    words: str
    link: str
    is_warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The same for the page, the command and JSON; `since` are words for what changed since it was drawn, or ""."""

    dataset: Dataset
    drawn_at: datetime
    since: str
    statistics: Statistics
    funnels: Sequence[kept.Funnel]
    left_out: Sequence[kept.LeftOut]
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
            "changed_since": self.since,
            **{name: value for name, value in statistics.items() if name not in ("sizes_px", "histograms")},
            "middle_px": list(middle) if middle else None,
            "histograms": histograms,
            "sources": [asdict(funnel) for funnel in self.funnels],
            "left_out": [asdict(reason) for reason in self.left_out],
            "verdict": self.verdict,
            "remarks": [remark.words for remark in self.remarks],
        }


def report_of(dataset: Dataset, *, excluded: int | None = None) -> Report:
    """The report by numbers that are counted now, or of a large dataset by those that are kept (datasets.numbers).

    `excluded` is how many images are excluded by now, for the words of what changed.
    """
    seen = numbers.of(dataset, excluded=excluded)
    statistics, since = statistics_of(dataset, seen.numbers), seen.since
    sources = kept.funnels(dataset.pk)
    if seen.beside is None:
        reasons = kept.left_out(dataset.pk)
    else:
        told = [kept.Funnel(**row) for row in seen.beside["funnels"]]
        if told != sources and not since:
            since = "more candidates were looked at"
        sources, reasons = told, [kept.LeftOut(**row) for row in seen.beside["left_out"]]
    return Report(
        dataset=dataset,
        drawn_at=seen.counted_at,
        since=since,
        statistics=statistics,
        funnels=sources,
        left_out=reasons,
        remarks=_remarks(dataset, statistics),
    )


def _remarks(dataset: Dataset, seen: Statistics) -> list[Remark]:
    """What to know before the dataset is used, the gravest first."""
    gallery = dataset.get_absolute_url()
    duplicates = reverse("dataset-duplicates", args=[dataset.slug])
    checks = reverse("dataset-checks", args=[dataset.slug])
    thin = [share for share in seen.thinnest if seen.labels > 1 and share.count < _THIN * seen.largest_label]
    remarks = []
    if seen.damaged:
        remarks.append(
            Remark(words=f"{_counted(seen.damaged, 'file is', 'files are')} damaged or missing.", link=checks)
        )
    if seen.unchecked:
        remarks.append(
            Remark(words=f"{_counted(seen.unchecked, 'image was', 'images were')} never checked.", link=checks)
        )
    if thin:
        names = ", ".join(f"{share.value} ({share.count:,})" for share in thin)
        remarks.append(
            Remark(words=f"Thin, beside {seen.largest_label:,} of the largest label: {names}.", link=gallery)
        )
    if seen.unknown_licence:
        words = f"{_counted(seen.unknown_licence, 'image has', 'images have')} no known licence."
        remarks.append(Remark(words=words, link=f"{gallery}?licence=unknown"))
    if seen.undecided_groups:
        groups = _counted(seen.undecided_groups, "group of look-alikes is", "groups of look-alikes are")
        words = f"{groups} undecided: copies of a picture could leak between train and test."
        remarks.append(Remark(words=words, link=duplicates))
    if seen.with_gps:
        words = f"{_counted(seen.with_gps, 'file tells where it was', 'files tell where they were')} taken."
        remarks.append(Remark(words=words, link=checks))
    if seen.with_personal_data:
        words = f"{_counted(seen.with_personal_data, 'file names', 'files name')} people."
        remarks.append(Remark(words=words, link=checks))
    return remarks


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def histogram_titles() -> dict[str, str]:
    """Measure -> its title, as the JSON's keys are explained."""
    return {name: measure.title for name, measure in MEASURES.items()}
