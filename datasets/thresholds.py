"""A threshold tried out: what it would flag, how the scores lie around it, and the pictures next to the line."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from datasets import flags, numbers
from datasets.flags import Line
from datasets.imaging.checks import CHECKS, Check, Direction
from datasets.models import Dataset, Image

#: Pictures shown on each side of the line.
SAMPLES: Final = 6

#: Bars of a score, from 0 to 1.
_SCORE_BARS: Final = 20
#: Images of scores so near to the line are put in order to find samples: more, since some may be excluded by now.
_ENOUGH: Final = 4 * SAMPLES
#: Of a bar that stands for an image at all, in percent.
_LEAST_HEIGHT: Final = 1.5


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
    Direction.BELOW: Slider(least=0, most=1, step=1 / numbers.SCORE_STEPS),
    Direction.OUTSIDE: Slider(least=0, most=10, step=numbers.IQR_STEP),
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
class Sample:
    """An image next to a line; `measured` is its score, or its pixels where the line lies between sizes."""

    image: Image
    measured: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a threshold would do: `flagged` of `measured` images. Samples begin with those next to the line.

    `since` are words for what changed since the images were counted.
    """

    flagged: int
    measured: int
    histogram: Histogram
    just_flagged: Sequence[Sample]
    just_not: Sequence[Sample]
    counted_at: datetime
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """What bars are drawn along: `place` is where a value lies, in bars; `value` is what people read at a place."""

    place: Callable[[float], float]
    value: Callable[[float], float]


_SIZE_AXIS: Final = _Axis(
    place=lambda area_px: math.log(area_px) * numbers.BARS_PER_LN,
    value=lambda place: float(2 ** (place / numbers.BARS_PER_DOUBLING)),
)
_SCORE_AXIS: Final = _Axis(place=lambda score: score * _SCORE_BARS, value=lambda place: place / _SCORE_BARS)


def slider(check: Check) -> Slider:
    """The range of a check's threshold. Raises KeyError for a check that has none."""
    return _SLIDERS[CHECKS[check].direction]


def preview(dataset: Dataset, check: Check, threshold: float) -> Preview:
    """What the check would flag with that threshold. Writes nothing."""
    seen = numbers.of(dataset)
    counted = seen.numbers
    images = flags.shown_images(dataset)
    drawn = flags.lines_between(counted.quartiles_px, check, threshold)
    flagged = counted.flagged(check, threshold)
    if flagged is None:
        flagged = images.filter(flags.any_of(drawn)).count()
    if CHECKS[check].direction == Direction.BELOW:
        images = images.filter(**{f"{CHECKS[check].field}__isnull": False})
        steps = counted.scores[check]
        measured, histogram = sum(steps), _histogram(_score_bars(steps), _SCORE_AXIS, drawn)
        near = _near(steps, threshold, CHECKS[check].field)
    else:
        measured, histogram = counted.shown, _histogram(counted.sizes, _SIZE_AXIS, drawn)
        near = (Q(), Q())
    just_flagged, just_not = _samples(dataset, images.filter(near[0]), images.filter(near[1]), drawn)
    return Preview(
        flagged=flagged,
        measured=measured,
        histogram=histogram,
        just_flagged=just_flagged,
        just_not=just_not,
        counted_at=seen.counted_at,
        since=seen.since,
    )


def _score_bars(steps: Sequence[int]) -> dict[int, int]:
    """The best score of all lies on the end of the axis."""
    width = numbers.SCORE_STEPS // _SCORE_BARS
    bars = {bar: sum(steps[bar * width : (bar + 1) * width]) for bar in range(_SCORE_BARS)}
    bars[_SCORE_BARS - 1] += steps[-1]
    return bars


def _near(steps: Sequence[int], threshold: float, field: str) -> tuple[Q, Q]:
    """Ranges of the score on both sides of the line that hold enough samples, so that few rows are put in order."""
    low = high = round(threshold * numbers.SCORE_STEPS)
    while low > 0 and sum(steps[low : round(threshold * numbers.SCORE_STEPS)]) < _ENOUGH:
        low -= 1
    while high < len(steps) and sum(steps[round(threshold * numbers.SCORE_STEPS) : high]) < _ENOUGH:
        high += 1
    above = Q(**{f"{field}__gte": (low - 1) / numbers.SCORE_STEPS}) if low > 0 else Q()
    below = Q(**{f"{field}__lt": (high + 1) / numbers.SCORE_STEPS}) if high < len(steps) else Q()
    return above, below


def _histogram(found: Mapping[int, int], axis: _Axis, drawn: Sequence[Line]) -> Histogram:
    if axis is _SIZE_AXIS:
        # With a bar of room on both sides: most datasets have a size that many images share.
        first, last = min(found, default=0) - 1, max(found, default=0) + 1
    else:
        first, last = 0, _SCORE_BARS - 1
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


def _samples(
    dataset: Dataset, flagged: QuerySet[Image], others: QuerySet[Image], drawn: Sequence[Line]
) -> tuple[list[Sample], list[Sample]]:
    """The images next to the lines, those flagged and those not, each side beginning next to its line; one query."""
    for line in drawn:
        others = others.filter(line.not_flagged)
    sides = []
    for line in drawn:
        # Along the index of what the line is drawn through: any further order would have all of them sorted.
        for images, upwards in ((flagged.filter(line.flagged), not line.flags_below), (others, line.flags_below)):
            order = line.measure.asc() if upwards else line.measure.desc()
            nearest = images.order_by(order).values("pk")[: SAMPLES // len(drawn)]
            # Each by itself: of several in one condition PostgreSQL would look up every image in all of them.
            sides.append(Image.objects.order_by().filter(pk__in=nearest))
    first, *rest = sides or [Image.objects.none()]
    found = sorted({image.pk: image for image in first.union(*rest, all=True)}.values(), key=lambda image: image.pk)
    just_flagged: dict[int, Sample] = {}
    just_not: dict[int, Sample] = {}
    for line in drawn:
        inside = [image for image in found if line.flags(image)]
        outside = [image for image in found if not any(other.flags(image) for other in drawn)]
        just_flagged |= _nearest(inside, line, SAMPLES // len(drawn), upwards=not line.flags_below)
        just_not |= _nearest(outside, line, SAMPLES // len(drawn), upwards=line.flags_below)
    for image in found:
        image.dataset = dataset
    return list(just_flagged.values()), list(just_not.values())


def _nearest(images: Sequence[Image], line: Line, limit: int, *, upwards: bool) -> dict[int, Sample]:
    """By their ids the images of one side that lie next to the line, the nearest first."""
    ordered = sorted(images, key=line.measured, reverse=not upwards)
    return {image.pk: Sample(image=image, measured=line.measured(image)) for image in ordered[:limit]}
