"""The database as one file, and back: SQLite by its backup API, PostgreSQL by pg_dump and pg_restore."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from django.db import connection

#: The name of the file, by engine.
FILE_NAMES: Final = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}


class BackupError(Exception):
    """A backup cannot be made or restored. The message says what happened and what to do."""


def dump(path: Path) -> None:
    """Writes the database as it is at one moment, while others go on writing. Raises BackupError."""
    if connection.vendor == "sqlite":
        _dump_sqlite(path)
    else:
        _run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", "--file", str(path), *_address()])


def load(path: Path) -> None:
    """Fills the empty database from such a file. Raises BackupError; nothing of it is there then."""
    if connection.vendor == "sqlite":
        _load_sqlite(path)
        return
    connection.close()
    options = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    *server, name = _address()
    _run("pg_restore", [*options, *server, "--dbname", name, str(path)])


def is_empty() -> bool:
    """Whether the database holds no table. Does not make a file for SQLite."""
    if connection.vendor == "sqlite" and not _sqlite_file().exists():
        return True
    return not connection.introspection.table_names()


def _sqlite_file() -> Path:
    return Path(connection.settings_dict["NAME"])


def _dump_sqlite(path: Path) -> None:
    try:
        source = f"file:{_sqlite_file()}?mode=ro"
        with closing(sqlite3.connect(source, uri=True, timeout=30)) as live, closing(sqlite3.connect(path)) as copy:
            live.backup(copy)
            # One file, without a log beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
            trouble = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise BackupError(f"The database {_sqlite_file()} could not be copied ({error}). Try again.") from error
    if trouble != "ok":
        raise BackupError(
            f"The database is damaged: {trouble}. No backup was made; restore the last one into an empty folder."
        )


def _load_sqlite(path: Path) -> None:
    target = _sqlite_file()
    connection.close()
    new = target.with_name(f".{target.name}.restored")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, new)
        # The log of a database that is no more would be read into the new one.
        for ending in ("-wal", "-shm"):
            target.with_name(target.name + ending).unlink(missing_ok=True)
        os.replace(new, target)
    except OSError as error:
        raise BackupError(f"{target} could not be written ({error.strerror}). Free some space, then retry.") from error


def _address() -> list[str]:
    """Where the database is, as PostgreSQL's programs take it: its name last; the password is not among it."""
    arguments, _ = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    return list(arguments[1:])


def _run(name: str, arguments: Sequence[str]) -> None:
    _, environment = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    ended = subprocess.run(
        [_program(name), *arguments],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        said = " ".join(ended.stderr.split())[-600:]
        raise BackupError(f"{name} failed: {said or f'exit status {ended.returncode}'}. Mend that, then retry.")


def _program(name: str) -> str:
    """The newest of that name: one of an older release refuses a newer server. Raises BackupError."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which(name)
    if not found:
        raise BackupError(
            f"{name} was not found. Install PostgreSQL's client programs, of the server's release or newer "
            "(Debian, Ubuntu: sudo apt install postgresql-client)."
        )
    return found
