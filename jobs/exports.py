"""The files of exports: where they lie, which are offered, and how they go again.

Without a bucket they lie in a folder that web and workers share. With one they lie in the storage "exports", and the
folder is where a worker machine writes them and reads them back (docs/decisions/0015-storage.md).
"""

import io
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Final

from django.conf import settings
from django.core.files.storage import storages
from django.db.models.functions import Now
from django.utils import timezone

from datasets.blobs import translated
from datasets.exports.parts import SUMS
from datasets.storage import ShelvingStorage
from jobs.export_models import Export
from jobs.models import TERMINAL

log = logging.getLogger(__name__)

_FOLDER = re.compile(r"[0-9]+-[0-9a-f]{8}")

#: The storage that finished files go to, where there is one.
_STORAGE: Final = "exports"

_READ_BYTES: Final = 1024 * 1024

#: What a failed or cancelled export has written waits so long for its retry.
KEPT_UNFINISHED: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A file that may be downloaded: its place in the shared folder, or a short-lived address."""

    name: str
    path: Path | None = None
    link: str = ""


class ExportShelf:
    """The folder of one export in the storage. Everything raises BlobError where the store fails."""

    def __init__(self, storage: ShelvingStorage, folder: str) -> None:
        self._storage = storage
        self._folder = folder

    def put(self, name: str, path: Path, *, start: int = 0, end: int | None = None) -> None:
        with translated(f"write {self._name(name)}"):
            self._storage.upload(self._name(name), path, start=start, end=end)

    def fetch(self, name: str, file: IO[bytes]) -> None:
        with translated(f"read {self._name(name)}", missing_is_trouble=False):
            self._storage.fetch(self._name(name), file)

    def read(self, name: str) -> bytes | None:
        body = io.BytesIO()
        try:
            self.fetch(name, body)
        except FileNotFoundError:
            return None
        return body.getvalue()

    def link(self, name: str) -> str | None:
        """A short-lived address; None where there is no such file."""
        with translated(f"look for {self._name(name)}"):
            return (
                self._storage.link(self._name(name), save_as=name) if self._storage.exists(self._name(name)) else None
            )

    def remove_below(self, folder: str = "") -> None:
        with translated(f"remove {self._name(folder)}"):
            self._storage.remove_folder(self._name(folder))

    def _name(self, name: str) -> str:
        return f"{self._folder}/{name}".rstrip("/")


def folder_of(export: Export) -> Path:
    """The export's own folder: its files, or where this machine writes them."""
    return Path(settings.EXPORTS_ROOT) / export.folder


def shelf_of(export: Export) -> ExportShelf | None:
    """Where the finished files go; None: they stay in the folder."""
    storage = _storage()
    return ExportShelf(storage, export.folder) if storage else None


def offered(export: Export, name: str) -> Offered | None:
    """The file of that name; None where none is offered. Raises BlobError."""
    if not export.is_offered or name not in names_of(export):
        return None
    if shelf := shelf_of(export):
        link = shelf.link(name)
        return Offered(name=name, link=link) if link else None
    path = folder_of(export) / name
    return Offered(name=name, path=path) if path.is_file() else None


def names_of(export: Export) -> list[str]:
    """The names of all its files, the list of checksums last."""
    return [*(file["name"] for file in export.files), SUMS]


def copy_to(export: Export, folder: Path) -> None:
    """Copies all its files into the folder. Raises OSError and BlobError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names_of(export):
        with (folder / name).open("wb") as file:
            read_file(export.folder, name, file)


def read_file(folder: str, name: str, to: IO[bytes]) -> None:
    """Writes a finished file to `to`, wherever it lies.

    Raises OSError, BlobError, and ValueError for a name that is none.
    """
    _check(folder, name)
    if storage := _storage():
        ExportShelf(storage, folder).fetch(name, to)
        return
    with (Path(settings.EXPORTS_ROOT) / folder / name).open("rb") as source:
        shutil.copyfileobj(source, to, _READ_BYTES)


def write_file(folder: str, name: str, path: Path) -> None:
    """Puts a file in its place, as a backup had it. Raises OSError, BlobError, ValueError."""
    _check(folder, name)
    if storage := _storage():
        ExportShelf(storage, folder).put(name, path)
        return
    target = Path(settings.EXPORTS_ROOT) / folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _check(folder: str, name: str) -> None:
    if not _FOLDER.fullmatch(folder) or not name or name.startswith(".") or "/" in name:
        raise ValueError(f"{folder}/{name} is no file of an export.")


@contextmanager
def for_reading_back(export: Export) -> Iterator[Path]:
    """A folder with the files as whoever downloads them gets them. Raises OSError and BlobError."""
    if shelf_of(export) is None:
        yield folder_of(export)
        return
    folder = Path(settings.EXPORTS_ROOT) / f"{export.folder}.check"
    try:
        copy_to(export, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_bench(export: Export) -> None:
    """Removes what this machine wrote, where it lies in the storage by now."""
    if shelf_of(export) is not None:
        shutil.rmtree(folder_of(export), ignore_errors=True)


def remove_files(export: Export) -> None:
    """Takes the export's files away; its row says from then on that they are gone. Raises BlobError."""
    Export.objects.filter(pk=export.pk).update(removed_at=Now(), ready_at=None)
    if shelf := shelf_of(export):
        shelf.remove_below()
    with suppress(FileNotFoundError):
        shutil.rmtree(folder_of(export))


def remove_unwanted() -> int:
    """Removes folders whose job was deleted, and what jobs that failed or were cancelled left; gives their number.

    With a bucket also what this machine wrote of exports that have ended since. Raises BlobError.
    """
    removed = 0
    storage = _storage()
    for folder in {*_local_folders(), *(_stored_folders(storage) if storage else ())}:
        export = Export.objects.select_related("job").filter(folder=folder).first()
        if export is None:
            if storage:
                ExportShelf(storage, folder).remove_below()
            shutil.rmtree(Path(settings.EXPORTS_ROOT) / folder, ignore_errors=True)
        elif _is_given_up(export):
            remove_files(export)
        else:
            if export.job.status in TERMINAL:
                clear_bench(export)
            continue
        removed += 1
    if removed:
        log.info("%s folders of exports that nobody wants any more were removed.", f"{removed:,}")
    return removed


def _storage() -> ShelvingStorage | None:
    if _STORAGE not in settings.STORAGES:
        return None
    storage = storages[_STORAGE]
    if not isinstance(storage, ShelvingStorage):
        raise TypeError(f"The storage “{_STORAGE}” cannot hold exports.")
    return storage


def _local_folders() -> list[str]:
    root = Path(settings.EXPORTS_ROOT)
    return [folder.name for folder in root.iterdir() if _FOLDER.fullmatch(folder.name)] if root.is_dir() else []


def _stored_folders(storage: ShelvingStorage) -> list[str]:
    with translated("list the exports"):
        return [folder for folder in storage.listdir("")[0] if _FOLDER.fullmatch(folder)]


def _is_given_up(export: Export) -> bool:
    job = export.job
    if job.status not in TERMINAL or export.ready_at is not None or job.finished_at is None:
        return False
    # Files of an export that was removed are left over where the store failed meanwhile.
    return export.removed_at is not None or job.finished_at < timezone.now() - KEPT_UNFINISHED
