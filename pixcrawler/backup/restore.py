"""Restores a backup into an empty installation: all of it is verified before anything is written, the database is last.

What breaks off can be run again: files that are in place already stay, and without a database nothing serves them.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection

from datasets.blobs import BlobError
from pixcrawler.backup import database, files
from pixcrawler.backup.database import BackupError
from pixcrawler.backup.take import (
    FILES,
    FORMAT,
    MANIFEST,
    SECRET_KEY,
    Manifest,
    has_own_key,
    key_print,
    listed,
    states_of,
)

#: Damaged files that are named; more would bury what to do.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of it. With `has_other_key` the installation has another secret key than the one in the backup."""

    manifest: Manifest
    files: int
    has_other_key: bool


def restore(folder: Path, *, state_name: str = "", with_files: bool = True) -> Restored:
    """Restores the newest backup in `folder`, or the one of that name. Raises BackupError and BlobError."""
    state = _state(folder, state_name)
    manifest = _manifest(state)
    _refuse_if_live()
    try:
        _verify(folder, state, manifest, with_files=with_files)
        count = 0
        if with_files:
            for _, _, name in listed(state / FILES):
                files.copy_in(name, folder / "files" / name)
                count += 1
        has_other_key = _restore_key(state, manifest)
        database.load(state / database.FILE_NAMES[manifest.engine])
    except OSError as error:
        raise BackupError(
            f"{error.filename or folder} could not be written or read ({error.strerror or error}). Mend that or free "
            "some space, then run it again."
        ) from error
    return Restored(manifest=manifest, files=count, has_other_key=has_other_key)


def _state(folder: Path, name: str) -> Path:
    states = states_of(folder)
    if name:
        states = [state for state in states if state.name == name]
    if not states:
        raise BackupError(f"{folder} holds no finished backup{f' named {name}' if name else ''}. Name another folder.")
    return states[-1]


def _manifest(state: Path) -> Manifest:
    try:
        given: dict[str, Any] = json.loads((state / MANIFEST).read_text())
        if given["format"] != FORMAT:
            raise BackupError(f"{state} was made by another release (format {given['format']}). Restore it with that.")
        manifest = Manifest(**given)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{state / MANIFEST} cannot be read ({error}). Restore another backup.") from error
    if manifest.engine != connection.vendor:
        raise BackupError(
            f"The backup is of a database in {manifest.engine}, and this installation has {connection.vendor}. "
            "Set DATABASE_URL to an empty database of the same kind."
        )
    return manifest


def _refuse_if_live() -> None:
    if not database.is_empty():
        raise BackupError(
            "The database of this installation is not empty, and a restore never overwrites one. Name another "
            "PIXCRAWLER_DATA_DIR and an empty database (DATABASE_URL), or remove this one first."
        )


def _verify(folder: Path, state: Path, manifest: Manifest, *, with_files: bool) -> None:
    """Raises BackupError where a file of the backup is missing or not as it was written, and OSError."""
    for name, digest in (
        (database.FILE_NAMES[manifest.engine], manifest.database_sha256),
        (FILES, manifest.files_sha256),
    ):
        if files.digest_of(state / name) != digest:
            raise BackupError(f"{state / name} is damaged. Nothing was restored; use another backup (--state).")
    if not with_files:
        return
    damaged = [
        name
        for digest, _, name in listed(state / FILES)
        if not (folder / "files" / name).is_file() or files.digest_of(folder / "files" / name) != digest
    ]
    if damaged:
        raise BackupError(
            f"{len(damaged):,} files of the backup are missing or damaged, such as {', '.join(damaged[:_NAMED])}. "
            "Nothing was restored. Bring them back from a copy of the backup, or use another one (--state)."
        )


def _restore_key(state: Path, manifest: Manifest) -> bool:
    """Puts the secret key back, where the backup has it and the environment gives none; True: the keys differ."""
    kept = state / SECRET_KEY
    if has_own_key() and kept.is_file():
        target = settings.DATA_DIR / SECRET_KEY
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{SECRET_KEY}.new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_bytes(kept.read_bytes())
        os.replace(new, target)
        return False
    return manifest.key_print != key_print()


__all__ = ["BackupError", "BlobError", "Restored", "restore"]
