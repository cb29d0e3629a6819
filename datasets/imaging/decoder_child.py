"""The process that decodes: reads pictures from one pipe, answers on another, and knows nothing else.

Started by `datasets.imaging.decoder` as `python -m datasets.imaging.decoder_child SETTINGS`, in an empty environment.
"""

import gc
import io
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import BinaryIO

from PIL import Image

from datasets.imaging import confinement, wire
from datasets.imaging.inspect import inspect
from datasets.imaging.types import Extras, ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason

#: Bytes, limits and sha256 of a picture, and what is asked for, to what is to be said of it.
Inspect = Callable[[bytes, ImageLimits, str, Extras], ImageFacts | Rejection]

#: Lengths are four bytes; what is too large was refused before it came here.
_MAX_BODY_BYTES = (1 << 32) - 1

#: Addresses that SciPy takes, some 90 MiB, if a picture's hash is the first to need it (datasets.imaging.hashing).
_SCIPY_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """How a decoder process holds itself.

    It ends after `pictures`, or when it keeps hold of `max_growth_bytes` more memory than it began with: libraries
    leak, and hostile pictures are good at making them.
    """

    parent_pid: int
    cpu_s: float
    memory_bytes: int
    pictures: int
    max_growth_bytes: int

    def to_argument(self) -> str:
        return json.dumps(asdict(self))


def serve(settings: ChildSettings, inspect: Inspect) -> None:
    """Answers for picture after picture until the other side closes the pipe."""
    confinement.end_with_parent(settings.parent_pid)
    confinement.ignore_polite_signals()
    requests, replies = _own_pipes()
    _warm_up()
    # What is loaded by now stays: Python need not look through it for garbage.
    gc.freeze()
    began_with_bytes = confinement.resident_bytes()
    confinement.limit_memory(settings.memory_bytes + _SCIPY_BYTES)
    wire.write_frame(replies, wire.Frame({"is_ready": True}))
    for count in range(1, settings.pictures + 1):
        frame = wire.read_frame(requests, max_data_bytes=_MAX_BODY_BYTES)
        if frame is None:
            return
        confinement.allow_cpu(settings.cpu_s)
        started = time.perf_counter()
        result, is_exhausted = _judged(inspect, frame, settings)
        del frame
        has_grown = confinement.resident_bytes() - began_with_bytes > settings.max_growth_bytes
        is_last = is_exhausted or has_grown or count == settings.pictures
        seconds = time.perf_counter() - started
        wire.write_frame(replies, wire.reply(result, seconds=seconds, is_last=is_last))
        if is_last:
            return


def _judged(inspect: Inspect, frame: wire.Frame, settings: ChildSettings) -> tuple[ImageFacts | Rejection, bool]:
    """What is to be said of a picture, and whether this process is unfit for another one after it."""
    body, limits, sha256, extras = wire.read_request(frame)
    try:
        return inspect(body, limits, sha256, extras), False
    except MemoryError:
        what = f"Decoding it takes more memory than the {settings.memory_bytes:,} bytes that are allowed."
    except Exception as error:
        what = f"The decoder failed in an unforeseen way ({type(error).__name__}: {error})."
    return Rejection(reason=Reason.DECODER_CRASHED, detail=what, sha256=sha256, size_bytes=len(body)), True


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes, out of reach of libraries that print."""
    requests, replies = os.fdopen(os.dup(0), "rb", wire.BUFFER_BYTES), os.fdopen(os.dup(1), "wb", wire.BUFFER_BYTES)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return requests, replies


def _warm_up() -> None:
    """Loads what decoders load at their first picture, before limits hold."""
    tiny = io.BytesIO()
    Image.effect_noise((8, 8), 50.0).save(tiny, "JPEG")
    inspect(tiny.getvalue(), ImageLimits())
    Image.init()


if __name__ == "__main__":
    serve(ChildSettings(**json.loads(sys.argv[1])), inspect)
