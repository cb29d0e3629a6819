"""A threshold tried out: what it would flag, how the scores lie around it, and the pictures next to the line."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, F, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Floor, Ln

from datasets import flags
from datasets.flags import Line
from datasets.imaging.checks import CHECKS, Check, Direction
from datasets.models import Dataset, Image

#: Pictures shown on each side of the line.
SAMPLES: Final = 6

#: Bars of a score, from 0 to 1.
_SCORE_BARS: Final = 20
#: Bars of sizes for each doubling: most sizes lie close together, and a few far away.
_BARS_PER_DOUBLING: Final = 3
#: Of a bar that stands for an image at all, in percent.
_LEAST_HEIGHT: Final = 1.5
#: A value at the lower end of a bar belongs to it, however the database rounds.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Slider:
    """What may be chosen: from `least` to `most` in such steps."""

    least: float
    most: float
    step: float

    def read(self, text: str) -> float | None:
        """The number that the text gives, on the nearest step; None where it gives none within the range."""
        try:
            number = float(text)
        except ValueError:
            return None
        if not self.least <= number <= self.most:
            return None
        return round(round(number / self.step) * self.step, 3)


#: Of a score, and of how many interquartile ranges a size lies outside.
_SLIDERS: Final = {
    Direction.BELOW: Slider(least=0, most=1, step=0.01),
    Direction.OUTSIDE: Slider(least=0, most=10, step=0.1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How many images lie from `low` to below `high`, and whether the check flags all that lies there.

    Drawn in percent of the picture: so far from the left, so wide, so high.
    """

    low: float
    high: float
    count: int
    is_flagged: bool
    left: float
    width: float
    height: float

    @property
    def top(self) -> float:
        return 100 - self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Bars in order, without gaps; `lines` are where the check draws its own, in percent from the left.

    `middle` is what stands half way along the axis.
    """

    bars: Sequence[Bar]
    lines: Sequence[float]
    middle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a threshold would do: `flagged` of `measured` images. Samples begin with those next to the line."""

    flagged: int
    measured: int
    histogram: Histogram
    just_flagged: Sequence[Image]
    just_not: Sequence[Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """Cuts what a check looks at into bars: `place` counts them for a value, `value` is what people read at a place."""

    measure: Combinable
    place_in_database: Combinable
    place: Callable[[float], float]
    value: Callable[[float], float]


#: From the logarithm of an area to bars of its square root.
_BARS_PER_LN: Final = _BARS_PER_DOUBLING / math.log(2) / 2

_SIZE_AXIS: Final = _Axis(
    measure=F("area_px"),
    place_in_database=Ln(F("area_px")) * _BARS_PER_LN,
    place=lambda area_px: math.log(area_px) * _BARS_PER_LN,
    value=lambda place: float(2 ** (place / _BARS_PER_DOUBLING)),
)


def _score_axis(field: str) -> _Axis:
    return _Axis(
        measure=F(field),
        place_in_database=F(field) * float(_SCORE_BARS),
        place=lambda score: score * _SCORE_BARS,
        value=lambda place: place / _SCORE_BARS,
    )


def slider(check: Check) -> Slider:
    """The range of a check's threshold. Raises KeyError for a check that has none."""
    return _SLIDERS[CHECKS[check].direction]


def preview(dataset: Dataset, check: Check, threshold: float) -> Preview:
    """What the check would flag with that threshold. Writes nothing."""
    images = flags.shown_images(dataset)
    drawn = flags.lines(dataset, check, threshold)
    if CHECKS[check].direction == Direction.BELOW:
        axis = _score_axis(CHECKS[check].field)
        images = images.filter(**{f"{CHECKS[check].field}__isnull": False})
    else:
        axis = _SIZE_AXIS
    found = flags.counts(images, {"flagged": flags.any_of(drawn), "measured": Q()})
    return Preview(
        flagged=found["flagged"],
        measured=found["measured"],
        histogram=_histogram(images, axis, drawn),
        just_flagged=_just_flagged(images, drawn),
        just_not=_just_not(images, drawn),
    )


def _histogram(images: QuerySet[Image], axis: _Axis, drawn: Sequence[Line]) -> Histogram:
    bar = Floor(axis.place_in_database + _ROUNDING)
    found = {int(place): n for place, n in images.annotate(bar=bar).values_list("bar").annotate(n=Count("pk"))}
    if axis is _SIZE_AXIS:
        # With a bar of room on both sides: most datasets have a size that many images share.
        first, last = min(found, default=0) - 1, max(found, default=0) + 1
    else:
        first, last = 0, _SCORE_BARS - 1
        # The best score of all lies on the end of the axis.
        found[last] = found.get(last, 0) + found.pop(_SCORE_BARS, 0)
    places = [(axis.place(line.at), line.flags_below) for line in drawn]
    width = 100 / (last + 1 - first)
    highest = max(found.values(), default=0)
    bars = [
        Bar(
            low=axis.value(place),
            high=axis.value(place + 1),
            count=(count := found.get(place, 0)),
            is_flagged=any(place + 1 <= at if below else place >= at for at, below in places),
            left=(place - first) * width,
            width=width,
            height=max(100 * count / highest, _LEAST_HEIGHT) if count else 0,
        )
        for place in range(first, last + 1)
    ]
    lines = [x for at, _ in places if 0 <= (x := (at - first) * width) <= 100]
    return Histogram(bars=bars, lines=lines, middle=axis.value((first + last + 1) / 2))


def _just_flagged(images: QuerySet[Image], drawn: Sequence[Line]) -> list[Image]:
    found: list[Image] = []
    for line in drawn:
        found += _in_order(images.filter(line.flagged), line, upwards=not line.flags_below)[: SAMPLES // len(drawn)]
    return found


def _just_not(images: QuerySet[Image], drawn: Sequence[Line]) -> list[Image]:
    for line in drawn:
        images = images.filter(line.not_flagged)
    found: dict[int, Image] = {}
    for line in drawn:
        nearest = _in_order(images, line, upwards=line.flags_below)[: SAMPLES // len(drawn)]
        found |= {image.pk: image for image in nearest}
    return list(found.values())


def _in_order(images: QuerySet[Image], line: Line, *, upwards: bool) -> QuerySet[Image]:
    """By what the line is drawn through, along its index: any further order would have all of them sorted."""
    by_measure = images.select_related("dataset").annotate(measure=line.measure)
    return by_measure.order_by(line.measure.asc() if upwards else line.measure.desc())
