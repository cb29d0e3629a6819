"""Ranges of numbers that images are counted and filtered by: sides, shapes, sizes and scores of the quality."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from django.db.models import F, FloatField, Q
from django.db.models.functions import Cast, Least

from datasets.imaging.checks import CHECKS, Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number of an image: how it is called, its unit, how the database finds it, and where its bins end.

    `edges` are the inner edges: one bin more than edges, the first and the last one open.
    """

    title: str
    unit: str
    expression: Any
    edges: Sequence[float]


_WRITTEN = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)?-(\d{1,12}(?:\.\d{1,6})?)?", re.ASCII)
_SCORE_UNIT = "score, 0 bad to 1 good"
_SCORE_EDGES = (0.2, 0.4, 0.6, 0.8)

#: Parameter of the gallery's address -> what it ranges over.
MEASURES: Final[Mapping[str, Measure]] = {
    "short": Measure(
        title="Shortest side",
        unit="pixels",
        expression=Least("width_px", "height_px"),
        edges=(200, 400, 600, 800, 1200, 2400),
    ),
    "aspect": Measure(
        title="Aspect ratio",
        unit="width / height",
        expression=Cast("width_px", FloatField()) / F("height_px"),
        edges=(0.6, 0.8, 1.2, 1.4, 1.6, 2.0),
    ),
    "bytes": Measure(
        title="File size",
        unit="bytes",
        expression=F("size_bytes"),
        edges=(20_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000),
    ),
    **{
        check.value: Measure(
            title=info.title, unit="score, 0 bad to 1 good", expression=F(info.field), edges=_SCORE_EDGES
        )
        for check, info in CHECKS.items()
        if info.direction == Direction.BELOW and info.field.endswith("_score")
    },
}


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` on, up to but without `high`; None is open."""

    low: float | None
    high: float | None

    @classmethod
    def parse(cls, text: str) -> "Range | None":
        """Out of `400-600`, `-200` or `2400-`; None for anything else."""
        found = _WRITTEN.fullmatch(text)
        if found is None or not any(found.groups()):
            return None
        low, high = (float(number) if number else None for number in found.groups())
        return cls(low, high)

    def __str__(self) -> str:
        return f"{_number(self.low)}-{_number(self.high)}"

    @property
    def words(self) -> str:
        """As people read it."""
        if self.low is None:
            return f"under {_number(self.high, grouped=True)}"
        if self.high is None:
            return f"{_number(self.low, grouped=True)} and more"
        return f"{_number(self.low, grouped=True)} to {_number(self.high, grouped=True)}"

    def q(self, name: str) -> Q:
        """The condition on a field or an annotation of that name."""
        condition = Q(**{f"{name}__isnull": False})
        if self.low is not None:
            condition &= Q(**{f"{name}__gte": self.low})
        if self.high is not None:
            condition &= Q(**{f"{name}__lt": self.high})
        return condition


def bins(measure: Measure) -> list[Range]:
    """The measure's bins, from the lowest."""
    edges = [None, *measure.edges, None]
    return [Range(low, high) for low, high in pairwise(edges)]


def _number(value: float | None, *, grouped: bool = False) -> str:
    if value is None:
        return ""
    return f"{value:,.10g}" if grouped else f"{value:.10g}"
