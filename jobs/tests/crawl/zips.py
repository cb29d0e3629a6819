"""ZIP files as people and programs make them, sound and hostile."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping


def packed(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], *, method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP file of these names and bytes; pairs may name one twice."""
    pairs = files.items() if isinstance(files, Mapping) else files
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in pairs:
            # Python warns of names that come twice, and writes them all the same.
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.NameToInfo.pop(name, None)
            archive.writestr(info, content)
    return body.getvalue()


def with_special(body: bytes, name: str, kind: int, target: bytes = b"/etc/passwd") -> bytes:
    """The same with a link (stat.S_IFLNK) or another special entry added."""
    file = io.BytesIO(body)
    with zipfile.ZipFile(file, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, target)
    return file.getvalue()


def encrypted(body: bytes) -> bytes:
    """The same with the mark of a password on every entry."""
    return _in_list(body, 8, lambda flags: flags | 1)


def without_utf_8_mark(body: bytes) -> bytes:
    """The same with names in UTF-8 that does not say so, as many programs write it."""
    start = body.index(b"PK\x01\x02")
    entries = _changed(body[:start], b"PK\x03\x04", 6, lambda flags: flags & ~0x800)
    return entries + _changed(body[start:], b"PK\x01\x02", 8, lambda flags: flags & ~0x800)


def by_method(body: bytes, method: int) -> bytes:
    """The same, saying that it is packed by another method."""
    return _in_list(body, 10, lambda _: method)


def overlapping(body: bytes, times: int) -> bytes:
    """A ZIP file of one entry whose list names these bytes so many times: small, and long to unpack."""
    start, end = body.index(b"PK\x01\x02"), body.index(b"PK\x05\x06")
    listed = body[start:end] * times
    ending = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, times, times, len(listed), start, 0)
    return body[:start] + listed + ending


def _in_list(body: bytes, offset: int, change: Callable[[int], int]) -> bytes:
    return _changed(body, b"PK\x01\x02", offset, change)


def _changed(body: bytes, signature: bytes, offset: int, change: Callable[[int], int]) -> bytes:
    """The same with two bytes changed, so far behind every signature."""
    changed = bytearray(body)
    place = body.find(signature)
    while place >= 0:
        (value,) = struct.unpack_from("<H", body, place + offset)
        struct.pack_into("<H", changed, place + offset, change(value))
        place = body.find(signature, place + 1)
    return bytes(changed)
