"""A stored file that is read where it is wanted, without a copy of it here."""

import io
from typing import IO, Final

from datasets.blobs import translated
from datasets.storage import RangedStorage

#: Bytes of one request, unless more is wanted at once.
_WINDOW_BYTES: Final = 1024 * 1024


def open_ranged(storage: RangedStorage, name: str) -> IO[bytes]:
    """The file, open for reading. It raises FileNotFoundError when it is missing or goes, and BlobError."""
    return io.BufferedReader(_RangedFile(storage, name), _WINDOW_BYTES)


class _RangedFile(io.RawIOBase):
    def __init__(self, storage: RangedStorage, name: str) -> None:
        super().__init__()
        self._storage = storage
        self._name = name
        self._place = 0
        with translated(f"look for {name}", missing_is_trouble=False):
            self._size_bytes = storage.size(name)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"There is no byte {start + offset}.")
        self._place = start + offset
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        end = min(self._place + len(buffer), self._size_bytes)
        if end <= self._place:
            return 0
        with translated(f"read {self._name}", missing_is_trouble=False):
            piece = self._storage.read_range(self._name, self._place, end)
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)
