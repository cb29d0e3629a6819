"""Where the files of an export go when the machines that write it share no folder.

A finished part is put there at once. Of a part that is being written, whatever was added goes there as a piece with
each checkpoint, so that a machine which takes over fetches the pieces and goes on. The shelf is the truth: a folder
that belongs to another attempt is emptied.
"""

import json
import secrets
import shutil
from pathlib import Path
from typing import IO, Any, Final, Protocol

_PIECES: Final = ".unfinished"


class Shelf(Protocol):
    """The place of one export. Names have no leading slash; nothing here is ever a path that somebody else chose."""

    def put(self, name: str, path: Path, *, start: int = 0, end: int | None = None) -> None:
        """Keeps the bytes of a local file, or those from `start` to `end`, under that name."""

    def fetch(self, name: str, file: IO[bytes]) -> None:
        """Writes what is kept under that name. Raises FileNotFoundError."""

    def read(self, name: str) -> bytes | None:
        """What is kept under that name, None where there is nothing; for small files."""

    def remove_below(self, folder: str) -> None:
        """Removes what is kept below; nothing is fine."""


class Shelved:
    """The shelf of an export whose folder is at `root`: what of it lies there already."""

    def __init__(self, shelf: Shelf, root: Path) -> None:
        self._shelf = shelf
        self._root = root
        self._attempt = ""
        self._ends: dict[str, list[int]] = {}

    @property
    def notes(self) -> dict[str, Any]:
        """To be noted beside the parts: which attempt this is, and where the pieces of unfinished files end."""
        return {"attempt": self._attempt, "pieces": self._ends}

    def begin(self, notes_name: str) -> None:
        """Makes the folder's notes those of the shelf; empties a folder that belongs to another attempt."""
        kept = self._shelf.read(notes_name)
        notes = json.loads(kept) if kept else {}
        local = self._root / notes_name
        if not kept or not local.is_file() or json.loads(local.read_bytes()).get("attempt") != notes["attempt"]:
            shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(parents=True, exist_ok=True)
        if kept:
            local.write_bytes(kept)
        self._attempt = notes.get("attempt", secrets.token_hex(4))
        self._ends = notes.get("pieces", {})

    def put(self, name: str) -> None:
        """Keeps a file of the folder."""
        self._shelf.put(name, self._root / name)

    def fetch(self, name: str, path: Path) -> None:
        """Brings a finished part into the folder."""
        with path.open("wb") as file:
            self._shelf.fetch(name, file)

    def put_growth(self, path: Path) -> None:
        """Keeps what was added to an unfinished file since the last time."""
        ends = self._ends.setdefault(path.name, [])
        start, end = (ends[-1] if ends else 0), path.stat().st_size
        if end > start:
            self._shelf.put(_piece(path, start), path, start=start, end=end)
            ends.append(end)

    def regain(self, path: Path) -> None:
        """Puts an unfinished file together again, where less of it is here than on the shelf."""
        ends = self._ends.get(path.name, [])
        if not ends or (path.is_file() and path.stat().st_size >= ends[-1]):
            return
        with path.open("wb") as file:
            for start in [0, *ends[:-1]]:
                self._shelf.fetch(_piece(path, start), file)

    def clear_unfinished(self) -> None:
        """Removes the pieces of parts that are finished by now."""
        self._ends = {}
        self._shelf.remove_below(_PIECES)


def _piece(path: Path, start: int) -> str:
    return f"{_PIECES}/{path.name}.{start}"
