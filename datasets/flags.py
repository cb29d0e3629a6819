"""Which images the quality checks flag, as conditions on their rows.

Flags are never stored: they follow from the scores and from the thresholds of the dataset, so that a threshold counts
the moment it is set. What a check means is said in datasets.imaging.checks.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Count, F, Q, QuerySet
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual

from datasets import numbers
from datasets.imaging.checks import CHECKS, DEFAULT_THRESHOLDS, Check, Direction
from datasets.models import Dataset, Image, Verdict
from datasets.number_models import KeptNumbers

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

    def measured(self, image: Image) -> float:
        """What the line is drawn through, of an image that has it."""
        return float(getattr(image, self.measure.name))

    def flags(self, image: Image) -> bool:
        """Whether an image that has what is measured lies on the side that is flagged."""
        return self.measured(image) < self.at if self.flags_below else self.measured(image) > self.at


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
    """The lines that a check with a threshold draws. Asks the database for the quartiles of sizes, if it needs them."""
    quartiles = quartiles_px(dataset) if CHECKS[check].direction == Direction.OUTSIDE else None
    return lines_between(quartiles, check, threshold)


def lines_between(quartiles: tuple[float, float] | None, check: Check, threshold: float) -> Sequence[Line]:
    """The same, with the quartiles of sizes at hand."""
    info = CHECKS[check]
    if info.direction == Direction.BELOW:
        return [Line(measure=F(info.field), at=threshold, flags_below=True)]
    low, high = numbers.area_lines(quartiles, threshold)
    below = Line(measure=F("area_px"), at=low, flags_below=True)
    above = Line(measure=F("area_px"), at=high, flags_below=False)
    return [line for line in (below, above) if 0 < line.at < math.inf]


def quartiles_px(dataset: Dataset) -> tuple[float, float] | None:
    """Of the sizes of the images that are shown; of a large dataset as they were counted last. One query, or two."""
    if numbers.is_large(dataset):
        kept = KeptNumbers.objects.filter(dataset=dataset, revision__isnull=False)
        found = kept.values_list("first_size_px", "third_size_px").first()
        if found is not None:
            first_px, third_px = found
            return None if first_px is None or third_px is None else (first_px, third_px)
    areas = shown_images(dataset).values_list("area_px", flat=True)
    return numbers.quartiles_px(np.sort(np.array(list(areas), np.float64)))


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
