"""The ZIP of an export's pictures, for the formats whose readers want a tree of files."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import IO, Any, Final

from datasets.exports.card import CARD
from datasets.exports.parts import PartFile, explained, hash_of, synced
from datasets.exports.pictures import read_picture
from datasets.exports.side_files import ATTRIBUTION, LABELS, LICENCES
from datasets.exports.task import FileNames, Task
from datasets.exports.types import ExportError, ExportStopped
from datasets.exports.zip_stream import ZipState, ZipWriter

#: Files of the export that travel in the archive as well.
COMPANIONS: Final = (CARD, ATTRIBUTION, LICENCES, LABELS)

#: Writes a text file of the archive.
Text = Callable[[PartFile], None]


def write_archive(task: Task, *, name: str, file_name: FileNames, texts: Mapping[str, Text]) -> None:
    """Writes the archive: companions, texts, then the pictures in the order of their ids; goes on with half of one."""
    if task.folder.finished(name):
        task.export.progress(task.survey.pictures, task.survey.pictures)
        return
    with explained(task.folder.root), ExitStack() as stack:
        archive = _Archive(task, name, stack)
        if not archive.part.tell():
            archive.add_texts(texts)
        archive.add_pictures(file_name)
        archive.zip.end()
        synced(archive.file)
        stack.close()
        archive.directory_path.unlink()
        task.folder.finish(name, archive.part)


class _Archive:
    """An archive aside, cut to where its checkpoint says that it is whole."""

    def __init__(self, task: Task, name: str, stack: ExitStack) -> None:
        self._task = task
        self._name = name
        self._path = task.folder.aside(name)
        self.directory_path = task.folder.aside(f"{name}.directory")
        task.folder.regain([self._path, self.directory_path])
        noted = self._noted()
        state = ZipState(**noted["zip"])
        self.file = stack.enter_context(_cut(self._path, state.size_bytes))
        self._directory = stack.enter_context(_cut(self.directory_path, state.directory_bytes))
        digest = hash_of(self._path, size_bytes=state.size_bytes)
        self.part = PartFile(self.file, written=state.size_bytes, digest=digest)
        self.part.pictures, self.part.last_id = noted["pictures"], noted["last_id"]
        self.zip = ZipWriter(self.part, self._directory, modified=task.export.facts.created_at, state=state)

    def _noted(self) -> dict[str, Any]:
        """The checkpoint, or the start where there is none or its files are gone."""
        noted: dict[str, Any] | None = self._task.folder.checkpoint(self._name)
        wanted = (noted["zip"]["size_bytes"], noted["zip"]["directory_bytes"]) if noted else (0, 0)
        paths = (self._path, self.directory_path)
        if noted and all(
            path.exists() and path.stat().st_size >= size for path, size in zip(paths, wanted, strict=True)
        ):
            return noted
        return {"zip": asdict(ZipState()), "pictures": 0, "last_id": 0}

    def add_texts(self, texts: Mapping[str, Text]) -> None:
        for companion in COMPANIONS:
            self.zip.add_file(companion, self._task.folder.path(companion))
        aside = self._task.folder.aside(f"{self._name}.text")
        for name, write in texts.items():
            with aside.open("wb") as file:
                write(PartFile(file))
            self.zip.add_file(name, aside)
            aside.unlink()

    def add_pictures(self, file_name: FileNames) -> None:
        noted_bytes = self.part.tell()
        try:
            for image in self._task.rows(after_id=self.part.last_id):
                self.zip.add(file_name(image), read_picture(self._task.export, image))
                self.part.pictures += 1
                self.part.last_id = image.id
                self._task.export.progress(self.part.pictures, self._task.survey.pictures)
                if self.part.tell() - noted_bytes >= self._task.export.checkpoint_bytes:
                    noted_bytes = self.part.tell()
                    self._note()
        except (ExportError, ExportStopped):
            self._note()
            raise

    def _note(self) -> None:
        synced(self.file)
        synced(self._directory)
        state: dict[str, Any] = {
            "zip": asdict(self.zip.state), "pictures": self.part.pictures, "last_id": self.part.last_id
        }  # fmt: skip
        self._task.folder.note_checkpoint(self._name, state, files=[self._path, self.directory_path])


def _cut(path: os.PathLike[str], size_bytes: int) -> IO[bytes]:
    """The file, made if need be, cut to that length and open at its end."""
    file = open(path, "r+b" if os.path.exists(path) else "w+b")  # noqa: SIM115
    file.truncate(size_bytes)
    file.seek(size_bytes)
    return file
