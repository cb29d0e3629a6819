"""Perceptual hashes: 64 bits, held as the signed integer that a database's bigint takes."""

import imagehash
import numpy as np
from PIL import Image

_BITS = 64


def phash(picture: Image.Image) -> int:
    """imagehash.phash of the full picture, bit for bit."""
    return _packed(imagehash.phash(picture))


def dhash(picture: Image.Image) -> int:
    """imagehash.dhash of the full picture, bit for bit."""
    return _packed(imagehash.dhash(picture))


def to_hex(value: int) -> str:
    """The hash as imagehash writes it: 16 hexadecimal digits."""
    return f"{value % (1 << _BITS):016x}"


def from_hex(text: str) -> int:
    """The signed integer of a hash as imagehash writes it."""
    value = int(text, 16)
    return value - (1 << _BITS) if value >= 1 << (_BITS - 1) else value


def distance_bits(first: int, second: int) -> int:
    """In how many of the 64 bits two hashes differ."""
    return ((first ^ second) % (1 << _BITS)).bit_count()


def _packed(value: imagehash.ImageHash) -> int:
    return int(np.packbits(value.hash.ravel()).view(">i8")[0])
