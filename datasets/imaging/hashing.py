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

#: What pHash takes of the DCT of 32 values, scaled as SciPy does it. The angles are made less than a whole turn as
#: whole numbers, so that no cosine is off by more than its last bits.
_COSINES = 2 * np.cos(np.pi / 64 * (np.outer(np.arange(8), 2 * np.arange(32) + 1) % 128))
#: A coefficient sums up 1,024 greys with weights of at most 4: less than 2**20 in all. On its way no grey goes through
#: as much as a hundred roundings of 2**-53, neither here nor in SciPy, so that both are right to 1.2e-8. This is far
#: above, and far below the 0.4 that lay between the two coefficients in the middle of any of 250 photographs.
_SURELY_APART = 1e-5

_ALL_BITS = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class SmallGreys:
    """What the hashes see of a picture: its grey at 32 × 32 pixels (pHash) and at 9 × 8 (dHash)."""

    square: Image.Image
    wide: Image.Image

    def hashes(self) -> tuple[int, int]:
        """imagehash.phash and imagehash.dhash of the picture, bit for bit."""
        return to_signed(_phash(self.square)), to_signed(imagehash.dhash(self.wide).hash)

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


def _phash(square: Image.Image) -> NDArray[np.bool_]:
    """Which of the 64 lowest coefficients of the DCT are above their median, as imagehash.phash has them.

    imagehash computes with SciPy, which it loads at its first hash: 24 MiB of a process. We do so only where roundings
    decide: the two coefficients in the middle are as good as equal in pictures that are plain or symmetric.
    """
    coefficients = _COSINES @ np.asarray(square, np.float64) @ _COSINES.T
    below, above = np.partition(coefficients.ravel(), (31, 32))[31:33]
    is_sure = above - below > _SURELY_APART
    bits: NDArray[np.bool_] = coefficients > below if is_sure else imagehash.phash(square).hash
    return bits


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
