"""Pictures that look alike: the rule, and the index that finds them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

#: Two pictures are alike when their pHashes are near enough and both hashes together differ in at most so many bits:
#: pHash alone makes false pairs as the number of pictures grows.
COMBINED_MAX_BITS = 28

_FIRST_CAPACITY = 1024


class NearIndex:
    """The hashes of one dataset, for finding the picture that a new one looks like. Plain NumPy: 24 bytes per picture."""

    def __init__(self) -> None:
        self._size = 0
        self._ids = np.empty(_FIRST_CAPACITY, dtype=np.int64)
        self._phashes = np.empty(_FIRST_CAPACITY, dtype=np.uint64)
        self._dhashes = np.empty(_FIRST_CAPACITY, dtype=np.uint64)

    def __len__(self) -> int:
        return self._size

    def extend(self, ids: Sequence[int], phashes: Sequence[int], dhashes: Sequence[int]) -> None:
        """Adds pictures by their signed 64-bit hashes."""
        end = self._size + len(ids)
        if end > len(self._ids):
            capacity = max(end, 2 * len(self._ids))
            self._ids, self._phashes, self._dhashes = (
                np.resize(array, capacity) for array in (self._ids, self._phashes, self._dhashes)
            )
        self._ids[self._size : end] = ids
        self._phashes[self._size : end] = np.asarray(phashes, dtype=np.int64).view(np.uint64)
        self._dhashes[self._size : end] = np.asarray(dhashes, dtype=np.int64).view(np.uint64)
        self._size = end

    def nearest(self, phash: int, dhash: int, *, max_bits: int) -> tuple[int, int] | None:
        """The id of the picture most like the given hashes and its pHash distance in bits, or None if none is alike."""
        distances = _distances(self._phashes[: self._size], phash)
        close = np.flatnonzero(distances <= max_bits)
        if not close.size:
            return None
        sums = distances[close].astype(np.int16) + _distances(self._dhashes[: self._size][close], dhash)
        best = np.lexsort((self._ids[close], sums))[0]
        if sums[best] > COMBINED_MAX_BITS:
            return None
        return int(self._ids[close[best]]), int(distances[close[best]])


def _distances(hashes: npt.NDArray[np.uint64], value: int) -> npt.NDArray[np.uint8]:
    return np.bitwise_count(hashes ^ np.uint64(value % (1 << 64)))
