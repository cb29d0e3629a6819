"""Which pictures look alike: the rule, and a lookup that is quick enough to be asked for every picture of a crawl."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

#: pHash alone, within 10 bits, makes its first false pair among a thousand different photographs; dHash confirms it.
COMBINED_MAX_BITS = 28

_FIRST_CAPACITY = 1024
_Scalar = TypeVar("_Scalar", bound=np.generic)


class NearIndex:
    """The hashes of one dataset's images, 24 bytes each, compared one with all: a millisecond for 100,000."""

    def __init__(self) -> None:
        self._count = 0
        self._ids = np.empty(_FIRST_CAPACITY, np.int64)
        self._phashes = np.empty(_FIRST_CAPACITY, np.uint64)
        self._dhashes = np.empty(_FIRST_CAPACITY, np.uint64)

    def __len__(self) -> int:
        return self._count

    def extend(self, ids: Sequence[int], phashes: Sequence[int], dhashes: Sequence[int]) -> None:
        """Adds images; hashes are signed 64-bit integers (datasets.imaging.hashing).

        Raises ValueError when the three differ in length; nothing is added then.
        """
        if not len(ids) == len(phashes) == len(dhashes):
            raise ValueError(f"{len(ids)} ids, {len(phashes)} pHashes and {len(dhashes)} dHashes do not match.")
        start, end = self._count, self._count + len(ids)
        self._reserve(end)
        self._ids[start:end] = np.asarray(ids, np.int64)
        self._phashes[start:end] = _bits(phashes)
        self._dhashes[start:end] = _bits(dhashes)
        self._count = end

    def nearest(self, phash: int, dhash: int, *, max_bits: int) -> tuple[int, int] | None:
        """The image most alike, and its pHash distance in bits; None when none is alike.

        Alike are two pictures with a pHash distance of at most `max_bits`, and of at most COMBINED_MAX_BITS together
        with their dHash distance. The smallest sum wins, then the smallest id.
        """
        p_bits = np.bitwise_count(self._phashes[: self._count] ^ _bits([phash]))
        close = np.flatnonzero(p_bits <= max_bits)
        sums = p_bits[close] + np.bitwise_count(self._dhashes[close] ^ _bits([dhash]))
        confirmed = sums <= COMBINED_MAX_BITS
        close, sums = close[confirmed], sums[confirmed]
        if not close.size:
            return None
        best = close[np.lexsort((self._ids[close], sums))[0]]
        return int(self._ids[best]), int(p_bits[best])

    def _reserve(self, count: int) -> None:
        capacity = len(self._ids)
        if count <= capacity:
            return
        capacity = max(count, 2 * capacity)
        self._ids = _grown(self._ids, self._count, capacity)
        self._phashes = _grown(self._phashes, self._count, capacity)
        self._dhashes = _grown(self._dhashes, self._count, capacity)


def _bits(hashes: Sequence[int]) -> NDArray[np.uint64]:
    # bitwise_count takes the absolute value of signed integers, so the bits are counted unsigned.
    return np.asarray(hashes, np.int64).view(np.uint64)


def _grown(array: NDArray[_Scalar], count: int, capacity: int) -> NDArray[_Scalar]:
    grown = np.empty(capacity, array.dtype)
    grown[:count] = array[:count]
    return grown
