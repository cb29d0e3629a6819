"""Whether a stored picture is what its row says, and writing what was found to the row."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone

from datasets import blobs
from datasets.duplicate_scan import pack_turned
from datasets.imaging.formats import extension_of
from datasets.imaging.types import ImageFacts, Rejection
from datasets.models import Image, ValidationLevel
from datasets.outcomes import Reason
from datasets.rows import update_rows

#: Fields of an image that hold what datasets.imaging.quality measures, by the same names.
QUALITY_COLUMNS = (
    "dark_score",
    "light_score",
    "low_information_score",
    "blurry_score",
    "odd_aspect_ratio_score",
    "uniform_score",
    "is_grayscale",
    "has_gps",
    "has_personal_data",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found of one image: sound (`reason` None, then `facts` are there), or why not.

    `sha256` is that of the stored bytes, "" where there are none; `seconds` is what reading and decoding took.
    """

    image: Image
    reason: Reason | None
    detail: str = ""
    facts: ImageFacts | None = None
    sha256: str = ""
    size_bytes: int = 0
    seconds: float = 0.0


def missing(image: Image) -> Examination:
    """The store has no such file."""
    return Examination(
        image=image, reason=Reason.BLOB_MISSING, detail=f"The media store has no file {image.blob_name}."
    )


def judge(image: Image, seen: ImageFacts | Rejection, *, seconds: float = 0.0) -> Examination:
    """Holds the stored bytes, as the decoder saw them, against the row. The first difference is the verdict."""
    found = Examination(
        image=image,
        reason=None,
        facts=seen if isinstance(seen, ImageFacts) else None,
        sha256=seen.sha256,
        size_bytes=seen.size_bytes,
        seconds=seconds,
    )
    difference = _difference(image, seen)
    if difference:
        return replace(found, reason=difference[0], detail=difference[1])
    if isinstance(seen, Rejection):
        return replace(found, reason=seen.reason, detail=seen.detail)
    return found


def _difference(image: Image, seen: ImageFacts | Rejection) -> tuple[Reason, str] | None:
    if seen.sha256 != image.sha256:
        return Reason.CHECKSUM_MISMATCH, _what_came_instead(seen)
    if seen.size_bytes != image.size_bytes:
        return Reason.SIZE_MISMATCH, f"The row says {image.size_bytes} bytes, the file has {seen.size_bytes}."
    if seen.format and (seen.format != image.format or not image.blob_name.endswith(f".{extension_of(seen.format)}")):
        return Reason.FORMAT_MISMATCH, f"The file is a {seen.format}; the row says {image.format}, {image.blob_name}."
    row_px, seen_px = (image.width_px, image.height_px), (seen.width_px, seen.height_px)
    if all(seen_px) and seen_px != row_px:
        return (
            Reason.DIMENSIONS_MISMATCH,
            f"The row says {row_px[0]} × {row_px[1]}, the picture has {seen_px[0]} × {seen_px[1]}.",
        )
    return None


def _what_came_instead(seen: ImageFacts | Rejection) -> str:
    if isinstance(seen, Rejection):
        return f"The stored bytes are others than those that were kept; as a picture: {seen.reason}, {seen.detail}"
    return "The stored bytes are others than those that were kept, though they decode."


def write(examinations: Sequence[Examination], *, level: ValidationLevel) -> None:
    """Writes to the rows what was found; what a level does not look at stays as it was. In the caller's transaction."""
    by_columns: dict[tuple[str, ...], list[tuple[int, Mapping[str, Any]]]] = {}
    for examination in examinations:
        values = _values(examination, level)
        by_columns.setdefault(tuple(values), []).append((examination.image.pk, values))
    for columns, rows in by_columns.items():
        update_rows(Image, columns, rows)


def write_restored(examination: Examination) -> None:
    """The bytes are back: file and facts of the row are those of the picture again. In the caller's transaction."""
    facts = examination.facts
    if facts is None:
        raise ValueError(f"image {examination.image.pk} was not restored")
    values = {
        "damage": "",
        "blob_name": blobs.original_name(sha256=facts.sha256, format=facts.format),
        "thumb_name": blobs.thumbnail_name(sha256=facts.sha256),
        "size_bytes": facts.size_bytes,
        "format": facts.format,
        "mode": facts.mode,
        "width_px": facts.width_px,
        "height_px": facts.height_px,
        "frames": facts.frames,
        "phash": facts.phash,
        "dhash": facts.dhash,
    }
    update_rows(Image, tuple(values), [(examination.image.pk, values)])


def still_there(image_ids: Collection[int]) -> set[int]:
    """Those of the images that exist, kept from being removed until the caller's transaction ends."""
    rows = Image.objects.select_for_update(no_key=True).filter(pk__in=image_ids).order_by("pk")
    return set(rows.values_list("pk", flat=True))


def _values(examination: Examination, level: ValidationLevel) -> dict[str, Any]:
    values: dict[str, Any] = {
        "checked_at": timezone.now(),
        "checked_level": level.value,
        "damage": examination.reason.value if examination.reason else "",
    }
    facts = examination.facts
    if facts is None or examination.reason is not None or level == ValidationLevel.BASIC:
        return values
    values |= {"phash": facts.phash, "dhash": facts.dhash, "pixel_hash": facts.pixel_hash}
    if facts.turned_hashes:
        values["turned_hashes"] = pack_turned(facts.turned_hashes)
    if facts.quality is not None:
        values |= {name: getattr(facts.quality, name) for name in QUALITY_COLUMNS}
    return values
