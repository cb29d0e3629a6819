"""What the page of a dataset's checks tells: one row a check, and the images whose files are damaged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.db.models import Q

from datasets import duplicate_scan, flags, numbers
from datasets.imaging.checks import CHECKS, Check, Direction
from datasets.models import Dataset, Image, ValidationLevel
from datasets.numbers import Numbers
from datasets.outcomes import Reason

#: Damaged images on the page; the gallery has the others.
SHOWN_DAMAGED: Final = 20

#: Reasons with a row of their own; what else is wrong with a file is that it cannot be decoded.
_FILE_CHECKS: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.BLOB_MISSING: ("File is there", "The media store has the file of every image."),
    Reason.CHECKSUM_MISMATCH: ("Checksum", "The stored bytes are those that were kept."),
    Reason.SIZE_MISMATCH: ("File size", "Files are as long as they were when they were kept."),
    Reason.FORMAT_MISMATCH: ("Format", "The file's header, its name and its row tell the same format."),
    Reason.DIMENSIONS_MISMATCH: ("Dimensions", "Pictures are as wide and high as their rows say."),
}

_LEVEL_OF: Final[Mapping[Check, ValidationLevel]] = {
    # Known of every image since it was kept.
    Check.ODD_SIZE: ValidationLevel.BASIC,
    Check.ANIMATED: ValidationLevel.BASIC,
}

#: Checks about people stand apart from those about the picture.
_PRIVACY: Final = (Check.GPS, Check.PERSONAL_DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One check: how many images it found among those it looked at, and where they are shown.

    `level` is the first that looks at it; `details` are its findings by kind, as (words, number, address); `check` and
    `threshold` are there where the line can be moved.
    """

    title: str
    meaning: str
    found: int
    looked_at: int
    level: ValidationLevel
    address: str
    details: Sequence[tuple[str, int, str]] = ()
    check: Check | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    key: str
    title: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """`image_count` is that of the images that checks speak of; `looked_at` by level, how many of them it covers.

    `columns` are for a wide page; `damages` are reasons with their numbers; `since` are words for what changed since
    they were counted.
    """

    image_count: int
    looked_at: Mapping[ValidationLevel, int]
    columns: Sequence[Sequence[Section]]
    damaged: Sequence[Image]
    damages: Mapping[str, int]
    counted_at: datetime
    since: str

    @property
    def damaged_count(self) -> int:
        return sum(self.damages.values())

    @property
    def hidden_damaged(self) -> int:
        return self.damaged_count - len(self.damaged)

    @property
    def damaged_address(self) -> str:
        return _address(damage=list(self.damages))

    @property
    def is_sound(self) -> bool:
        """Every check has looked at every image, and found nothing."""
        rows = [row for sections in self.columns for section in sections for row in section.rows]
        return all(row.found == 0 and row.looked_at >= self.image_count for row in rows)


def of(dataset: Dataset, *, excluded: int | None = None) -> Checkup:
    """The state of all checks of a dataset, by its numbers (datasets.numbers); `excluded` images there are by now."""
    seen = numbers.of(dataset, excluded=excluded)
    counted = seen.numbers
    looked_at = {level: counted.states.get(level.value, 0) for level in ValidationLevel}
    found = _found(dataset, counted)
    damages = {reason: n for reason, n in _most_first(counted.values["damage"]) if reason}
    damaged = flags.shown_images(dataset).exclude(damage="").select_related("dataset").order_by("-pk")[:SHOWN_DAMAGED]
    quality = [_quality_row(dataset, check, found, looked_at) for check in CHECKS if check not in _PRIVACY]
    privacy = [_quality_row(dataset, check, found, looked_at) for check in _PRIVACY]
    return Checkup(
        image_count=counted.shown,
        looked_at=looked_at,
        columns=[
            [
                Section(key="files", title="Files", rows=_file_rows(damages, looked_at)),
                Section(key="alike", title="Duplicates", rows=[_alike_row(dataset, found["alike"])]),
                Section(key="privacy", title="Privacy", rows=privacy),
            ],
            [Section(key="quality", title="Quality", rows=quality)],
        ],
        damaged=list(damaged),
        damages=damages,
        counted_at=seen.counted_at,
        since=seen.since,
    )


def _found(dataset: Dataset, counted: Numbers) -> dict[str, int]:
    """By check how many images it flags; a query for thresholds that were set between the steps of their sliders."""
    found = {"all": counted.shown, "alike": counted.states.get("alike", 0)}
    between: dict[str, Q] = {}
    lines = flags.thresholds(dataset)
    for check, info in CHECKS.items():
        if info.direction == Direction.PRESENT:
            found[check.value] = counted.states.get(check.value, 0)
            continue
        flagged = counted.flagged(check, lines[check])
        if flagged is None:
            between[check.value] = flags.any_of(flags.lines_between(counted.quartiles_px, check, lines[check]))
        else:
            found[check.value] = flagged
    return found | (flags.counts(flags.shown_images(dataset), between) if between else {})


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """What one check says of one image; `score` is None where there is none, `threshold` where none can be set."""

    check: Check
    title: str
    is_flagged: bool
    score: float | None
    threshold: float | None


def of_image(image: Image) -> list[ImageRow]:
    """The checks that flag the image, and those that gave it a score."""
    flagged, lines = flags.raised_by(image.dataset, image, CHECKS), flags.thresholds(image.dataset)
    rows = []
    for check, info in CHECKS.items():
        score = getattr(image, info.field) if info.direction == Direction.BELOW else None
        if check in flagged or score is not None:
            is_flagged = check in flagged
            rows.append(
                ImageRow(check=check, title=info.title, is_flagged=is_flagged, score=score, threshold=lines.get(check))
            )
    return rows


def _file_rows(damages: Mapping[str, int], looked_at: Mapping[ValidationLevel, int]) -> list[Row]:
    rows = [
        Row(
            title=title,
            meaning=meaning,
            found=damages.get(reason.value, 0),
            looked_at=looked_at[ValidationLevel.BASIC],
            level=ValidationLevel.BASIC,
            address=_address(damage=reason.value),
        )
        for reason, (title, meaning) in _FILE_CHECKS.items()
    ]
    undecodable = {reason: n for reason, n in damages.items() if reason not in _FILE_CHECKS}
    decodes = Row(
        title="Decodes",
        meaning="Every pixel can be read; files are whole and within the limits.",
        found=sum(undecodable.values()),
        looked_at=looked_at[ValidationLevel.STANDARD],
        level=ValidationLevel.STANDARD,
        address=_address(damage=list(undecodable)),
        details=[(reason, n, _address(damage=reason)) for reason, n in undecodable.items()],
    )
    return [*rows, decodes]


def _alike_row(dataset: Dataset, found: int) -> Row:
    scan = duplicate_scan.current(dataset)
    return Row(
        title="Near-duplicates",
        meaning=f"Pictures whose pHash differs in at most {dataset.near_duplicate_bits} of 64 bits.",
        found=found,
        looked_at=scan.image_count if scan else 0,
        level=ValidationLevel.STANDARD,
        address=_address(alike=1),
    )


def _quality_row(
    dataset: Dataset, check: Check, found: Mapping[str, int], looked_at: Mapping[ValidationLevel, int]
) -> Row:
    info = CHECKS[check]
    level = _LEVEL_OF.get(check, ValidationLevel.STRICT)
    return Row(
        title=info.title,
        meaning=info.meaning,
        found=found[check.value],
        looked_at=found["all"] if check in _LEVEL_OF else looked_at[level],
        level=level,
        address=_address(flag=check.value),
        check=check if info.threshold is not None else None,
        threshold=flags.thresholds(dataset).get(check),
    )


def _address(**filters: str | int | Sequence[str]) -> str:
    return "?" + urlencode(filters, doseq=True)
