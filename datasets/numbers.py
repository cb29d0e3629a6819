"""What a dataset holds, counted in one pass over its images; of large datasets that is kept, with when it was counted.

Small datasets are counted anew each time. Whoever changes images of a dataset counts its revision up in the same
transaction (`changed`), so that kept numbers of an older one are known to be old.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np
from django.db.models import F
from django.utils import timezone
from numpy.typing import NDArray

from datasets.counting import EXACT_UP_TO
from datasets.imaging.checks import CHECKS, Check, Direction
from datasets.models import Dataset, Image, ValidationLevel, Verdict
from datasets.number_models import KeptNumbers
from datasets.ranges import MEASURES

#: Up to so many images are counted anew for every page: a few hundredths of a second.
COUNTED_ANEW: Final = 5_000

#: Combinations of label, source, licence, format and damage that are kept.
_CELLS: Final = 10_000

#: Steps of a score from 0 to 1, those of the sliders.
SCORE_STEPS: Final = 100

#: Bars of sizes for each doubling: most sizes lie close together, and a few far away.
BARS_PER_DOUBLING: Final = 3
#: From the logarithm of an area to bars of its square root.
BARS_PER_LN: Final = BARS_PER_DOUBLING / math.log(2) / 2
#: A value at the lower end of a bar belongs to it, however it is rounded.
ROUNDING: Final = 1e-9

#: How many interquartile ranges a size may lie outside: from 0 to 10, in such steps.
IQR_STEPS: Final = 100
IQR_STEP: Final = 0.1

#: Bounds of sizes are squared to be held against areas. That rounds, and a picture on the line itself is ordinary.
_SQUARED: Final = 1e-9

#: Images in the sample of sizes, at most twice as many.
_SAMPLE: Final = 300

_ROWS_PER_READ: Final = 10_000

#: The columns of a cell.
CELL: Final = ("label", "source", "licence_code", "format", "damage")
_SCORED: Final = {check: info.field for check, info in CHECKS.items() if info.direction == Direction.BELOW}
_PRESENT: Final = {
    check: info.field
    for check, info in CHECKS.items()
    if info.direction == Direction.PRESENT and check != Check.ANIMATED
}
_READ: Final = (
    "pk", "review", "width_px", "height_px", "size_bytes", "frames", "checked_level", "near_duplicate_of_id",
    "ml_use", *CELL, *_PRESENT.values(), *_SCORED.values(),
)  # fmt: skip
_AT: Final = {name: place for place, name in enumerate(_READ)}
_EDGES: Final = np.array([round(step / SCORE_STEPS, 3) for step in range(1, SCORE_STEPS + 1)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """All images but the excluded ones, which `excluded` counts.

    `values` counts by column of a cell and value; `states` what is true of images: a check that has no threshold, a
    level that looked at them, "unchecked", "alike". `ranges` has the bins of a measure (datasets.ranges), `scores`
    the steps of a check's score: the last one is 1 itself. `sizes` counts images by bar of their size, `outside` those
    beyond so many steps of the interquartile range, and `quartiles_px` are those of sqrt(width × height), None where
    there is no image. `sizes_px` is a sample of (width, height), all images where they are few. `sound` are those that
    no validation found damaged: licence, what machines may do with them, images, bytes.
    """

    shown: int
    excluded: int
    values: Mapping[str, Mapping[str, int]]
    states: Mapping[str, int]
    ranges: Mapping[str, Sequence[int]]
    scores: Mapping[str, Sequence[int]]
    sizes: Mapping[int, int]
    outside: Sequence[int]
    quartiles_px: tuple[float, float] | None
    sizes_px: Sequence[tuple[int, int]]
    sound: Sequence[tuple[str, str, int, int]]

    @property
    def damaged(self) -> int:
        return sum(n for reason, n in self.values["damage"].items() if reason)

    def flagged(self, check: Check, threshold: float) -> int | None:
        """Images that a check flags from a threshold; None where the threshold is on no step of its slider."""
        step_size = 1 / SCORE_STEPS if check in _SCORED else IQR_STEP
        step = round(threshold / step_size)
        if not 0 <= step <= SCORE_STEPS or round(step * step_size, 3) != threshold:
            return None
        return sum(self.scores[check][:step]) if check in _SCORED else self.outside[step]

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Numbers":
        quartiles = told["quartiles_px"]
        return cls(
            **{
                **told,
                "sizes": {int(bar): n for bar, n in told["sizes"].items()},
                "quartiles_px": (quartiles[0], quartiles[1]) if quartiles else None,
                "sizes_px": [(width, height) for width, height in told["sizes_px"]],
                "sound": [(licence, ml_use, n, size_bytes) for licence, ml_use, n, size_bytes in told["sound"]],
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Numbers, and when they were counted; `since` are words for what changed since then, "": nothing did.

    `beside` is what jobs had to add, None where the numbers were counted just now.
    """

    numbers: Numbers
    counted_at: datetime
    since: str = ""
    beside: Mapping[str, Any] | None = None

    @property
    def is_kept(self) -> bool:
        return self.beside is not None


def changed(dataset_id: int) -> None:
    """Notes that images of the dataset change. In the caller's transaction, before it locks any of them.

    Everybody takes the dataset's row before rows of images, so that nobody waits in a circle.
    """
    Dataset.objects.filter(pk=dataset_id).update(revision=F("revision") + 1)


def is_large(dataset: Dataset) -> bool:
    return dataset.image_count > COUNTED_ANEW


def kept_of(dataset: Dataset) -> KeptNumbers | None:
    """What was counted of a large dataset, without its cells; None where nothing was yet, or it is small."""
    if not is_large(dataset):
        return None
    return KeptNumbers.objects.filter(dataset=dataset, revision__isnull=False).defer("cells").first()


def of(dataset: Dataset, *, excluded: int | None = None) -> Seen:
    """The numbers of a dataset: counted now, or of a large one those that are kept. `excluded` is for the words."""
    kept = kept_of(dataset)
    return (
        Seen(numbers=count(dataset)[0], counted_at=timezone.now()) if kept is None else _seen(dataset, kept, excluded)
    )


def with_cells(dataset: Dataset, *, excluded: int | None = None) -> tuple[Seen, list[list[Any]] | None] | None:
    """The numbers that are kept of a large dataset, and by cell: label, source, licence, format, damage, images.

    None where nothing is kept; no cells where there are too many combinations.
    """
    if not is_large(dataset):
        return None
    kept = KeptNumbers.objects.filter(dataset=dataset, revision__isnull=False).first()
    return None if kept is None else (_seen(dataset, kept, excluded), kept.cells)


def draw(dataset_id: int, *, beside: Mapping[str, Any]) -> None:
    """Counts the dataset's images and keeps what was counted. Not for callers in a transaction: a large one takes long.

    What changes meanwhile is a later revision than that of the numbers.
    """
    dataset = Dataset.objects.get(pk=dataset_id)
    started = time.monotonic()
    numbers, cells = count(dataset)
    first_px, third_px = numbers.quartiles_px or (None, None)
    KeptNumbers.objects.update_or_create(
        dataset=dataset,
        defaults={
            "revision": dataset.revision,
            "counted_at": timezone.now(),
            "image_count": dataset.image_count,
            "seconds": round(time.monotonic() - started, 3),
            "asked_at": None,
            "first_size_px": first_px,
            "third_size_px": third_px,
            "numbers": numbers.to_json(),
            "cells": [[*cell, n] for cell, n in cells.items()] if len(cells) <= _CELLS else None,
            "beside": dict(beside),
        },
    )


def count(dataset: Dataset) -> tuple[Numbers, Counter[tuple[str, ...]]]:
    """One pass over all rows of the dataset, 10,000 at a time; the numbers, and images by cell."""
    tally = _Tally()
    for rows in _pages(dataset):
        tally.add(rows)
    return tally.numbers(), tally.cells


class _Tally:
    """What is counted while rows go by; of each row 8 bytes are held, its area."""

    def __init__(self) -> None:
        self.excluded = 0
        self.cells: Counter[tuple[str, ...]] = Counter()
        self._states: Counter[str] = Counter()
        self._levels: Counter[str] = Counter()
        self._areas: list[NDArray[np.float64]] = []
        self._scores = {check: np.zeros(SCORE_STEPS + 1, np.int64) for check in _SCORED}
        self._ranges = {
            name: np.zeros(len(MEASURES[name].edges) + 1, np.int64) for name in ("short", "aspect", "bytes")
        }
        self._step = 1
        self._sample: list[tuple[int, int, int]] = []
        self._sound: Counter[tuple[str, str]] = Counter()
        self._sound_bytes: Counter[tuple[str, str]] = Counter()

    def add(self, page: Sequence[tuple[Any, ...]]) -> None:
        rows = [row for row in page if row[1] != Verdict.EXCLUDED]
        self.excluded += len(page) - len(rows)
        if not rows:
            return
        columns = dict(zip(_READ, zip(*rows, strict=True), strict=True))
        self.cells.update(zip(*(columns[name] for name in CELL), strict=True))
        self._add_states(columns)
        self._add_sizes(columns)
        self._add_sound(columns)
        for check, field in _SCORED.items():
            scores = np.array([score for score in columns[field] if score is not None], np.float64)
            self._scores[check] += np.bincount(np.searchsorted(_EDGES, scores, side="right"), minlength=SCORE_STEPS + 1)

    def numbers(self) -> Numbers:
        shown = self.cells.total()
        values: dict[str, Counter[str]] = {name: Counter() for name in CELL}
        for cell, n in self.cells.items():
            for name, value in zip(CELL, cell, strict=True):
                values[name][value] += n
        areas = np.concatenate(self._areas) if self._areas else np.zeros(0)
        scores = {check.value: counts.tolist() for check, counts in self._scores.items()}
        areas.sort()
        quartiles = quartiles_px(areas)
        bars, sizes = np.unique(np.floor(np.log(areas) * BARS_PER_LN + ROUNDING).astype(int), return_counts=True)
        return Numbers(
            shown=shown,
            excluded=self.excluded,
            values={name: dict(counts) for name, counts in values.items()},
            states=self._all_states(shown),
            ranges={name: counts.tolist() for name, counts in self._ranges.items()}
            | {name: _bins_of(steps, MEASURES[name].edges) for name, steps in scores.items()},
            scores=scores,
            sizes=dict(zip(bars.tolist(), sizes.tolist(), strict=True)),
            outside=[_outside(areas, quartiles, step * IQR_STEP) for step in range(IQR_STEPS + 1)],
            quartiles_px=quartiles,
            sizes_px=[(width, height) for _, width, height in self._sample],
            sound=[(*rights, n, self._sound_bytes[rights]) for rights, n in self._sound.items()],
        )

    def _add_states(self, columns: Mapping[str, Sequence[Any]]) -> None:
        levels = columns["checked_level"]
        self._levels.update(levels)
        covered = (
            level == ValidationLevel.STRICT or score is not None
            for level, score in zip(levels, columns["dark_score"], strict=True)
        )
        self._states[ValidationLevel.STRICT.value] += sum(covered)
        self._states["alike"] += sum(other is not None for other in columns["near_duplicate_of_id"])
        self._states[Check.ANIMATED.value] += sum(frames > 1 for frames in columns["frames"])
        for check, field in _PRESENT.items():
            self._states[check.value] += sum(map(bool, columns[field]))

    def _add_sound(self, columns: Mapping[str, Sequence[Any]]) -> None:
        names = ("damage", "licence_code", "ml_use", "size_bytes")
        for damage, licence, ml_use, size_bytes in zip(*(columns[name] for name in names), strict=True):
            if not damage:
                self._sound[licence, ml_use] += 1
                self._sound_bytes[licence, ml_use] += size_bytes

    def _all_states(self, shown: int) -> dict[str, int]:
        """With how many images each level covers.

        `damage` is what the last one found, so a basic one puts an end to what a standard one knew; scores stay.
        """
        unchecked, standard = self._levels[""], self._levels["standard"] + self._levels["strict"]
        return {
            **self._states,
            "unchecked": unchecked,
            ValidationLevel.BASIC.value: shown - unchecked,
            ValidationLevel.STANDARD.value: standard,
        }

    def _add_sizes(self, columns: Mapping[str, Sequence[Any]]) -> None:
        widths = np.array(columns["width_px"], np.float64)
        heights = np.array(columns["height_px"], np.float64)
        self._areas.append(widths * heights)
        measured = {
            "short": np.minimum(widths, heights),
            "aspect": widths / heights,
            "bytes": np.array(columns["size_bytes"], np.float64),
        }
        for name, numbers in measured.items():
            places = np.searchsorted(np.array(MEASURES[name].edges), numbers, side="right")
            self._ranges[name] += np.bincount(places, minlength=len(self._ranges[name]))
        sizes = zip(columns["pk"], columns["width_px"], columns["height_px"], strict=True)
        self._sample += [size for size in sizes if size[0] % self._step == 0]
        # By ids, so that old and new ones are in it.
        while len(self._sample) > 2 * _SAMPLE:
            self._step *= 2
            self._sample = [size for size in self._sample if size[0] % self._step == 0]


def area_lines(quartiles: tuple[float, float] | None, iqr_factor: float) -> tuple[float, float]:
    """Areas outside of which a size is odd, as datasets.imaging.quality.size_bounds has it, for areas of pixels."""
    if quartiles is None:
        return 0.0, math.inf
    reach_px = iqr_factor * (quartiles[1] - quartiles[0])
    low_px, high_px = max(quartiles[0] - reach_px, 0.0), quartiles[1] + reach_px
    return low_px**2 * (1 - _SQUARED), high_px**2 * (1 + _SQUARED)


def _outside(areas: NDArray[np.float64], quartiles: tuple[float, float] | None, iqr_factor: float) -> int:
    low, high = area_lines(quartiles, round(iqr_factor, 3))
    return int(np.searchsorted(areas, low) + len(areas) - np.searchsorted(areas, high, side="right"))


def quartiles_px(areas: NDArray[np.float64]) -> tuple[float, float] | None:
    """Quartiles of the square roots of sorted areas, between two of them where they lie so; None of no image."""
    if not len(areas):
        return None
    sizes = np.sqrt(areas)

    def at(place: float) -> float:
        before = int(place)
        after = min(before + 1, len(sizes) - 1)
        return float(sizes[before] + place % 1 * (sizes[after] - sizes[before]))

    return at((len(sizes) - 1) * 0.25), at((len(sizes) - 1) * 0.75)


def _bins_of(steps: Sequence[int], edges: Sequence[float]) -> list[int]:
    """The steps of a score put together to bins, whose edges lie on steps."""
    places = [0, *(round(edge * SCORE_STEPS) for edge in edges), len(steps)]
    return [sum(steps[low:high]) for low, high in pairwise(places)]


def _pages(dataset: Dataset) -> Iterator[list[tuple[Any, ...]]]:
    rows = Image.objects.order_by("pk").filter(dataset=dataset).values_list(*_READ)
    last_id = 0
    while page := list(rows.filter(pk__gt=last_id)[:_ROWS_PER_READ]):
        yield page
        if len(page) < _ROWS_PER_READ:
            return
        last_id = page[-1][0]


def _seen(dataset: Dataset, kept: KeptNumbers, excluded: int | None) -> Seen:
    numbers = Numbers.from_json(kept.numbers)
    came = dataset.image_count - kept.image_count
    left = 0 if excluded is None or excluded > EXACT_UP_TO else excluded - numbers.excluded
    since = _changes(came, left) if kept.revision != dataset.revision else ""
    # A constraint: numbers that were counted at a revision have a time.
    counted_at = kept.counted_at or timezone.now()
    return Seen(numbers=numbers, counted_at=counted_at, since=since, beside=kept.beside)


def _changes(came: int, left: int) -> str:
    """In words, for so many images more than there were, and so many more that are excluded."""
    told = []
    if came:
        told.append(f"{abs(came):,} image{_s(came)} {'came' if came > 0 else _were(came) + ' removed'}")
    if left:
        told.append(f"{abs(left):,} image{_s(left)} {_were(left)} {'excluded' if left > 0 else 'taken back'}")
    return " and ".join(told) or "images were checked or decided"


def _s(number: int) -> str:
    return "" if abs(number) == 1 else "s"


def _were(number: int) -> str:
    return "was" if abs(number) == 1 else "were"
