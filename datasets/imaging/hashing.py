"""Perceptual hashes: 64 bits as a signed integer, which is what a database's BIGINT holds.

The first bit of imagehash's 8 × 8 array, row by row, is the highest one, as in imagehash's own hexadecimal form.
"""

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_ALL_BITS = (1 << 64) - 1


def perceptual_hashes(upright: Image.Image) -> tuple[int, int]:
    """imagehash.phash and imagehash.dhash of a picture, bit for bit.

    Raises ValueError for a colour mode that has no conversion to grey.
    """
    # Both begin with this conversion, the costly part on a large picture.
    grey = upright.convert("L")
    return to_signed(imagehash.phash(grey).hash), to_signed(imagehash.dhash(grey).hash)


def to_signed(bits: NDArray[np.bool_]) -> int:
    """An 8 × 8 array of bits as a signed 64-bit integer."""
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True)


def to_hex(value: int) -> str:
    """A signed 64-bit hash as 16 hexadecimal digits, which imagehash.hex_to_hash reads."""
    return f"{value & _ALL_BITS:016x}"


def from_hex(digits: str) -> int:
    """The signed 64-bit hash of 16 hexadecimal digits. Raises ValueError for anything else."""
    if len(digits) != 16:
        raise ValueError(f"{digits!r} has not 16 digits.")
    return int.from_bytes(bytes.fromhex(digits), "big", signed=True)


def distance_bits(a: int, b: int) -> int:
    """How many of the 64 bits of two signed hashes differ."""
    return ((a ^ b) & _ALL_BITS).bit_count()
