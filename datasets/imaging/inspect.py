"""What bytes that strangers chose turn out to be: a sound picture with its facts, or the reason why not.

First bytes -> size from the header, before any pixel -> full decode -> rules -> hashes and thumbnail from that decode.
"""

import hashlib
import io
import warnings

from PIL import Image, ImageOps

from datasets.imaging import formats, hashing
from datasets.imaging.thumbnails import thumbnail
from datasets.imaging.types import ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason

#: EXIF orientations whose upright picture has width and height exchanged.
_TURNED = frozenset({5, 6, 7, 8})
_ORIENTATION = 0x0112


class _Refused(Exception):
    """Ends the inspection with a reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def inspect(body: bytes, limits: ImageLimits) -> ImageFacts | Rejection:
    """The facts of a sound picture within the limits, or why it is none. Raises nothing but MemoryError."""
    learnt = _Learnt(body)
    try:
        return _inspect(body, limits, learnt)
    except _Refused as refusal:
        return learnt.rejected(refusal.reason, refusal.detail)
    except MemoryError:
        raise
    except Exception as error:
        # Decoders of a dozen formats fail in as many ways on bytes that were made to be wrong.
        return learnt.rejected(*_damage(error))


class _Learnt:
    """What is known of the bytes so far, for a rejection."""

    def __init__(self, body: bytes) -> None:
        self.sha256 = hashlib.sha256(body).hexdigest()
        self.size_bytes = len(body)
        self.format = ""
        self.width_px = 0
        self.height_px = 0

    def rejected(self, reason: Reason, detail: str) -> Rejection:
        return Rejection(
            reason=reason,
            detail=detail,
            sha256=self.sha256,
            size_bytes=self.size_bytes,
            format=self.format,
            width_px=self.width_px,
            height_px=self.height_px,
        )


def _inspect(body: bytes, limits: ImageLimits, learnt: _Learnt) -> ImageFacts:
    name, decoded = formats.sniff(body)
    if not decoded:
        if name:
            raise _Refused(Reason.UNSUPPORTED_FORMAT, f"The file is {name}, which is not kept.")
        raise _Refused(Reason.NOT_AN_IMAGE, "The bytes are no picture." if body else "There are no bytes.")
    learnt.format = name
    with warnings.catch_warnings():
        # Pillow warns of a bomb before it refuses one; to us both are refusals.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        with Image.open(io.BytesIO(body), formats=formats.DECODERS) as picture:
            _check_header(picture, limits, learnt)
            picture.load()
            frames = _frames(picture)
            upright = ImageOps.exif_transpose(picture)
            return ImageFacts(
                sha256=learnt.sha256,
                size_bytes=learnt.size_bytes,
                format=name,
                mode=picture.mode,
                width_px=upright.width,
                height_px=upright.height,
                frames=frames,
                phash=hashing.phash(upright),
                dhash=hashing.dhash(upright),
                thumbnail=thumbnail(upright, limits.thumbnail_side_px),
            )


def _check_header(picture: Image.Image, limits: ImageLimits, learnt: _Learnt) -> None:
    """The rules that the header alone decides: they cost no pixel."""
    width, height = picture.size
    if picture.getexif().get(_ORIENTATION) in _TURNED:
        width, height = height, width
    learnt.width_px, learnt.height_px = width, height
    if width * height > limits.max_pixels or max(width, height) > limits.max_side_px:
        raise _Refused(Reason.TOO_MANY_PIXELS, f"{width}×{height} pixels are more than the limits allow.")
    frames = _frames(picture)
    if frames > limits.max_frames:
        raise _Refused(Reason.TOO_MANY_FRAMES, f"{frames:,} frames are more than {limits.max_frames:,}.")
    if width < limits.min_width_px or height < limits.min_height_px:
        least = f"{limits.min_width_px}×{limits.min_height_px}"
        raise _Refused(Reason.TOO_SMALL, f"{width}×{height} is under {least} pixels.")


def _frames(picture: Image.Image) -> int:
    # A JPEG's further pictures (MPO) are previews of the first, not frames.
    return 1 if picture.format in {"JPEG", "MPO"} else int(getattr(picture, "n_frames", 1))


def _damage(error: Exception) -> tuple[Reason, str]:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return Reason.DECOMPRESSION_BOMB, "The picture claims far more pixels than its bytes can hold."
    told = str(error).lower()
    if "truncated" in told or "not enough" in told or "unexpected end" in told or isinstance(error, EOFError):
        return Reason.TRUNCATED, "The file ends before the picture does."
    return Reason.CORRUPT, f"The picture cannot be decoded ({type(error).__name__})."
