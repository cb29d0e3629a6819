"""How a picture's file is built, as far as it tells whether bytes are missing or changed. Nothing here decodes pixels.

Decoders report a cut file and a damaged one in the same words, take a file whose last bytes are missing, and pass over
the checksums of a PNG's pixels.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

#: TIFF pages that are looked at; more are refused elsewhere.
_MAX_TIFF_PAGES = 1000
#: Bytes of one value of each TIFF field type.
_TIFF_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TIFF_NUMBER = {3: "H", 4: "I"}
#: Tags of a TIFF page: where its strips or tiles begin, and how many bytes each has.
_TIFF_DATA_TAGS = ((273, 279), (324, 325))
#: These, and the tags with the palette and the tables of packed JPEG pixels.
_TIFF_PIXEL_TAGS = frozenset({273, 279, 324, 325, 320, 347})
#: The tag that says where a directory of EXIF values is.
_TIFF_EXIF = 34665

_GIF_EXTENSION, _GIF_FRAME, _GIF_END = 0x21, 0x2C, 0x3B
#: The extension that every frame of an animation has, which carries nothing but its timing.
_GIF_GRAPHIC_CONTROL = b"\xf9"


def lacks_end_mark(body: bytes, format: str) -> bool:
    """Whether the mark that ends every PNG and GIF is missing. False for other formats, whose decoders insist on it."""
    match format:
        case "PNG":
            end = body.rfind(b"IEND")
            return end < 8 or end + 8 > len(body)
        case "GIF":
            return not gif_frames(body)[1]
        case _:
            return False


def ends_early(body: bytes, format: str) -> bool:
    """Whether a file that could not be decoded lacks its end. False as well where the format cannot tell."""
    match format:
        case "JPEG":
            # An EXIF thumbnail has an end mark of its own, before the scan; within a scan 0xFF is always escaped.
            return body.rfind(b"\xff\xd9") <= body.rfind(b"\xff\xda")
        case "WEBP":
            return len(body) < 12 or 8 + int.from_bytes(body[4:8], "little") > len(body)
        case "AVIF":
            return _boxes_end_early(body)
        case "TIFF":
            return _tiff_ends_early(body)
        case _:
            return lacks_end_mark(body, format)


def has_wrong_checksum(body: bytes, format: str) -> bool:
    """Whether a critical chunk of a PNG, or one with pixels, is not what was written. False for other formats."""
    if format != "PNG":
        return False
    view = memoryview(body)
    return any(
        view[end : end + 4] != zlib.crc32(view[start - 4 : end]).to_bytes(4, "big")
        for kind, start, end in _png_chunks(body)
        if kind[:1].isupper() or kind == b"fdAT"
    )


def png_chunks(body: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The kind and data of each whole chunk of a PNG, up to its end mark."""
    view = memoryview(body)
    return ((kind, view[start:end]) for kind, start, end in _png_chunks(body))


def webp_chunks(body: bytes) -> Iterator[tuple[bytes, int]]:
    """The kind and size in bytes of each chunk of a WebP."""
    position = 12
    while position + 8 <= len(body):
        size = int.from_bytes(body[position + 4 : position + 8], "little")
        yield body[position : position + 4], size
        position += 8 + size + size % 2


def gif_frames(body: bytes, *, at_most: int | None = None) -> tuple[int, bool]:
    """The number of frames of a GIF, and whether its end mark is there. Stops counting beyond `at_most`."""
    frames = 0
    for kind, _, _ in _gif_blocks(body):
        if kind == _GIF_END:
            return frames, True
        frames += kind == _GIF_FRAME
        if at_most is not None and frames > at_most:
            break
    return frames, False


def gif_extensions(body: bytes) -> Iterator[int]:
    """The size in bytes of each comment, text and application extension of a GIF."""
    return (
        end - start
        for kind, start, end in _gif_blocks(body)
        if kind == _GIF_EXTENSION and body[start : start + 1] != _GIF_GRAPHIC_CONTROL
    )


def tiff_values(body: bytes) -> Iterator[int]:
    """The size in bytes of each value of a TIFF's directories that is neither pixels nor how to read them."""
    order = "<" if body.startswith(b"II") else ">"
    if body[2:4] not in (b"*\0", b"\0*"):
        return
    with suppress(struct.error):
        for page in _tiff_pages(body, order):
            for tag, _, at, size in _tiff_entries(body, order, page):
                if tag == _TIFF_EXIF:
                    (exif,) = struct.unpack_from(order + "I", body, at)
                    yield from (size for _, _, _, size in _tiff_entries(body, order, exif) if size <= len(body))
                elif tag not in _TIFF_PIXEL_TAGS and at + size <= len(body):
                    yield size


def _png_chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each whole chunk, and where its data starts and ends."""
    position = 8
    while position + 12 <= len(body):
        size, kind = struct.unpack_from(">I4s", body, position)
        end = position + 8 + size
        if end + 4 > len(body):
            return
        yield kind, position + 8, end
        if kind == b"IEND":
            return
        position = end + 4


def _gif_blocks(body: bytes) -> Iterator[tuple[int, int, int]]:
    """The kind of each part of a GIF, and where it starts (behind the byte of its kind) and ends."""
    position = 13 + _colour_table_bytes(body[10:11])
    while position < len(body):
        kind, start = body[position], position + 1
        position = start
        if kind == _GIF_EXTENSION:
            position = _after_blocks(body, start + 1)
        elif kind == _GIF_FRAME:
            position = _after_blocks(body, start + 9 + _colour_table_bytes(body[start + 8 : start + 9]) + 1)
        yield kind, start, position
        if kind == _GIF_END:
            return


def _colour_table_bytes(flags: bytes) -> int:
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _after_blocks(body: bytes, position: int) -> int:
    """The position after a chain of GIF blocks: each one byte of length and its bytes, closed by an empty one."""
    while position < len(body) and (size := body[position]):
        position += 1 + size
    return position + 1


def _boxes_end_early(body: bytes) -> bool:
    position = 0
    while position + 8 <= len(body):
        size, header = int.from_bytes(body[position : position + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(body[position + 8 : position + 16], "big"), 16
        # 0 means "to the end of the file"; less than the header is damage of another kind.
        if size < header:
            return False
        position += size
    return position != len(body)


def _tiff_ends_early(body: bytes) -> bool:
    if len(body) < 8:
        return True
    order = "<" if body.startswith(b"II") else ">"
    if body[2:4] not in (b"*\0", b"\0*"):
        return False
    try:
        return any(end > len(body) for page in _tiff_pages(body, order) for end in _tiff_ends(body, order, page))
    except struct.error:
        return True


def _tiff_pages(body: bytes, order: str) -> Iterator[int]:
    """The offset of each page's directory. Raises struct.error when one lies beyond the end."""
    (offset,) = struct.unpack_from(order + "I", body, 4)
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < _MAX_TIFF_PAGES:
        seen.add(offset)
        yield offset
        (entries,) = struct.unpack_from(order + "H", body, offset)
        (offset,) = struct.unpack_from(order + "I", body, offset + 2 + 12 * entries)


def _tiff_ends(body: bytes, order: str, page: int) -> Iterator[int]:
    """The end of each value, strip and tile of a page. Raises struct.error when a directory lies beyond the end."""
    numbers: dict[int, tuple[int, ...]] = {}
    for tag, kind, at, size in _tiff_entries(body, order, page):
        yield at + size
        if any(tag in pair for pair in _TIFF_DATA_TAGS) and kind in _TIFF_NUMBER and at + size <= len(body):
            count = size // _TIFF_VALUE_BYTES[kind]
            numbers[tag] = struct.unpack_from(f"{order}{count}{_TIFF_NUMBER[kind]}", body, at)
    for offsets, sizes in _TIFF_DATA_TAGS:
        for offset, size in zip(numbers.get(offsets, ()), numbers.get(sizes, ()), strict=False):
            yield offset + size


def _tiff_entries(body: bytes, order: str, page: int) -> Iterator[tuple[int, int, int, int]]:
    """Tag, type, offset and size in bytes of each value of a page. Raises struct.error beyond the end."""
    (entries,) = struct.unpack_from(order + "H", body, page)
    for start in range(page + 2, page + 2 + 12 * entries, 12):
        tag, kind, count, at = struct.unpack_from(order + "HHII", body, start)
        size = count * _TIFF_VALUE_BYTES.get(kind, 0)
        yield tag, kind, start + 8 if size <= 4 else at, size
