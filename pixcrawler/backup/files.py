"""The files of an installation in the order of their names: pictures, thumbnails, and exports that are offered.

Read and written through the storage, so that a folder can be restored into a bucket and the other way round.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from datasets import blobs
from jobs import exports
from jobs.export_models import Export
from pixcrawler.backup.database import BackupError

EXPORTS: Final = "exports"
_READ_BYTES: Final = 1024 * 1024


def names() -> Iterator[str]:
    """Such as exports/17-0a1b2c3d/manifest.csv and originals/ab/<sha256>.jpg, sorted. Raises BlobError."""
    offered = Export.objects.filter(ready_at__isnull=False, removed_at__isnull=True)
    yield from sorted(f"{EXPORTS}/{export.folder}/{name}" for export in offered for name in exports.names_of(export))
    yield from blobs.names("originals")
    yield from blobs.names("thumbs")


def copy_out(name: str, to: Path) -> str:
    """Copies a file of the installation and gives its SHA-256. Raises OSError (missing files too) and BlobError."""
    to.parent.mkdir(parents=True, exist_ok=True)
    new = to.with_name(f".{to.name}.new")
    try:
        with new.open("wb") as target:
            if name.startswith(f"{EXPORTS}/"):
                _, folder, base = name.split("/")
                exports.read_file(folder, base, target)
            else:
                with blobs.open(name) as source:
                    shutil.copyfileobj(source, target, _READ_BYTES)
        new.replace(to)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
    return digest_of(to)


def copy_in(name: str, path: Path) -> None:
    """Puts a file of a backup in its place. Raises OSError, BlobError, and BackupError for a name that is none."""
    try:
        if name.startswith(f"{EXPORTS}/"):
            _, folder, base = name.split("/")
            exports.write_file(folder, base, path)
        else:
            blobs.restore(name, path.read_bytes())
    except ValueError:
        raise BackupError(f"The backup lists {name!r}, which is no file of PixCrawler. Use another backup.") from None


def digest_of(path: Path) -> str:
    """The SHA-256 of a local file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
