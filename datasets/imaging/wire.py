"""What goes through the pipes between a worker process and its decoder: frames of JSON and bytes, never pickle.

Each side checks what it reads; the worker trusts the decoder no more than the picture that the decoder has in hand.
"""

import json
import re
import struct
from dataclasses import asdict, dataclass, field, fields
from typing import Any, BinaryIO

from datasets.imaging.formats import EXTENSIONS
from datasets.imaging.hashing import TURNS
from datasets.imaging.quality import Quality
from datasets.imaging.types import Extras, ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason

#: Most frames go through a pipe in one piece: who waits for one wakes up once.
BUFFER_BYTES = 256 * 1024

#: A frame: the lengths of its JSON and of its bytes, then both.
_LENGTHS = struct.Struct(">II")
_MAX_JSON_BYTES = 64 * 1024
_MAX_THUMBNAIL_BYTES = 4 * 1024 * 1024
_MAX_DETAIL_CHARACTERS = 500

_PIXEL_HASH = re.compile(r"[0-9a-f]{32}")
_JPEG_MAGIC = b"\xff\xd8\xff"
#: What a decoder may say of bytes.
_REASONS = frozenset(
    {
        Reason.NOT_AN_IMAGE,
        Reason.UNSUPPORTED_FORMAT,
        Reason.TRUNCATED,
        Reason.CORRUPT,
        Reason.DECOMPRESSION_BOMB,
        Reason.TOO_MANY_PIXELS,
        Reason.TOO_MANY_FRAMES,
        Reason.METADATA_TOO_LARGE,
        Reason.DECODER_CRASHED,
        Reason.TOO_SMALL,
        Reason.BAD_ASPECT,
        Reason.BLANK,
    }
)


class WireError(Exception):
    """What came through the pipe is no frame, or says what cannot be true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a decoder says of one picture. `is_last`: it ends after this one."""

    result: ImageFacts | Rejection
    seconds: float
    is_last: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: a JSON object, and bytes."""

    message: dict[str, Any]
    data: bytes = field(default=b"", repr=False)


def write_frame(pipe: BinaryIO, frame: Frame) -> None:
    text = json.dumps(frame.message).encode()
    pipe.write(_LENGTHS.pack(len(text), len(frame.data)) + text)
    pipe.write(frame.data)
    pipe.flush()


def read_frame(pipe: BinaryIO, *, max_data_bytes: int) -> Frame | None:
    """The next frame; None where the other side has closed the pipe between two. Raises WireError."""
    head = pipe.read(_LENGTHS.size)
    if not head:
        return None
    json_bytes, data_bytes = _LENGTHS.unpack(_whole(head, _LENGTHS.size))
    if json_bytes > _MAX_JSON_BYTES or data_bytes > max_data_bytes:
        raise WireError(f"a frame of {json_bytes} + {data_bytes} bytes")
    text, data = _whole(pipe.read(json_bytes), json_bytes), _whole(pipe.read(data_bytes), data_bytes)
    try:
        message = json.loads(text)
    except ValueError as error:
        raise WireError(f"no JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError("no JSON object")
    return Frame(message, data)


def read_reply_frame(pipe: BinaryIO) -> Frame | None:
    return read_frame(pipe, max_data_bytes=_MAX_THUMBNAIL_BYTES)


def request(body: bytes, limits: ImageLimits, sha256: str, extras: Extras) -> Frame:
    return Frame({"limits": asdict(limits), "sha256": sha256, "extras": asdict(extras)}, body)


def read_request(frame: Frame) -> tuple[bytes, ImageLimits, str, Extras]:
    message = frame.message
    return frame.data, ImageLimits(**message["limits"]), str(message["sha256"]), Extras(**message["extras"])


def reply(result: ImageFacts | Rejection, *, seconds: float, is_last: bool) -> Frame:
    about = {"seconds": seconds, "is_last": is_last}
    if isinstance(result, ImageFacts):
        facts = asdict(result)
        return Frame({"facts": facts, **about}, facts.pop("thumbnail"))
    return Frame({"rejection": asdict(result), **about})


def read_reply(frame: Frame, *, sha256: str, size_bytes: int, limits: ImageLimits, extras: Extras) -> Reply:
    """What the decoder says of the bytes with that sha256, held against what we know of them and what was asked.

    Raises WireError.
    """
    message = frame.message
    try:
        if "facts" in message:
            result: ImageFacts | Rejection = _facts(message["facts"], frame.data)
        else:
            result = _rejection(message["rejection"])
        said = Reply(result=result, seconds=float(message["seconds"]), is_last=message["is_last"] is True)
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"no reply: {type(error).__name__}: {error}") from None
    if (result.sha256, result.size_bytes) != (sha256, size_bytes):
        raise WireError("a reply about other bytes")
    if isinstance(result, ImageFacts):
        is_possible = _is_possible(result, limits) and _has_just(result, extras)
    else:
        is_possible = _is_possible_size(result)
    if not is_possible:
        raise WireError("a reply that cannot be true")
    return said


def _facts(said: dict[str, Any], thumbnail: bytes) -> ImageFacts:
    quality = said["quality"]
    made = {
        "thumbnail": thumbnail,
        "quality": None if quality is None else Quality(**quality),
        "turned_hashes": tuple((phash, dhash) for phash, dhash in said["turned_hashes"]),
    }
    return ImageFacts(**{**said, **made})


def _rejection(said: dict[str, Any]) -> Rejection:
    reason = Reason(said["reason"])
    if reason not in _REASONS:
        raise ValueError(reason)
    # NUL has no place in a database; what a decoder quotes of a file may hold any character.
    detail = "".join(c if c.isprintable() else " " for c in str(said["detail"])[:_MAX_DETAIL_CHARACTERS])
    return Rejection(**{**said, "reason": reason, "detail": detail})


def _is_possible(facts: ImageFacts, limits: ImageLimits) -> bool:
    numbers = (facts.width_px, facts.height_px, facts.frames)
    if not all(type(number) is int for number in numbers) or not isinstance(facts.mode, str):
        return False
    return (
        facts.format in EXTENSIONS
        and len(facts.mode) <= 10
        and 0 < facts.width_px <= limits.max_side_px
        and 0 < facts.height_px <= limits.max_side_px
        and facts.width_px * facts.height_px <= limits.max_pixels
        and 0 < facts.frames <= limits.max_frames
        and _is_hash(facts.phash)
        and _is_hash(facts.dhash)
    )


def _has_just(facts: ImageFacts, extras: Extras) -> bool:
    """Whether what was asked for is there, nothing else is, and all of it is possible."""
    return (
        (facts.thumbnail.startswith(_JPEG_MAGIC) if extras.thumbnail else facts.thumbnail == b"")
        and isinstance(facts.pixel_hash, str)
        and (facts.pixel_hash != "", facts.quality is not None, len(facts.turned_hashes))
        == (extras.pixel_hash, extras.quality, len(TURNS) if extras.turned_hashes else 0)
        and (not extras.pixel_hash or _PIXEL_HASH.fullmatch(facts.pixel_hash) is not None)
        and (facts.quality is None or _is_possible_quality(facts.quality))
        and all(_is_hash(bits) for pair in facts.turned_hashes for bits in pair)
    )


def _is_possible_quality(quality: Quality) -> bool:
    """Whether its flags are true or false and its scores from 0 to 1, which no NaN is."""
    values = {field.name: getattr(quality, field.name) for field in fields(quality)}
    return all(
        type(value) is float and 0 <= value <= 1 if name.endswith("_score") else type(value) is bool
        for name, value in values.items()
    )


def _is_hash(bits: object) -> bool:
    return type(bits) is int and -(1 << 63) <= bits < 1 << 63


def _is_possible_size(rejection: Rejection) -> bool:
    """Whether the format and the size, which may be only claimed, are of their kinds."""
    sizes = (rejection.width_px, rejection.height_px)
    return rejection.format in {"", *EXTENSIONS} and all(type(px) is int and 0 <= px < 1 << 31 for px in sizes)


def _whole(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise WireError("the pipe was closed within a frame")
    return data
