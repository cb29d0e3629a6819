"""The local media folder: what it holds is complete, whatever happens to the process that writes."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, runtime_checkable

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

#: Ends the name of a file that is still being written, or was when its writer died.
TEMPORARY_SUFFIX = ".tmp"

#: Ends the name of a file that was set aside to be removed.
ASIDE_SUFFIX = ".aside"


#: Tells at the last moment whether a file is wanted after all.
IsWanted = Callable[[], bool]


class StorageTrouble(OSError):
    """What a store that is no folder answered, as an operating system would put it; `advice` says what to do."""

    def __init__(self, number: int, what: str, advice: str) -> None:
        super().__init__(number, what)
        self.advice = advice


class StoredFile(NamedTuple):
    """A file of the store: its name, bytes, and when it was written or renewed last, by the store's own clock."""

    name: str
    size_bytes: int
    modified_at: float


@runtime_checkable
class RenewableStorage(Protocol):
    """A storage that can tell cheaply that a file is there, and keep it from looking abandoned."""

    def renew(self, name: str, *, size_bytes: int) -> bool:
        """Sets the modification time of a file of exactly that size to now; False when there is none."""


@runtime_checkable
class BatchStorage(RenewableStorage, Protocol):
    """A storage in which many files take little longer than one."""

    def save_all(self, files: Mapping[str, bytes]) -> None:
        """Stores bytes under their names, over whatever lies there. After an error some may be stored, each whole."""


@runtime_checkable
class SweepableStorage(RenewableStorage, Protocol):
    """A storage from which files can be removed without ever taking one that somebody has just begun to use."""

    def clock(self) -> float:
        """The present time as the store writes it on files, in seconds: no host's own clock."""

    def files(self, folder: str) -> Iterator[StoredFile]:
        """The files of a folder, also unfinished ones and those set aside."""

    def remove_abandoned(self, name: str, *, before: float, is_wanted: IsWanted) -> bool:
        """Removes a file last written or renewed before that time, unless `is_wanted`; False: it stays."""


@runtime_checkable
class LinkingStorage(Protocol):
    """A storage that browsers can fetch from by themselves. `place` says in words where that is."""

    @property
    def place(self) -> str: ...

    def link(self, name: str, *, save_as: str) -> str:
        """An address that gives the file, as an attachment of that name, to whoever has it, for a short while."""


@runtime_checkable
class ShelvingStorage(LinkingStorage, Protocol):
    """A storage that takes and gives large files piece by piece."""

    def upload(self, name: str, path: Path, *, start: int = 0, end: int | None = None) -> None:
        """Stores the bytes of a local file from `start` to `end`."""

    def fetch(self, name: str, file: IO[bytes]) -> None:
        """Writes the stored bytes to `file`. Raises FileNotFoundError."""

    def remove_folder(self, folder: str) -> None:
        """Removes everything below; nothing is fine."""

    def exists(self, name: str) -> bool:
        """As Django's storages."""

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """As Django's storages."""


@runtime_checkable
class RangedStorage(Protocol):
    """A storage away from here that takes open files in constant memory, and gives any part of one."""

    def upload_open(self, name: str, file: IO[bytes]) -> None:
        """Stores what an open file holds, from its beginning."""

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """The stored bytes from `start` to `end`. Raises FileNotFoundError."""

    def size(self, name: str) -> int:
        """Bytes. Raises FileNotFoundError."""


class AtomicFileSystemStorage(FileSystemStorage):
    """Files appear complete or not at all: written under a temporary name in the same folder, synced, then renamed.

    A name that is taken is overwritten.
    """

    def __init__(self, location: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__(location=location, allow_overwrite=True, **options)

    def renew(self, name: str, *, size_bytes: int) -> bool:
        path = self.path(name)
        with suppress(FileNotFoundError):
            if os.stat(path).st_size == size_bytes:
                os.utime(path)
                return True
        return False

    def clock(self) -> float:
        probe = Path(self.location) / f".clock.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}"
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def files(self, folder: str) -> Iterator[StoredFile]:
        with suppress(FileNotFoundError), os.scandir(self.path(folder)) as entries:
            for entry in entries:
                # Another process may have removed it since.
                with suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False):
                        facts = entry.stat(follow_symlinks=False)
                        yield StoredFile(f"{folder}/{entry.name}", facts.st_size, facts.st_mtime)

    def remove_abandoned(self, name: str, *, before: float, is_wanted: IsWanted) -> bool:
        """Sets the file aside, looks again, and only then removes it.

        Once it is aside nobody can renew it: who wants the same bytes finds none and writes them anew. Who renewed it
        before that, or named it in a row, is seen by the second look, and the file goes back to its place. A process
        that dies in between leaves the file aside, for the next one that looks.
        """
        path = Path(self.path(name))
        aside = path
        if name.endswith(TEMPORARY_SUFFIX):
            return self._remove_unfinished(path, before=before)
        if not name.endswith(ASIDE_SUFFIX):
            aside = path.with_name(f".{path.name}{ASIDE_SUFFIX}")
            try:
                os.rename(path, aside)
            except FileNotFoundError:
                return False
        with suppress(FileNotFoundError):
            if aside.stat().st_mtime < before and not is_wanted():
                aside.unlink()
                return True
            os.replace(aside, aside.with_name(aside.name.removeprefix(".").removesuffix(ASIDE_SUFFIX)))
        return False

    def _remove_unfinished(self, path: Path, *, before: float) -> bool:
        with suppress(FileNotFoundError):
            # Nobody but its writer knows of it, who renews it with every byte.
            if path.stat().st_mtime < before:
                path.unlink()
                return True
        return False

    def save_all(self, files: Mapping[str, bytes]) -> None:
        self._save_together({name: ContentFile(body) for name, body in files.items()})

    def _save(self, name: str, content: "File[bytes]") -> str:
        self._save_together({name: content})
        return name

    def _save_together(self, files: "Mapping[str, File[bytes]]") -> None:
        """Writes all before the first is forced to the disk: what that takes along costs the others little."""
        unfinished: dict[str, str] = {}
        try:
            with ExitStack() as stack:
                opened = []
                for name, content in files.items():
                    path = self.path(name)
                    temporary = _temporary(path)
                    unfinished[temporary] = path
                    opened.append(stack.enter_context(_created(temporary)))
                    self._write(opened[-1], content)
                for file in opened:
                    os.fsync(file.fileno())
            for temporary, path in unfinished.items():
                os.replace(temporary, path)
        except BaseException:
            for temporary in unfinished:
                with suppress(OSError):
                    os.unlink(temporary)
            raise

    def _write(self, file: IO[bytes], content: "File[bytes]") -> None:
        for chunk in content.chunks():
            file.write(chunk)
        file.flush()
        if self.file_permissions_mode is not None:
            os.chmod(file.name, self.file_permissions_mode)


def _temporary(path: str) -> str:
    folder, base = os.path.split(path)
    return os.path.join(folder, f".{base}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")


def _created(path: str) -> IO[bytes]:
    """A new file, open for writing, in a folder that is made where it is missing."""
    try:
        return open(path, "xb")
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "xb")
