"""How much a picture's file carries besides the picture: EXIF, XMP, colour profiles, comments and other text.

Counted on the bytes, before a decoder reads them. What is packed counts as large as it is when it is unpacked.
"""

import zlib
from collections.abc import Iterator

from PIL import Image

from datasets.imaging import jpeg
from datasets.imaging.structure import gif_extensions, png_chunks, tiff_values, webp_chunks

_JPEG_METADATA = frozenset(range(0xE0, 0xF0)) | {0xFE}
_WEBP_METADATA = (b"EXIF", b"XMP ", b"ICCP")
_PNG_PLAIN = (b"tEXt", b"eXIf")
_PNG_PACKED = (b"zTXt", b"iCCP")


def metadata_bytes(body: bytes, format: str, *, at_most: int) -> int:
    """The bytes of all metadata together. Stops counting beyond `at_most`.

    0 for formats whose metadata only a decoder finds; see `decoded_metadata_bytes`.
    """
    total = 0
    for size in _sizes(body, format, at_most):
        total += size
        if total > at_most:
            break
    return total


def decoded_metadata_bytes(picture: Image.Image) -> int:
    """The bytes of the metadata that Pillow found when it opened the picture."""
    return sum(len(value) for value in picture.info.values() if isinstance(value, str | bytes))


def _sizes(body: bytes, format: str, at_most: int) -> Iterator[int]:
    match format:
        case "JPEG":
            return (len(data) for kind, data in jpeg.segments(body) if kind in _JPEG_METADATA)
        case "PNG":
            return (_png_size(kind, data, at_most) for kind, data in png_chunks(body))
        case "WEBP":
            return (size for kind, size in webp_chunks(body) if kind in _WEBP_METADATA)
        case "GIF":
            return gif_extensions(body)
        case "TIFF":
            return tiff_values(body)
        case _:
            return iter(())


def _png_size(kind: bytes, data: memoryview, at_most: int) -> int:
    if kind in _PNG_PLAIN:
        return len(data)
    if kind in _PNG_PACKED:
        # A keyword that ends with a zero byte, one byte for the method, and the packed text.
        return _unpacked_bytes(bytes(data).partition(b"\0")[2][1:], at_most)
    if kind == b"iTXt":
        # Here the method follows a byte that says whether the text is packed, and two names of the language follow it.
        rest = bytes(data).partition(b"\0")[2]
        return _unpacked_bytes(rest[2:].split(b"\0", 2)[-1], at_most) if rest[:1] == b"\1" else len(rest)
    return 0


def _unpacked_bytes(packed: bytes, at_most: int) -> int:
    try:
        return len(zlib.decompressobj().decompress(packed, at_most + 1))
    except zlib.error:
        # Not even a decoder can unpack it.
        return len(packed)
