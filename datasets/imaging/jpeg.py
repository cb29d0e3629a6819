"""JPEGs decoded strictly: libjpeg-turbo passes over damage with a warning, and here a warning is an error.

Pillow swallows these warnings; it decodes what libjpeg-turbo's own interface cannot convert.
"""

import re
from collections.abc import Iterator

import numpy as np
import simplejpeg
from PIL import Image

#: Scans of one picture; ordinary progressive files have about ten, and each costs a pass over all pixels.
MAX_SCANS = 500

#: Rows that are grey at the bottom before a picture counts as cut: less than the height of a decoder's block is none.
_MIN_GREY_ROWS = 16
#: What a decoder leaves where data is missing, give or take another compression.
_GREY = (127, 129)

#: simplejpeg's name of the pixels of each of Pillow's modes.
_COLOURSPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
#: What libjpeg-turbo says of odd headers whose pixels may be whole, and of samplings that only Pillow's way decodes.
_NO_DAMAGE = ("Warning: ", "Unknown Adobe", "Corrupt JPEG data: bad ICC", "tjDecompressHeader")

_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_COEFFICIENTS = 64
#: A marker is 0xFF and its kind; within a scan 0xFF is followed by 0 or by a restart mark.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")


def decode(body: bytes, *, mode: str, size_px: tuple[int, int]) -> Image.Image | None:
    """The pixels, equal to those that Pillow decodes; None where Pillow has to do it: CMYK, and odd headers.

    `mode` and `size_px` are what Pillow read in the header. Raises ValueError for damage, also of a CMYK picture.
    """
    try:
        pixels = simplejpeg.decode_jpeg(body, _COLOURSPACES[mode])
    except ValueError as error:
        if str(error).startswith(_NO_DAMAGE):
            return None
        raise
    if pixels.shape[1::-1] != size_px:
        raise ValueError("two headers disagree about the size")
    # Which way round a CMYK picture's inks are is a matter of conventions that Pillow knows.
    return None if mode == "CMYK" else Image.frombuffer(mode, size_px, pixels, "raw", mode, 0, 1)


def scans(body: bytes) -> tuple[int, bool]:
    """How many scans there are, and whether together they carry every bit of every component.

    A progressive picture that was cut between two scans decodes without a warning, blurred or without its colours.
    Stops counting beyond MAX_SCANS.
    """
    count, is_progressive = 0, False
    missing_bits: dict[int, bytearray] = {}
    for kind, data in segments(body):
        if kind in _FRAME_HEADERS:
            is_progressive = kind in _PROGRESSIVE
            missing_bits = {component: bytearray(b"\xff" * _COEFFICIENTS) for component in data[6::3]}
        elif kind == _START_OF_SCAN and data:
            count += 1
            if count > MAX_SCANS:
                break
            end = 1 + 2 * data[0]
            first, last, low_bit = _scope(data[end : end + 3]) if is_progressive else (0, _COEFFICIENTS - 1, 0)
            for component in data[1:end:2]:
                if component in missing_bits and first <= last:
                    missing_bits[component][first : last + 1] = bytes([low_bit]) * (last + 1 - first)
    return count, not any(any(bits) for bits in missing_bits.values())


def segments(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The kind and content of each marker segment of the first picture in a JPEG file."""
    position = 2
    while found := _MARKER.search(body, position):
        kind, position = found[1][0], found.end()
        if kind == _END_OF_IMAGE:
            return
        if kind not in (_START_OF_IMAGE, _TEM):
            size = int.from_bytes(body[position : position + 2], "big")
            yield kind, body[position + 2 : position + size]
            position += max(2, size)


def is_grey_from_some_row_down(picture: Image.Image) -> bool:
    """Whether rows at the bottom are the grey of missing data, and the top row is not."""
    if picture.mode not in ("L", "RGB") or picture.height <= _MIN_GREY_ROWS:
        return False
    if not _is_grey(picture, picture.height - _MIN_GREY_ROWS, picture.height):
        return False
    return not _is_grey(picture, 0, 1)


def _is_grey(picture: Image.Image, top: int, bottom: int) -> bool:
    rows = np.asarray(picture.crop((0, top, picture.width, bottom)))
    return bool(rows.min() >= _GREY[0] and rows.max() <= _GREY[1])


def _scope(data: bytes) -> tuple[int, int, int]:
    """First and last coefficient of a progressive scan, and the lowest bit that it carries; none if it is cut."""
    if len(data) < 3:
        return 1, 0, 0
    return data[0], min(data[1], _COEFFICIENTS - 1), data[2] & 0x0F
