"""Writes ZIP archives of any size in constant memory, always the same bytes, and goes on with half of one.

Pictures do not get smaller by being compressed again, so entries are stored as they are. The archive's directory, which
a ZIP has at its end, grows in a file of its own. Format: PKWARE's APPNOTE 6.3.3, with ZIP64 where it is needed.
"""

import shutil
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from datasets.exports.parts import PartFile

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s4B4H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_END64_LOCATOR: Final = struct.Struct("<4sIQI")

#: Names are UTF-8; stored, not compressed.
_UTF8, _STORED = 0x800, 0
_MADE_ON_UNIX, _REGULAR_FILE = 3, 0o100644 << 16
_PLAIN_VERSION, _ZIP64_VERSION = 20, 45
_MOST_16, _MOST_32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipState:
    """How far an archive is: its bytes, its entries, and the bytes of its directory so far."""

    size_bytes: int = 0
    entries: int = 0
    directory_bytes: int = 0


class ZipWriter:
    """Adds entries to an archive. `directory` collects its directory; all entries bear the time `modified`.

    `state` is where a half-written archive stands whose files were cut to that state's lengths.
    """

    def __init__(self, part: PartFile, directory: IO[bytes], *, modified: datetime, state: ZipState) -> None:
        self._part = part
        self._directory = directory
        self._entries = state.entries
        self._directory_bytes = state.directory_bytes
        self._time, self._date = _dos_time(modified)

    @property
    def state(self) -> ZipState:
        return ZipState(size_bytes=self._part.tell(), entries=self._entries, directory_bytes=self._directory_bytes)

    def add(self, name: str, body: bytes) -> None:
        """A file of that name with those bytes."""
        self._begin(name, size_bytes=len(body), crc=zlib.crc32(body))
        self._part.write(body)

    def add_file(self, name: str, path: Path) -> None:
        """A file of that name with the bytes of the one at `path`, which is read twice, in pieces."""
        crc = size_bytes = 0
        with path.open("rb") as file:
            while piece := file.read(1024 * 1024):
                crc, size_bytes = zlib.crc32(piece, crc), size_bytes + len(piece)
            self._begin(name, size_bytes=size_bytes, crc=crc)
            file.seek(0)
            shutil.copyfileobj(file, self._part, 1024 * 1024)

    def end(self) -> None:
        """Writes the directory behind the entries. `directory` must be readable."""
        start, size = self._part.tell(), self._directory_bytes
        self._directory.flush()
        self._directory.seek(0)
        shutil.copyfileobj(self._directory, self._part, 1024 * 1024)
        if self._entries >= _MOST_16 or start >= _MOST_32 or size >= _MOST_32:
            end64 = self._part.tell()
            self._part.write(
                _END64.pack(b"PK\x06\x06", _END64.size - 12, _ZIP64_VERSION, _ZIP64_VERSION, 0, 0,
                            self._entries, self._entries, size, start)
            )  # fmt: skip
            self._part.write(_END64_LOCATOR.pack(b"PK\x06\x07", 0, end64, 1))
        entries = min(self._entries, _MOST_16)
        self._part.write(_END.pack(b"PK\x05\x06", 0, 0, entries, entries, min(size, _MOST_32), min(start, _MOST_32), 0))

    def _begin(self, name: str, *, size_bytes: int, crc: int) -> None:
        """The header of an entry, and its line in the directory."""
        encoded, offset = name.encode(), self._part.tell()
        large = size_bytes >= _MOST_32
        sizes = (_MOST_32, _MOST_32) if large else (size_bytes, size_bytes)
        extra = struct.pack("<2H2Q", 1, 16, size_bytes, size_bytes) if large else b""
        version = _ZIP64_VERSION if large else _PLAIN_VERSION
        self._part.write(
            _LOCAL.pack(b"PK\x03\x04", version, _UTF8, _STORED, self._time, self._date, crc, *sizes,
                        len(encoded), len(extra)) + encoded + extra
        )  # fmt: skip
        fields = struct.pack("<2Q", size_bytes, size_bytes) if large else b""
        fields += struct.pack("<Q", offset) if offset >= _MOST_32 else b""
        extra = struct.pack("<2H", 1, len(fields)) + fields if fields else b""
        version = _ZIP64_VERSION if fields else _PLAIN_VERSION
        line = _CENTRAL.pack(
            b"PK\x01\x02", version, _MADE_ON_UNIX, version, 0, _UTF8, _STORED, self._time, self._date, crc, *sizes,
            len(encoded), len(extra), 0, 0, 0, _REGULAR_FILE, min(offset, _MOST_32),
        )  # fmt: skip
        self._directory.write(line + encoded + extra)
        self._entries += 1
        self._directory_bytes += len(line) + len(encoded) + len(extra)


def _dos_time(moment: datetime) -> tuple[int, int]:
    """The time and the date as ZIP has them: two seconds exact, none before 1980."""
    year = max(moment.year, 1980)
    return (
        moment.hour << 11 | moment.minute << 5 | moment.second // 2,
        (year - 1980) << 9 | moment.month << 5 | moment.day,
    )
