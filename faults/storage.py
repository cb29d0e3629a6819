"""A media folder in which faults can be set: the storage is the seam at which our own code meets the disk."""

import errno
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.core.files import File

from datasets.storage import AtomicFileSystemStorage


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFault:
    """What happens to whoever writes a file whose name begins with `name`, before or after it is renamed into place.

    `kill` ends the writing process by SIGKILL, `memory` raises MemoryError, `full` is a disk without space, `readonly`
    one that was mounted read-only. A fault that is meant `once` strikes one process only.
    """

    what: Literal["kill", "memory", "full", "readonly"]
    when: Literal["before", "after"] = "before"
    name: str = "originals/"
    once: bool = False


def set_fault(fault: DiskFault) -> None:
    """From now on it strikes, in every process of the data folder."""
    unfinished = _path().with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(fault)))
    unfinished.replace(_path())


def mend() -> None:
    """No fault is set any more."""
    _path().unlink(missing_ok=True)


def is_mended() -> bool:
    """Whether no fault is set, as after one that was meant to strike once."""
    return not _path().exists()


class FaultyStorage(AtomicFileSystemStorage):
    """The media folder, with the fault that is set."""

    def _save_together(self, files: "Mapping[str, File[Any]]") -> None:
        for name in files:
            _strike("before", name)
        super()._save_together(files)
        for name in files:
            _strike("after", name)


def _strike(when: str, name: str) -> None:
    try:
        fault = DiskFault(**json.loads(_path().read_text()))
        if fault.when != when or not name.startswith(fault.name):
            return
        if fault.once:
            _path().unlink()
    except FileNotFoundError:
        # There is none, or another process was struck first.
        return
    match fault.what:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "memory":
            raise MemoryError
        case "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "readonly":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def _path() -> Path:
    return Path(settings.DATA_DIR) / "fault.json"
