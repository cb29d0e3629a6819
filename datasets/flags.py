"""Which images the quality checks flag, as conditions on their rows.

Flags are never stored: they follow from the scores and from the thresholds of the dataset, so that a threshold counts
the moment it is set. What a check means is said in datasets.imaging.checks.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, F, Q, QuerySet
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual

from datasets.imaging.checks import CHECKS, DEFAULT_THRESHOLDS, Check, Direction
from datasets.imaging.quality import SizeBounds
from datasets.models import Dataset, Image, Verdict

#: Bounds are squared to be held against areas. That rounds, and a picture on the line itself is ordinary.
_ROUNDING = 1e-9

#: Of a check whose property is no column of its own by the name that datasets.imaging.quality gives it.
_PRESENT = {Check.ANIMATED: Q(frames__gt=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that a check draws through what it looks at: images on its one side are flagged, those on it are not."""

    measure: F
    at: float
    flags_below: bool

    @property
    def flagged(self) -> Q:
        return Q(LessThan(self.measure, self.at) if self.flags_below else GreaterThan(self.measure, self.at))

    @property
    def not_flagged(self) -> Q:
        return Q(
            GreaterThanOrEqual(self.measure, self.at) if self.flags_below else LessThanOrEqual(self.measure, self.at)
        )


def shown_images(dataset: Dataset) -> QuerySet[Image]:
    """The images that checks, gallery and report speak of, in no order: all but those that people excluded."""
    return Image.objects.order_by().filter(dataset=dataset).exclude(review=Verdict.EXCLUDED)


def thresholds(dataset: Dataset) -> dict[Check, float]:
    """Where each check flags from in this dataset: its own thresholds, else the defaults."""
    return {
        check: float(dataset.quality_thresholds.get(check, default)) for check, default in DEFAULT_THRESHOLDS.items()
    }


def condition(dataset: Dataset, check: Check) -> Q:
    """True of the images that the check flags. Asks the database for the quartiles of sizes, where it needs them."""
    info = CHECKS[check]
    if info.direction == Direction.PRESENT:
        return _PRESENT.get(check) or Q(**{info.field: True})
    return any_of(lines(dataset, check, thresholds(dataset)[check]))


def any_of(drawn: Sequence[Line]) -> Q:
    """True of the images that some line flags; of none where there is no line."""
    flagged = Q(pk__in=[])
    for line in drawn:
        flagged |= line.flagged
    return flagged


def lines(dataset: Dataset, check: Check, threshold: float) -> Sequence[Line]:
    """The lines that a check with a threshold draws."""
    info = CHECKS[check]
    if info.direction == Direction.BELOW:
        return [Line(measure=F(info.field), at=threshold, flags_below=True)]
    bounds = size_bounds(dataset, iqr_factor=threshold)
    below = Line(measure=F("area_px"), at=max(bounds.low_px, 0) ** 2 * (1 - _ROUNDING), flags_below=True)
    above = Line(measure=F("area_px"), at=bounds.high_px**2 * (1 + _ROUNDING), flags_below=False)
    return [line for line in (below, above) if 0 < line.at < math.inf]


def size_bounds(dataset: Dataset, *, iqr_factor: float) -> SizeBounds:
    """What datasets.imaging.quality.size_bounds says, asked of the database."""
    images = shown_images(dataset)
    count = images.count()
    if not count:
        return SizeBounds(low_px=0.0, high_px=math.inf)
    first, third = _size_at(images, (count - 1) * 0.25), _size_at(images, (count - 1) * 0.75)
    reach_px = iqr_factor * (third - first)
    return SizeBounds(low_px=first - reach_px, high_px=third + reach_px)


def counts(images: QuerySet[Image], conditions: Mapping[str, Q]) -> dict[str, int]:
    """How many of the images each condition is true of, in one pass over them; an empty one is true of all."""
    asked = {
        name: Count("pk", filter=condition) if condition else Count("pk") for name, condition in conditions.items()
    }
    found: dict[str, int] = images.aggregate(**asked)
    return found


def raised_by(dataset: Dataset, image: Image, checks: Collection[Check]) -> set[Check]:
    """Those of the checks that flag the image."""
    conditions = {check.value: condition(dataset, check) for check in checks}
    found = counts(Image.objects.order_by().filter(pk=image.pk), conditions)
    return {check for check in checks if found[check.value]}


def _size_at(images: QuerySet[Image], place: float) -> float:
    """The square root of pixels at a place of the sorted images, which may lie between two of them."""
    before, share = int(place), place % 1
    areas = images.order_by("area_px").values_list("area_px", flat=True)
    sizes_px = [math.sqrt(area) for area in areas[before : before + 2]]
    return sizes_px[0] + share * (sizes_px[-1] - sizes_px[0])
