"""The charts of a dataset's report as numbers of an SVG: places and lengths, drawn by the template."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from datasets.ranges import MEASURES
from datasets.statistics import Bin, Share, Statistics
from jobs.kept import Funnel, LeftOut

_WIDTH, _HEIGHT = 380.0, 150.0
_LEFT, _TOP, _BASE = 38.0, 14.0, 132.0
_SCATTER_HEIGHT = 300.0

#: Outcomes in the order in which they are always drawn, with the class of their colour.
_STACK = (("kept", "k"), ("duplicate", "d"), ("rejected", "r"), ("failed", "f"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a table of bars: `parts` are (class, start, width) in percent of the longest."""

    title: str
    count: int
    percent: int
    parts: Sequence[tuple[str, float, float]]
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a histogram."""

    title: str
    count: int
    x: float
    y: float
    width: float
    height: float
    middle: float
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    name: str
    title: str
    unit: str
    columns: Sequence[Column]
    #: (y, number) of the lines behind the columns.
    lines: Sequence[tuple[float, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """Dots of width and height in a sample."""

    dots: Sequence[tuple[float, float]]
    #: (place, number of pixels) of the marks at the side and below.
    rows: Sequence[tuple[float, int]]
    marks: Sequence[tuple[float, int]]


def shares(rows: Sequence[Share], *, total: int, gallery: str, facet: str) -> list[Bar]:
    """Bars that lead to the gallery filtered by the value."""
    most = max((row.count for row in rows), default=1)
    return [
        Bar(
            title=row.value or "none",
            count=row.count,
            percent=round(100 * row.count / max(1, total)),
            parts=[("a", 0.0, round(100 * row.count / most, 2))],
            link=f"{gallery}?{urlencode({facet: row.value})}",
        )
        for row in rows
    ]


def left_out(rows: Sequence[LeftOut]) -> list[Bar]:
    most = max((row.count for row in rows), default=1)
    css = dict(_STACK) | {"skipped": "s"}
    total = sum(row.count for row in rows)
    return [
        Bar(
            title=row.reason,
            count=row.count,
            percent=round(100 * row.count / max(1, total)),
            parts=[(css[row.outcome], 0.0, round(100 * row.count / most, 2))],
        )
        for row in rows
    ]


def funnels(rows: Sequence[Funnel]) -> list[Bar]:
    """One stacked bar per source, as long as what it gave."""
    most = max((row.found for row in rows), default=0) or 1
    bars = []
    for row in rows:
        parts, start = [], 0.0
        for name, css in _STACK:
            width = 100 * getattr(row, name) / most
            if width:
                parts.append((css, round(start, 2), round(max(width - 0.25, 0.3), 2)))
            start += width
        percent = round(100 * row.kept / max(1, row.found))
        bars.append(Bar(title=row.source, count=row.kept, percent=percent, parts=parts))
    return bars


def histogram(name: str, bins: Sequence[Bin], *, gallery: str) -> Histogram:
    """Columns that lead to the gallery filtered by the range."""
    measure = MEASURES[name]
    most = max((one.count for one in bins), default=0) or 1
    step = (_WIDTH - _LEFT - 4) / len(bins)
    columns = []
    for place, one in enumerate(bins):
        height = max((_BASE - _TOP) * one.count / most, 0.8)
        x = _LEFT + place * step
        columns.append(
            Column(
                title=one.range.words,
                count=one.count,
                x=round(x + 2, 1),
                y=round(_BASE - height, 1),
                width=round(step - 4, 1),
                height=round(height, 1),
                middle=round(x + step / 2, 1),
                link=f"{gallery}?{urlencode({name: str(one.range)})}",
            )
        )
    lines = [(round(_BASE - (_BASE - _TOP) * part, 1), round(most * part)) for part in (0, 0.5, 1)]
    return Histogram(name=name, title=measure.title, unit=measure.unit, columns=columns, lines=lines)


def scatter(seen: Statistics) -> Scatter:
    """The sample of sizes, one dot each, on axes that the largest of them fills."""
    widest = _round_up(max((width for width, _ in seen.sizes_px), default=1))
    highest = _round_up(max((height for _, height in seen.sizes_px), default=1))
    right, bottom, top = _WIDTH - 16, _SCATTER_HEIGHT - 20, 6.0

    def x(width_px: float) -> float:
        return round(_LEFT + (right - _LEFT) * width_px / widest, 1)

    def y(height_px: float) -> float:
        return round(bottom - (bottom - top) * height_px / highest, 1)

    return Scatter(
        dots=[(x(width), y(height)) for width, height in seen.sizes_px],
        rows=[(y(highest * part / 4), round(highest * part / 4)) for part in range(5)],
        marks=[(x(widest * part / 4), round(widest * part / 4)) for part in range(1, 5)],
    )


def _round_up(number: int) -> int:
    step = 5 * int(10 ** max(0, len(str(number)) - 2))
    return -(-number // step) * step
