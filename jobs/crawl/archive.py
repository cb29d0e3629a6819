"""ZIP files of pictures from people: what they hold, looked at before a byte is unpacked.

No name of an entry ever becomes a path. Entries are called by their number in the archive's own list, so that two of
one name are two; names are only shown, and make labels.
"""

import errno
import posixpath
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final

from jobs.crawl.text import clean

#: Bytes of one picture at most; no more are unpacked.
MAX_PICTURE_BYTES: Final = 20 * 1024 * 1024

#: Entries at most: what is known of each is kept in memory while pictures are read.
MAX_ENTRIES: Final = 50_000

#: The list of that many entries with long names. It is read at once, before anything can be counted.
_MAX_LIST_BYTES: Final = 16 * 1024 * 1024

#: Pictures are packed already, and drawings rarely shrink to a hundredth; deflate can do a thousandth.
_MAX_RATIO: Final = 200

_MAX_NAME: Final = 200
_UTF_8: Final = 0x800
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000

#: What may be a picture, by its name; what it really is, its bytes tell.
_SUFFIXES: Final = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
)

#: What zipfile raises for archives that are broken, or made to break it.
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class ArchiveError(ValueError):
    """The archive, or an entry, cannot be taken; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A picture by its name. `folder` is the first folder that it lies in, "" for none; both are cleaned text."""

    number: int
    name: str
    folder: str


class Archive:
    """The pictures of a ZIP file, and how many other entries were passed over, by what they are. Raises ArchiveError.

    OSError and what else reading `file` raises pass through.
    """

    def __init__(self, file: IO[bytes]) -> None:
        size_bytes = file.seek(0, 2)
        with _told(_no_zip):
            self._zip = zipfile.ZipFile(_Bounded(file))
        self._infos: Sequence[zipfile.ZipInfo] = self._zip.infolist()
        _check(self._infos, size_bytes)
        self.pictures, self.passed_over = _sorted_out(self._infos)

    def read(self, number: int) -> bytes:
        """The entry's bytes. Raises ArchiveError for one that is broken or too large."""
        with _told(_unreadable):
            info = self._infos[number]
            if info.file_size > MAX_PICTURE_BYTES:
                raise PictureTooLarge
            with self._zip.open(info) as file:
                return file.read(MAX_PICTURE_BYTES)


class PictureTooLarge(ArchiveError):
    """An entry says that it unpacks to more than a picture may have."""

    def __init__(self) -> None:
        super().__init__(f"The file is larger than {MAX_PICTURE_BYTES // 2**20} MiB.")


def may_be_picture(name: str) -> bool:
    """Whether a path inside a folder or an archive looks like a picture that somebody wants taken."""
    return not _is_hidden(name) and posixpath.splitext(name)[1].lower() in _SUFFIXES


class _Bounded:
    """Reads of a file, none of them larger than the longest list of entries that is taken."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_LIST_BYTES:
            raise _too_many()
        return self._file.read(_MAX_LIST_BYTES if size < 0 else size)


def _check(infos: Sequence[zipfile.ZipInfo], size_bytes: int) -> None:
    """Raises ArchiveError for an archive that is not taken, whatever its pictures are."""
    if len(infos) > MAX_ENTRIES:
        raise _too_many()
    if any(info.flag_bits & _ENCRYPTED for info in infos):
        raise ArchiveError("The ZIP file is encrypted, and its password is not known here. Pack it without one.")
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise ArchiveError(
            "The ZIP file is packed by an unusual method. Pack it again with “deflate”, which every program offers."
        )
    if sum(info.compress_size for info in infos) > size_bytes:
        raise ArchiveError(
            "The ZIP file says that its files are longer together than it is itself, as archives do that are made to "
            "do harm. Pack the pictures again."
        )
    if sum(info.file_size for info in infos) > _MAX_RATIO * size_bytes:
        raise ArchiveError(
            f"The ZIP file would unpack to more than {_MAX_RATIO} times its size, as archives do that are made to do "
            "harm. Pictures hardly shrink: pack them alone."
        )


def _sorted_out(infos: Sequence[zipfile.ZipInfo]) -> tuple[tuple[Entry, ...], Mapping[str, int]]:
    pictures: list[Entry] = []
    passed_over: Counter[str] = Counter()
    for number, info in enumerate(infos):
        name = _name_of(info)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if name.endswith("/") or kind == stat.S_IFDIR:
            continue
        if kind not in (0, stat.S_IFREG):
            passed_over["links and special files"] += 1
        elif _is_hidden(name):
            passed_over["hidden files"] += 1
        elif not may_be_picture(name):
            passed_over["files not named like a picture"] += 1
        else:
            pictures.append(Entry(number=number, name=clean(name, _MAX_NAME), folder=_folder_of(name)))
    return tuple(pictures), passed_over


def _name_of(info: zipfile.ZipInfo) -> str:
    """The entry's name with slashes. Many programs write UTF-8 without saying so, which zipfile then misreads."""
    name = info.filename
    if not info.flag_bits & _UTF_8:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")


def _folder_of(name: str) -> str:
    parts = _parts(name)
    return clean(parts[0], _MAX_NAME) if len(parts) > 1 else ""


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in _parts(name))


def _parts(name: str) -> list[str]:
    """The folders and the file of a name, without those that would lead somewhere else."""
    return [part for part in name.split("/") if part not in ("", ".", "..")]


@contextmanager
def _told(words: Callable[[str], ArchiveError]) -> Iterator[None]:
    """Turns what zipfile raises into `words` of it; what the file itself raises passes through."""
    try:
        yield
    except ArchiveError:
        raise
    except (*_BROKEN, OSError) as error:
        # It looks for places before a file's beginning, too, which the system refuses.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise words(clean(str(error), 200).rstrip(".") or type(error).__name__) from None


def _no_zip(why: str) -> ArchiveError:
    return ArchiveError(
        f"The file cannot be read as a ZIP file ({why}): it is none, or it was cut off on its way. Pack the pictures "
        "again, and see that your own machine can open the file."
    )


def _unreadable(why: str) -> ArchiveError:
    return ArchiveError(f"The file cannot be read: {why}.")


def _too_many() -> ArchiveError:
    return ArchiveError(f"The ZIP file has more than {MAX_ENTRIES:,} files. Split it into several.")
