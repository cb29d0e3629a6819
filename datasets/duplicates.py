"""Which pictures look alike: the rule, and a lookup that is quick enough to be asked for every picture of a crawl."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

#: pHash alone, within 10 bits, makes its first false pair among a thousand different photographs; dHash confirms it.
COMBINED_MAX_BITS = 28

_FIRST_CAPACITY = 1024
_Scalar = TypeVar("_Scalar", bound=np.generic)

#: A pHash in four bands of 16 bits. Of two hashes within 10 bits, one of the first three bands differs in at most two
#: bits, or else the last one in at most one (Norouzi's theorem): that is where to look, in 428 buckets of 262,144.
_BANDS = 4
_BAND_BITS = 16
_ONES = [1 << bit for bit in range(_BAND_BITS)]

#: What a bucket's number is changed by to reach those that differ in at most 0, 1 and 2 bits.
_NEIGHBOURS = [
    np.array([0], np.int64),
    np.array([0, *_ONES], np.int64),
    np.array(sorted({0} | {one | other for one in _ONES for other in _ONES}), np.int64),
]
_MOST_BANDED_BITS = _BANDS * len(_NEIGHBOURS) - 1

#: What was added since hashes were sorted into buckets is compared one by one: up to so many, and a part of all.
_MOST_UNSORTED = 16_384
_UNSORTED_PART = 32

#: Where buckets hold more than this part of all, as of pictures that are nearly black, it is quicker to look at all.
_CROWDED_PART = 16


class _Buckets:
    """Places of hashes, for each band in the order of what the hashes have in it: 16 bytes each, and a megabyte."""

    def __init__(self, phashes: NDArray[np.uint64]) -> None:
        self._count = len(phashes)
        self._orders, self._starts = [], []
        for band in range(_BANDS):
            keys = (phashes >> np.uint64(_BAND_BITS * band)).astype(np.uint16)
            self._orders.append(np.argsort(keys, kind="stable").astype(np.int32))
            counts = np.bincount(keys, minlength=1 << _BAND_BITS)
            self._starts.append(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))

    def __len__(self) -> int:
        return self._count

    def near(self, phash: int, *, max_bits: int, at_most: int) -> NDArray[np.int64] | None:
        """Places of hashes in whose buckets those within `max_bits` of an unsigned one lie; None of more."""
        most, rest = divmod(max_bits, _BANDS)
        found = []
        for band, (order, starts) in enumerate(zip(self._orders, self._starts, strict=True)):
            in_band = most if band <= rest else most - 1
            if in_band < 0:
                continue
            buckets = _NEIGHBOURS[in_band] ^ (phash >> (_BAND_BITS * band) & 0xFFFF)
            first = starts.take(buckets)
            counts = starts.take(buckets + 1) - first
            ends = np.cumsum(counts)
            total = int(ends[-1])
            if total > at_most:
                return None
            places = np.arange(total) + np.repeat(first - (ends - counts), counts)
            found.append(order.take(places))
        return np.concatenate(found).astype(np.int64)


class NearIndex:
    """The hashes of one dataset's images, 40 bytes each: the nearest among a million is found in a quarter of a
    millisecond where at most 11 bits may differ.
    """

    def __init__(self) -> None:
        self._count = 0
        self._buckets = _Buckets(np.empty(0, np.uint64))
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
        close, p_bits = self._close(phash, max_bits)
        sums = p_bits + np.bitwise_count(self._dhashes[close] ^ _bits([dhash]))
        confirmed = sums <= COMBINED_MAX_BITS
        close, sums, p_bits = close[confirmed], sums[confirmed], p_bits[confirmed]
        if not close.size:
            return None
        best = np.lexsort((self._ids[close], sums))[0]
        return int(self._ids[close[best]]), int(p_bits[best])

    def _close(self, phash: int, max_bits: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Places of pictures within so many bits, some of them twice, and the distance of each."""
        bits = _bits([phash])
        places = self._sorted_near(int(bits[0]), max_bits)
        first_unsorted = 0 if places is None else len(self._buckets)
        # As they lie, without a list of their places: there may be tens of thousands of them.
        p_bits = np.bitwise_count(self._phashes[first_unsorted : self._count] ^ bits)
        close = np.flatnonzero(p_bits <= max_bits)
        p_bits, close = p_bits[close], close + first_unsorted
        if places is None:
            return close, p_bits
        sorted_bits = np.bitwise_count(self._phashes.take(places) ^ bits)
        is_close = sorted_bits <= max_bits
        return np.concatenate([places[is_close], close]), np.concatenate([sorted_bits[is_close], p_bits])

    def _sorted_near(self, phash: int, max_bits: int) -> NDArray[np.int64] | None:
        """Where all pictures in buckets are that may be so near; None where all pictures have to be looked at."""
        if max_bits > _MOST_BANDED_BITS or self._count <= _MOST_UNSORTED:
            return None
        if self._count - len(self._buckets) > _MOST_UNSORTED + self._count // _UNSORTED_PART:
            self._buckets = _Buckets(self._phashes[: self._count])
        return self._buckets.near(phash, max_bits=max_bits, at_most=self._count // _CROWDED_PART)

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
