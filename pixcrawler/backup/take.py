"""Makes a backup: the database at one moment, then the files that it names.

<folder>/files/…                        every file once, whichever backups need it
<folder>/states/<time>/database.…       the database
<folder>/states/<time>/files.txt        sha256, bytes and name of each file, sorted by name
<folder>/states/<time>/manifest.json    written last: a state without it is unfinished
<folder>/states/<time>/secret_key       where the installation has made its own

Files are stored before their rows and never change under their names, so those that are copied after the database hold
all that it names.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection

from datasets.blobs import BlobError
from datasets.models import Image
from pixcrawler import env
from pixcrawler.backup import database, files
from pixcrawler.backup.database import BackupError

MANIFEST, FILES, SECRET_KEY = "manifest.json", "files.txt", "secret_key"
#: Changes with the layout.
FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself. `key_print` tells secret keys apart and gives nothing of them away."""

    format: int
    taken_at: str
    engine: str
    database_sha256: str
    files_sha256: str
    files: int
    size_bytes: int
    key_print: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of it: where it lies, how many files were new, and images whose file was not there."""

    state: Path
    manifest: Manifest
    copied: int
    missing: int


def take(folder: Path, *, with_files: bool = True) -> Taken:
    """Backs the installation up into `folder`, which may hold earlier backups of it. Raises BackupError, BlobError."""
    taken_at = datetime.now(UTC)
    state = folder / "states" / taken_at.strftime("%Y-%m-%dT%H-%M-%SZ")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # What is in it can read everything that the installation can.
        folder.chmod(0o700)
        state.mkdir(parents=True)
        dumped = state / database.FILE_NAMES[connection.vendor]
        database.dump(dumped)
        copied = _copy_files(folder, state) if with_files else _no_files(state)
        _keep_secret_key(state)
        count, size_bytes = _totals(state / FILES)
        manifest = Manifest(
            format=FORMAT,
            taken_at=taken_at.isoformat(timespec="seconds"),
            engine=connection.vendor,
            database_sha256=files.digest_of(dumped),
            files_sha256=files.digest_of(state / FILES),
            files=count,
            size_bytes=size_bytes,
            key_print=key_print(),
        )
        new = state / f".{MANIFEST}"
        new.write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        new.replace(state / MANIFEST)
    except OSError as error:
        raise BackupError(
            f"{error.filename or folder} could not be written or read ({error.strerror or error}). Mend that or free "
            "some space, then run it again: files that are copied already are not copied twice."
        ) from error
    missing = _missing(folder) if with_files else 0
    return Taken(state=state, manifest=manifest, copied=copied, missing=missing)


def states_of(folder: Path) -> list[Path]:
    """The finished backups, oldest first."""
    return sorted(path.parent for path in (folder / "states").glob(f"*/{MANIFEST}"))


def listed(path: Path) -> Iterator[tuple[str, int, str]]:
    """(sha256, bytes, name) of each line of a list of files."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            digest, size_bytes, name = line.rstrip("\n").split("  ")
            yield digest, int(size_bytes), name


def key_print() -> str:
    return hashlib.sha256(b"pixcrawler key print " + settings.SECRET_KEY.encode()).hexdigest()[:16]


def has_own_key() -> bool:
    """Whether the secret key lies in the data folder instead of the environment."""
    return not env.text("SECRET_KEY")


def _copy_files(folder: Path, state: Path) -> int:
    """Copies what is not there yet; digests of what is come from the backup before."""
    earlier = states_of(folder)
    known = listed(earlier[-1] / FILES) if earlier else iter(())
    last = next(known, None)
    copied = 0
    with (state / FILES).open("w", encoding="utf-8") as lines:
        for name in files.names():
            # Both lists are sorted by name.
            while last and last[2] < name:
                last = next(known, None)
            target = folder / "files" / name
            if last and last[2] == name and target.is_file() and target.stat().st_size == last[1]:
                digest = last[0]
            else:
                try:
                    digest = files.copy_out(name, target)
                except FileNotFoundError:
                    # It was removed since it was listed; no row will miss it.
                    continue
                copied += 1
            lines.write(f"{digest}  {target.stat().st_size}  {name}\n")
        lines.flush()
        os.fsync(lines.fileno())
    return copied


def _no_files(state: Path) -> int:
    (state / FILES).touch()
    return 0


def _totals(path: Path) -> tuple[int, int]:
    count = size_bytes = 0
    for _, size, _ in listed(path):
        count, size_bytes = count + 1, size_bytes + size
    return count, size_bytes


def _missing(folder: Path) -> int:
    """Images whose file the backup lacks, because the installation does."""
    names = Image.objects.order_by().values_list("blob_name", flat=True).distinct()
    return sum(not (folder / "files" / name).is_file() for name in names.iterator(chunk_size=2_000))


def _keep_secret_key(state: Path) -> None:
    if has_own_key() and (settings.DATA_DIR / SECRET_KEY).is_file():
        target = state / SECRET_KEY
        target.touch(mode=0o600)
        shutil.copyfile(settings.DATA_DIR / SECRET_KEY, target)


__all__ = ["BackupError", "BlobError", "Manifest", "Taken", "key_print", "listed", "states_of", "take"]
