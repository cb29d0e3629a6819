"""Reads the archives that zip_stream writes, or any ZIP of stored files, without ever having its directory in memory.

What a reader goes by is checked on the way: the directory at the archive's end, each file's own header, its checksum.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s4B4H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_END64_LOCATOR: Final = struct.Struct("<4sIQI")
_MOST_32: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipEntry:
    """A file in an archive: where its header begins, and what the directory says of its bytes."""

    name: str
    offset: int
    size_bytes: int
    crc: int


class ZipReader:
    """An archive, open for reading. Every method raises ValueError where the archive is none, or is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> Iterator[ZipEntry]:
        """The files in the order of the directory."""
        with self._path.open("rb") as file:
            count, start = _end(file)
            file.seek(start)
            for _ in range(count):
                yield _entry(file)

    def read(self, entry: ZipEntry) -> bytes:
        """A file's bytes."""
        with self.open(entry) as file:
            body = file.read()
        if len(body) != entry.size_bytes or zlib.crc32(body) != entry.crc:
            raise ValueError(f"{entry.name} is damaged")
        return body

    def open(self, entry: ZipEntry) -> IO[bytes]:
        """A file as a stream; its checksum is not looked at."""
        file = self._path.open("rb")
        file.seek(entry.offset)
        header = _unpacked(_LOCAL, file, b"PK\x03\x04")
        name = file.read(header[9])
        file.seek(header[10], io.SEEK_CUR)
        stored, crc, size_bytes = header[3] == 0, header[6], header[8]
        says_the_same = crc == entry.crc and size_bytes == min(entry.size_bytes, _MOST_32)
        if not stored or not says_the_same or name != entry.name.encode():
            file.close()
            raise ValueError(f"the header of {entry.name} is not what the directory says")
        return cast(IO[bytes], io.BufferedReader(_Range(file, entry.size_bytes)))


class _Range(io.RawIOBase):
    """So many bytes of a file from where it stands. Closes the file with itself."""

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        self._file = file
        self._left = size_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _end(file: IO[bytes]) -> tuple[int, int]:
    """How many entries the directory has, and where it begins. An archive with a comment is not read."""
    end_at = file.seek(0, io.SEEK_END) - _END.size
    file.seek(max(0, end_at))
    _, _, _, _, count, size_bytes, start, _ = _unpacked(_END, file, b"PK\x05\x06")
    if count < 0xFFFF and start < _MOST_32:
        if start + size_bytes != end_at:
            raise ValueError("the archive's directory is not where its end says")
        return count, start
    file.seek(end_at - _END64_LOCATOR.size)
    file.seek(_unpacked(_END64_LOCATOR, file, b"PK\x06\x07")[2])
    fields = _unpacked(_END64, file, b"PK\x06\x06")
    return fields[7], fields[9]


def _entry(file: IO[bytes]) -> ZipEntry:
    fields = _unpacked(_CENTRAL, file, b"PK\x01\x02")
    crc, size_bytes, name_length, extra_length, comment_length, offset = fields[9], *fields[11:15], fields[-1]
    name = file.read(name_length).decode()
    extra = file.read(extra_length)
    file.seek(comment_length, io.SEEK_CUR)
    if large := _zip64(extra):
        size_bytes = large.pop(0) if size_bytes == _MOST_32 else size_bytes
        # The packed size, which equals the other one, stands between.
        offset = large[-1] if offset == _MOST_32 else offset
    return ZipEntry(name=name, offset=offset, size_bytes=size_bytes, crc=crc)


def _zip64(extra: bytes) -> list[int]:
    """The large numbers of an entry, of those that did not fit."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            return list(struct.unpack_from(f"<{length // 8}Q", extra, 4))
        extra = extra[4 + length :]
    return []


def _unpacked(layout: struct.Struct, file: IO[bytes], magic: bytes) -> tuple[int, ...]:
    data = file.read(layout.size)
    if len(data) != layout.size or not data.startswith(magic):
        raise ValueError("the archive is cut off or damaged")
    return layout.unpack(data)
