"""Perceptual hashes: 64 bits as a signed integer, which is what a database's BIGINT holds.

The first bit of imagehash's 8 × 8 array, row by row, is the highest one, as in imagehash's own hexadecimal form.
"""

from dataclasses import dataclass
from typing import Final

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets.imaging import lanczos

#: The other seven ways in which a picture can lie, in the order of `SmallGreys.turned_hashes`.
TURNS: Final = (
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_180,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
)
_SIDEWAYS = frozenset(
    {
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.TRANSVERSE,
    }
)

#: What imagehash makes of a picture before it hashes it; of what has that size already it makes no more.
_PHASH_SIZE_PX = (32, 32)
_DHASH_SIZE_PX = (9, 8)

_ALL_BITS = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class SmallGreys:
    """What the hashes see of a picture: its grey at 32 × 32 pixels (pHash) and at 9 × 8 (dHash)."""

    square: Image.Image
    wide: Image.Image

    def hashes(self) -> tuple[int, int]:
        """imagehash.phash and imagehash.dhash of the picture, bit for bit."""
        return to_signed(imagehash.phash(self.square).hash), to_signed(imagehash.dhash(self.wide).hash)

    def turned_hashes(self) -> tuple[tuple[int, int], ...]:
        """pHash and dHash of the picture mirrored and turned, one pair for each of TURNS.

        Made of the small greys alone, so that they may differ in a few bits from those of the turned picture itself:
        on 250 photographs pHash in 2 at most and 0.06 on average, dHash in 4 and 0.25.
        """
        # A dHash sideways needs 8 columns of 9 pixels.
        tall = self.square.resize(_DHASH_SIZE_PX[::-1], Image.Resampling.LANCZOS)
        return tuple(
            SmallGreys(self.square.transpose(turn), (tall if turn in _SIDEWAYS else self.wide).transpose(turn)).hashes()
            for turn in TURNS
        )


def small_greys(upright: Image.Image) -> SmallGreys:
    """Raises ValueError for a colour mode that has no conversion to grey."""
    # Both hashes begin with this conversion, the costly part on a large picture.
    grey = upright.convert("L")
    return SmallGreys(*lanczos.reduced(grey, (_PHASH_SIZE_PX, _DHASH_SIZE_PX)))


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
