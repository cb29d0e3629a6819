"""A decoder process that breaks on command: bytes that begin with BREAK say how. It decodes everything else."""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable

from datasets.imaging.decoder_child import ChildSettings, serve
from datasets.imaging.inspect import inspect
from datasets.imaging.types import Extras, ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason

_kept: list[bytes] = []


def breaking(how: str, number: int = 0) -> bytes:
    """Bytes that break this decoder so; the number makes them other bytes."""
    return f"BREAK {how} {number}".encode()


def _spin() -> None:
    while True:
        pass


def _babble() -> None:
    for descriptor in range(3, 10):
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            continue
    time.sleep(60)


def _close() -> None:
    os.closerange(3, 10)
    time.sleep(60)


def _grow() -> None:
    _kept.append(os.urandom(64 * 1024 * 1024))


_WAYS: dict[str, Callable[[], object]] = {
    "segfault": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "spin": _spin,
    "sleep": lambda: time.sleep(60),
    "allocate": lambda: bytearray(1 << 40),
    "allocate-slowly": lambda: [bytearray(16 * 1024 * 1024) for _ in range(1000)],
    "stumble": lambda: _WAYS["no such way"],
    "babble": _babble,
    "close": _close,
    "grow": _grow,
}


def _breakable(body: bytes, limits: ImageLimits, sha256: str, extras: Extras) -> ImageFacts | Rejection:
    if not body.startswith(b"BREAK "):
        return inspect(body, limits, sha256, extras)
    how = body.split()[1].decode()
    detail = ""
    if how == "tell":
        detail = json.dumps(_surroundings())
    elif how == "lie":
        sha256 = "0" * 64
    else:
        _WAYS[how]()
    return Rejection(reason=Reason.CORRUPT, detail=detail, sha256=sha256, size_bytes=len(body))


def _surroundings() -> dict[str, object]:
    return {
        "environment": sorted(os.environ),
        "files": sorted(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in range(20) if _is_open(fd)),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    }


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    serve(ChildSettings(**json.loads(sys.argv[1])), _breakable)
