"""Bytes in; the facts of a sound picture out, or the reason why they are none."""

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from datasets.imaging import jpeg
from datasets.imaging.errors import DECODER_ERRORS
from datasets.imaging.formats import EXTENSIONS, Foreign, is_decodable, recognise
from datasets.imaging.hashing import SmallGreys, small_greys
from datasets.imaging.metadata import decoded_metadata_bytes, metadata_bytes
from datasets.imaging.pixel_hash import PixelHasher
from datasets.imaging.plainness import is_one_colour
from datasets.imaging.privacy import privacy_notes
from datasets.imaging.quality import measured
from datasets.imaging.structure import ends_early, gif_frames, has_wrong_checksum, lacks_end_mark
from datasets.imaging.thumbnails import reduced, to_jpeg
from datasets.imaging.types import NO_EXTRAS, Extras, ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason

# What is odd about foreign bytes is told by the outcome, not by lines in the log.
warnings.filterwarnings("ignore", module=r"PIL\.")

#: The pixels of all frames together, in pictures of the permitted size: an animation must not take minutes to decode.
_ANIMATION_BUDGET = 10

#: How decoders say that bytes are missing.
_CUT = ("truncated", "premature end")

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Orientations that exchange width and height.
_SIDEWAYS = frozenset({5, 6, 7, 8})


class _Refused(Exception):
    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class _Learnt:
    """What is known so far, and stays known when the picture is refused."""

    body: bytes
    sha256: str
    format: str = ""
    size_px: tuple[int, int] = (0, 0)

    def rejection(self, reason: Reason, detail: str) -> Rejection:
        return Rejection(
            reason=reason,
            detail=detail,
            sha256=self.sha256,
            size_bytes=len(self.body),
            format=self.format,
            width_px=self.size_px[0],
            height_px=self.size_px[1],
        )

    def damage(self, error: Exception) -> Rejection:
        words = str(error).lower()
        is_cut = (
            isinstance(error, EOFError) or any(word in words for word in _CUT) or ends_early(self.body, self.format)
        )
        what = "the header cannot be read" if isinstance(error, UnidentifiedImageError) else str(error)
        return self.rejection(Reason.TRUNCATED if is_cut else Reason.CORRUPT, f"{type(error).__name__}: {what}")


def inspect(body: bytes, limits: ImageLimits, sha256: str = "", extras: Extras = NO_EXTRAS) -> ImageFacts | Rejection:
    """Decodes a picture completely: format, size, frames, hashes of the original bytes and of the upright picture,
    and what else is asked for in `extras`, such as a thumbnail.

    Metadata, size and frames are held against the limits before pixels are decoded. An animation is hashed by its first
    frame. Of a JPEG with several pictures (MPO) the first one counts. Raises nothing that the bytes could cause, except
    MemoryError. Foreign bytes go through `datasets.imaging.decoder`, which does this in a process of its own.
    `sha256` spares the computation where the caller knows it.
    """
    learnt = _Learnt(body=body, sha256=sha256 or hashlib.sha256(body).hexdigest())
    try:
        learnt.format = _format(body)
        _check_metadata(metadata_bytes(body, learnt.format, at_most=limits.max_metadata_bytes), limits)
        with Image.open(io.BytesIO(body), formats=[learnt.format]) as picture:
            return _examine(picture, learnt, limits, extras)
    except _Refused as refusal:
        return learnt.rejection(refusal.reason, refusal.detail)
    except Image.DecompressionBombError as error:
        return learnt.rejection(Reason.DECOMPRESSION_BOMB, str(error))
    except DECODER_ERRORS as error:
        if "memory" in str(error).lower():
            # C libraries say so in words of their own.
            raise MemoryError(str(error)) from error
        return learnt.damage(error)


def _format(body: bytes) -> str:
    if not body:
        raise _Refused(Reason.NOT_AN_IMAGE, "no bytes at all")
    seen = recognise(body)
    if isinstance(seen, Foreign):
        reason = Reason.UNSUPPORTED_FORMAT if seen.is_picture else Reason.NOT_AN_IMAGE
        kept = ", ".join(EXTENSIONS)
        raise _Refused(reason, f"{seen.what or 'unknown format'}; pictures are kept as {kept}")
    if not is_decodable(seen):
        raise _Refused(Reason.UNSUPPORTED_FORMAT, f"this installation's Pillow has no decoder for {seen}")
    return seen


def _examine(picture: ImageFile.ImageFile, learnt: _Learnt, limits: ImageLimits, extras: Extras) -> ImageFacts:
    learnt.size_px = _upright_size(picture)
    _check_metadata(decoded_metadata_bytes(picture), limits)
    _check_size(picture.size, limits)
    mode, frames = picture.mode, _frame_count(picture, learnt, limits)
    pixels = _pixels(picture, learnt)
    # Some formats tell the orientation only after the pixels.
    learnt.size_px, orientation = _upright_size(picture), _orientation(picture)
    _check_rules(learnt.size_px, limits)
    upright = _upright(pixels, orientation)
    greys = _small_greys(upright, mode)
    if frames == 1 and is_one_colour(upright):
        raise _Refused(Reason.BLANK, "one colour all over")
    small = None
    if extras.thumbnail or extras.quality:
        small = reduced(upright, side_px=limits.thumbnail_side_px, is_fine=extras.quality)
    quality = None
    if small and extras.quality:
        # Before the other frames: each brings metadata of its own.
        quality = measured(upright=upright, small=small, frames=frames, privacy=privacy_notes(picture))
    hasher = PixelHasher(upright) if extras.pixel_hash else None
    for frame in _other_frames(picture, frames, limits):
        if hasher:
            hasher.add(_upright(frame, orientation))
    _check_whole(learnt)
    phash, dhash = greys.hashes()
    return ImageFacts(
        sha256=learnt.sha256,
        size_bytes=len(learnt.body),
        format=learnt.format,
        mode=mode,
        width_px=learnt.size_px[0],
        height_px=learnt.size_px[1],
        frames=frames,
        phash=phash,
        dhash=dhash,
        thumbnail=to_jpeg(small) if small and extras.thumbnail else b"",
        pixel_hash=hasher.hexdigest() if hasher else "",
        quality=quality,
        turned_hashes=greys.turned_hashes() if extras.turned_hashes else (),
    )


def _small_greys(upright: Image.Image, mode: str) -> SmallGreys:
    try:
        return small_greys(upright)
    except ValueError as error:
        raise _Refused(Reason.UNSUPPORTED_FORMAT, f"colour mode {mode}: {error}") from None


def _pixels(picture: ImageFile.ImageFile, learnt: _Learnt) -> Image.Image:
    """The decoded first frame. A JPEG is decoded strictly; what Pillow alone can convert is left to Pillow."""
    if learnt.format != "JPEG":
        picture.load()
        return picture
    count, is_whole = jpeg.scans(learnt.body)
    if count > jpeg.MAX_SCANS:
        raise _Refused(Reason.DECOMPRESSION_BOMB, f"more than {jpeg.MAX_SCANS} passes over the pixels")
    if not is_whole:
        raise _Refused(Reason.TRUNCATED, "the last passes over the pixels are missing")
    pixels = jpeg.decode(learnt.body, mode=picture.mode, size_px=picture.size)
    if pixels is None:
        picture.load()
        pixels = picture
    if jpeg.is_grey_from_some_row_down(pixels):
        raise _Refused(Reason.TRUNCATED, "grey from some row down")
    return pixels


def _check_metadata(size_bytes: int, limits: ImageLimits) -> None:
    if size_bytes > limits.max_metadata_bytes:
        raise _Refused(Reason.METADATA_TOO_LARGE, f"more than {limits.max_metadata_bytes} bytes of metadata")


def _check_size(size_px: tuple[int, int], limits: ImageLimits) -> None:
    width_px, height_px = size_px
    if width_px * height_px > limits.max_pixels:
        raise _Refused(Reason.TOO_MANY_PIXELS, f"{width_px} × {height_px} are more than {limits.max_pixels} pixels")
    if max(size_px) > limits.max_side_px:
        raise _Refused(Reason.TOO_MANY_PIXELS, f"{width_px} × {height_px}: a side exceeds {limits.max_side_px} pixels")
    if max(size_px) > limits.max_aspect * min(size_px):
        raise _Refused(
            Reason.BAD_ASPECT, f"{width_px} × {height_px}: a side is over {limits.max_aspect:g} times the other"
        )


def _check_rules(size_px: tuple[int, int], limits: ImageLimits) -> None:
    width_px, height_px = size_px
    if width_px < limits.min_width_px or height_px < limits.min_height_px:
        least = f"{limits.min_width_px} × {limits.min_height_px}"
        raise _Refused(Reason.TOO_SMALL, f"{width_px} × {height_px} is below {least}")


def _check_whole(learnt: _Learnt) -> None:
    """Refuses what Pillow lets pass, and stricter decoders, such as those of training frameworks, would not."""
    if lacks_end_mark(learnt.body, learnt.format):
        raise _Refused(Reason.TRUNCATED, "the end of the file is missing")
    if has_wrong_checksum(learnt.body, learnt.format):
        raise _Refused(Reason.CORRUPT, "a checksum in the file does not match its data")


def _frame_count(picture: ImageFile.ImageFile, learnt: _Learnt, limits: ImageLimits) -> int:
    """The number of frames, counted without decoding any. Refuses too many, each or together."""
    frames = _frames_up_to(picture, learnt, limits.max_frames)
    if frames > limits.max_frames:
        raise _Refused(Reason.TOO_MANY_FRAMES, f"more than {limits.max_frames} frames")
    width_px, height_px = picture.size
    if frames > 1 and frames * width_px * height_px > _ANIMATION_BUDGET * limits.max_pixels:
        most = _ANIMATION_BUDGET * limits.max_pixels
        raise _Refused(
            Reason.TOO_MANY_FRAMES, f"{frames} frames of {width_px} × {height_px} are more than {most} pixels together"
        )
    return frames


def _frames_up_to(picture: ImageFile.ImageFile, learnt: _Learnt, most: int) -> int:
    """The number of frames, or `most` + 1 where there are more: hostile files have millions."""
    match picture.format:
        case "MPO":
            return 1
        case "GIF":
            return max(1, gif_frames(learnt.body, at_most=most)[0])
        case "TIFF":
            return _tiff_pages_up_to(picture, most)
        case _:
            return cast("int", getattr(picture, "n_frames", 1))


def _tiff_pages_up_to(picture: ImageFile.ImageFile, most: int) -> int:
    # One by one: Pillow miscounts after a leap beyond the last page.
    pages = 1
    with suppress(EOFError):
        while pages <= most:
            picture.seek(pages)
            pages += 1
    picture.seek(0)
    return pages


def _other_frames(picture: ImageFile.ImageFile, frames: int, limits: ImageLimits) -> Iterator[Image.Image]:
    """Decodes the frames behind the first one, one by one in the picture itself."""
    pixels = 0
    for index in range(1, frames):
        picture.seek(index)
        # Pages of a TIFF differ in size, and a frame of a GIF may enlarge its canvas.
        _check_size(picture.size, limits)
        pixels += picture.width * picture.height
        if pixels > _ANIMATION_BUDGET * limits.max_pixels:
            raise _Refused(Reason.TOO_MANY_FRAMES, f"frame {index + 1} of {frames} exceeds the pixels of all together")
        picture.load()
        yield picture


def _orientation(picture: ImageFile.ImageFile) -> int:
    """The EXIF orientation, 1 to 8, that is still to be applied."""
    if picture.format == "TIFF":
        # Pillow turns a TIFF by itself.
        return 1
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except DECODER_ERRORS:
        # Broken metadata does not make a broken picture.
        return 1
    return value if isinstance(value, int) and value in _TRANSPOSE else 1


def _upright_size(picture: ImageFile.ImageFile) -> tuple[int, int]:
    width_px, height_px = picture.size
    return (height_px, width_px) if _orientation(picture) in _SIDEWAYS else (width_px, height_px)


def _upright(pixels: Image.Image, orientation: int) -> Image.Image:
    return pixels.transpose(_TRANSPOSE[orientation]) if orientation in _TRANSPOSE else pixels
