"""The folder of an export: files appear under their final names when they are whole, and a second try keeps them.

<folder>/<files of the export>      finished parts
<folder>/parts.json                 what is exported, which parts are finished, their checksums
<folder>/.unfinished/               what is being written
<folder>/SHA256SUMS                 when all parts are finished

With a shelf the truth lies there, so that another machine can go on; the folder is then where parts are written.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from datasets.exports.shelf import Shelf, Shelved
from datasets.exports.types import ExportError, Part

SUMS: Final = "SHA256SUMS"
NOTES: Final = "parts.json"
_READ_BYTES = 1024 * 1024


class PartFile:
    """A part that is being written: takes bytes one after the other and knows their hash."""

    def __init__(self, file: IO[bytes], *, written: int = 0, digest: Any = None) -> None:
        self._file = file
        self._written = written
        self._digest = digest or hashlib.sha256()
        self.pictures = 0
        self.last_id = 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._digest.update(data)
        self._written += len(data)
        return len(data)

    def write_text(self, text: str) -> None:
        self.write(text.encode())

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Does nothing: the folder closes its files. Programs that are handed one may ask for it."""

    def as_part(self, name: str) -> Part:
        return Part(
            name=name,
            sha256=self._digest.hexdigest(),
            size_bytes=self._written,
            pictures=self.pictures,
            last_id=self.last_id,
        )


class ExportFolder:
    """The folder of one export. `identity` names what is exported and how; a folder of another export is refused."""

    def __init__(self, root: Path, *, identity: str, shelf: Shelf | None = None) -> None:
        self.root = root
        self._shelved = Shelved(shelf, root) if shelf else None
        self._aside = root / ".unfinished"
        self._notes = root / NOTES
        self._parts: dict[str, Part] = {}
        self._checkpoints: dict[str, Any] = {}
        self._identity = identity
        with explained(root):
            self._begin()

    def _begin(self) -> None:
        if self._shelved:
            self._shelved.begin(NOTES)
        self.root.mkdir(parents=True, exist_ok=True)
        if self._notes.exists():
            self._go_on(json.loads(self._notes.read_text()))
        elif any(entry != self._aside for entry in self.root.iterdir()):
            raise ExportError(f"{self.root} holds files that no export wrote. Name an empty folder, or remove them.")
        self._aside.mkdir(exist_ok=True)
        self._note()

    def _go_on(self, notes: dict[str, Any]) -> None:
        if notes["identity"] != self._identity:
            raise ExportError(f"{self.root} holds an export of something else. Name an empty folder, or remove it.")
        self._checkpoints = notes["checkpoints"]
        parts = [Part(**part) for part in notes["parts"]]
        self._parts = {part.name: part for part in parts if self._shelved or self._is_whole(part)}

    def _is_whole(self, part: Part) -> bool:
        path = self.root / part.name
        return path.is_file() and path.stat().st_size == part.size_bytes

    def finished(self, name: str) -> Part | None:
        """The part of that name, where it is finished."""
        return self._parts.get(name)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The finished parts by name."""
        return tuple(self._parts[name] for name in sorted(self._parts))

    def path(self, name: str) -> Path:
        """Where a finished part can be read; from the shelf it is fetched first."""
        path = self.root / name
        if self._shelved and not self._is_whole(self._parts[name]):
            self._shelved.fetch(name, path)
        return path

    @contextmanager
    def writing(self, name: str) -> Iterator[PartFile]:
        """A new part: under its name, and noted, once the block ends well. Raises ExportError where a disk fails."""
        aside = self.aside(name)
        with explained(self.root):
            with aside.open("wb") as file:
                part = PartFile(file)
                yield part
                synced(file)
            self.finish(name, part)

    def aside(self, name: str) -> Path:
        """Where a part lies while it is written."""
        return self._aside / name.replace("/", "_")

    def finish(self, name: str, part: PartFile) -> None:
        """Gives a part that lies aside, whole and on the disk, its name."""
        os.replace(self.aside(name), self.root / name)
        if self._shelved:
            self._shelved.put(name)
        self._parts[name] = part.as_part(name)
        self._checkpoints.pop(name, None)
        self._note()

    def checkpoint(self, name: str) -> Any:
        """What `note_checkpoint` last noted of an unfinished part, or None."""
        return self._checkpoints.get(name)

    def note_checkpoint(self, name: str, state: Any, *, files: Sequence[Path]) -> None:
        """Notes how far an unfinished part, made of `files` aside, is on the disk. `state` is what JSON can hold."""
        if self._shelved:
            for file in files:
                self._shelved.put_growth(file)
        self._checkpoints[name] = state
        self._note()

    def regain(self, files: Sequence[Path]) -> None:
        """Fetches what another machine had written of an unfinished part, where it is not here."""
        if self._shelved:
            for file in files:
                self._shelved.regain(file)

    def seal(self) -> None:
        """Writes SHA256SUMS: the export is whole."""
        with explained(self.root):
            lines = "".join(f"{part.sha256}  {part.name}\n" for part in self.parts)
            (self.aside(SUMS)).write_text(lines)
            os.replace(self.aside(SUMS), self.root / SUMS)
            if self._shelved:
                self._shelved.put(SUMS)
                self._shelved.clear_unfinished()
            shutil.rmtree(self._aside)

    def _note(self) -> None:
        notes = {
            "identity": self._identity,
            "parts": [asdict(part) for part in self.parts],
            "checkpoints": self._checkpoints,
            **(self._shelved.notes if self._shelved else {}),
        }
        new = self._aside / NOTES
        with new.open("w") as file:
            json.dump(notes, file)
            synced(file)
        os.replace(new, self._notes)
        if self._shelved:
            self._shelved.put(NOTES)


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turns what a disk answers into an ExportError that says what to do."""
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{error.filename or folder} could not be written or read: {error.strerror or error}. Free some space or "
            "mend the folder, then run the export again: it goes on behind its last finished part."
        ) from error


def synced(file: IO[Any]) -> None:
    """Returns when the file's bytes are on the disk."""
    file.flush()
    os.fsync(file.fileno())


def hash_of(path: Path, *, size_bytes: int | None = None, also: Callable[[bytes], None] | None = None) -> Any:
    """The hashlib object of a file's first bytes, of all of them without `size_bytes`; `also` is handed them, too."""
    digest = hashlib.sha256()
    left = path.stat().st_size if size_bytes is None else size_bytes
    with path.open("rb") as file:
        while left > 0 and (data := file.read(min(_READ_BYTES, left))):
            digest.update(data)
            left -= len(data)
            if also:
                also(data)
    return digest
