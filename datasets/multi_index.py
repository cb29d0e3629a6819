"""Every pair of pictures that look alike, found exactly and without comparing all with all.

Multi-index hashing (Norouzi, Punjani, Fleet: "Fast Exact Search in Hamming Space with Multi-Index Hashing", 2014): a
pHash is cut into bands. Two hashes within `max_bits` of each other are within a few bits in at least one of the bands,
so only pictures in neighbouring buckets of a band are compared. Buckets lie in rows of one width, so that thousands of
pairs of rows are compared by a handful of NumPy calls: a comparison costs one nanosecond instead of six.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datasets.duplicates import COMBINED_MAX_BITS

_HASH_BITS = 64

#: Tables of wider bands would have more buckets than a million pictures fill.
_MAX_BAND_BITS = 20

#: A bucket's hashes lie in rows of so many: short ones are seldom half empty, long ones are gathered less often.
_ROW_HASHES = 8

#: Pairs of hashes compared at once: a megabyte, which a processor's own cache holds.
_BLOCK_PAIRS = 131_072

#: Pairs of rows listed at once, and compared in blocks.
_LISTED_ROW_PAIRS = 65_536

#: Pairs found are handed over in batches of about so many; one block's more at most.
_BATCH_PAIRS = 262_144

#: Costs in comparisons of two hashes, as measured: one hash put into a band's table; one bucket looked up; one
#: comparison in rows that are not full.
_TABLE_COST = 100.0
_BUCKET_COST = 25.0
_ROW_COST = 2.5

#: One pair picked out of a block costs as much as so many comparisons in it.
_PICK_COST = 50


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs that look alike: positions in the arrays that were asked for, and the distances of their hashes in bits."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    phash_bits: NDArray[np.uint8]
    dhash_bits: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.left)

    @classmethod
    def joined(cls, parts: Sequence["Pairs"]) -> Self:
        """One behind the other; none at all are no pairs."""
        return cls(
            left=np.concatenate([np.empty(0, np.int64), *(pairs.left for pairs in parts)]),
            right=np.concatenate([np.empty(0, np.int64), *(pairs.right for pairs in parts)]),
            phash_bits=np.concatenate([np.empty(0, np.uint8), *(pairs.phash_bits for pairs in parts)]),
            dhash_bits=np.concatenate([np.empty(0, np.uint8), *(pairs.dhash_bits for pairs in parts)]),
        )

    def taken(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> "Pairs":
        return Pairs(
            left=self.left[places],
            right=self.right[places],
            phash_bits=self.phash_bits[places],
            dhash_bits=self.dhash_bits[places],
        )


def pairs_within(phashes: ArrayLike, dhashes: ArrayLike, *, max_bits: int) -> Iterator[Pairs]:
    """All pairs that look alike (datasets.duplicates), left < right, each once, in batches.

    Hashes are signed 64-bit integers, as stored. Pictures with equal pHash and equal dHash are a class: each is paired
    with the first of its class, and only the first is paired with others, so that 100,000 equal pictures make 99,999
    pairs. Memory: about 150 bytes per picture and 100 MB, whatever is found. Raises ValueError when the arrays differ
    in length.
    """
    everything = _Hashes.of(phashes, dhashes)
    firsts = first_of_equals(everything.phashes, everything.dhashes)
    others = np.flatnonzero(firsts != np.arange(len(firsts)))
    none = np.zeros(len(others), np.uint8)
    if others.size:
        yield Pairs(left=firsts[others], right=others, phash_bits=none, dhash_bits=none)
    positions = np.flatnonzero(firsts == np.arange(len(firsts)))
    distinct = everything.taken(positions)
    for pairs in _search(distinct, distinct, max_bits):
        yield replace(pairs, left=positions[pairs.left], right=positions[pairs.right])


def pairs_between(
    new_phashes: ArrayLike, new_dhashes: ArrayLike, old_phashes: ArrayLike, old_dhashes: ArrayLike, *, max_bits: int
) -> Iterator[Pairs]:
    """All pairs of a new picture (left) and an old one (right) that look alike, each once, in batches.

    For pictures that join others, and for mirrored or turned ones against those as they are. Equal hashes are no class
    here: with many of them on both sides, ask for the first ones only (first_of_equals).
    Memory and errors as for pairs_within.
    """
    new, old = _Hashes.of(new_phashes, new_dhashes), _Hashes.of(old_phashes, old_dhashes)
    return _search(new, old, max_bits)


def first_of_equals(*columns: NDArray[np.int64] | NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each position the first one that is equal to it in every column."""
    count = len(columns[0])
    if not count:
        return np.empty(0, np.int64)
    order = np.lexsort(columns[::-1])
    is_start = np.ones(count, np.bool_)
    is_start[1:] = np.logical_or.reduce([column[order[1:]] != column[order[:-1]] for column in columns])
    starts = np.flatnonzero(is_start)
    firsts = np.empty(count, np.int64)
    # lexsort is stable, so a run of equals begins with the lowest position.
    firsts[order] = np.repeat(order[starts], np.diff(starts, append=count))
    return firsts


@dataclass(frozen=True, slots=True)
class _Hashes:
    phashes: NDArray[np.uint64]
    dhashes: NDArray[np.uint64]

    @classmethod
    def of(cls, phashes: ArrayLike, dhashes: ArrayLike) -> Self:
        # bitwise_count takes the absolute value of signed integers, so the bits are counted unsigned.
        hashes = cls(np.asarray(phashes, np.int64).view(np.uint64), np.asarray(dhashes, np.int64).view(np.uint64))
        if hashes.phashes.shape != hashes.dhashes.shape:
            raise ValueError(f"{hashes.phashes.size} pHashes and {hashes.dhashes.size} dHashes do not match.")
        return hashes

    def __len__(self) -> int:
        return len(self.phashes)

    def taken(self, positions: NDArray[np.int64]) -> "_Hashes":
        return _Hashes(self.phashes[positions], self.dhashes[positions])


@dataclass(frozen=True, slots=True)
class _Band:
    """Some neighbouring bits of a pHash, and how many of them may differ."""

    shift: int
    width: int
    radius: int

    def keys(self, phashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        return ((phashes >> np.uint64(self.shift)) & np.uint64((1 << self.width) - 1)).astype(np.int64)

    def masks(self) -> Iterator[int]:
        """Which bits of a key differ from a neighbour's."""
        for count in range(self.radius + 1):
            for positions in combinations(range(self.width), count):
                yield sum(1 << position for position in positions)

    def neighbours(self) -> int:
        return sum(comb(self.width, count) for count in range(self.radius + 1))


@dataclass(frozen=True, slots=True)
class _Close:
    """Pairs of positions, and their pHashes' distances in bits."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    bits: NDArray[np.uint8]


def _search(left: _Hashes, right: _Hashes, max_bits: int) -> Iterator[Pairs]:
    """Pairs that look alike, in batches; `left is right` asks for those among them, each once."""
    found: list[Pairs] = []
    count = 0
    for close in _close_pairs(left, right, max_bits):
        pairs = _confirmed(left, right, close)
        if len(pairs):
            found.append(pairs)
            count += len(pairs)
        if count >= _BATCH_PAIRS:
            yield Pairs.joined(found)
            found, count = [], 0
    if found:
        yield Pairs.joined(found)


def _close_pairs(left: _Hashes, right: _Hashes, max_bits: int) -> Iterator[_Close]:
    """Pairs of pHashes within `max_bits`, a block's at a time."""
    bands = _cheapest_bands(len(left), len(right), max_bits, is_self=left is right)
    if sum(_comparisons(left, right, band) for band in bands) >= len(left) * len(right):
        # Pictures that crowd into a few buckets, such as near-black ones: bands would compare them again and again.
        bands = ()
    if not bands:
        yield from _compare_all(left, right, max_bits)
    for number, band in enumerate(bands):
        for close in _compare_neighbours(left, right, max_bits, band):
            # What is near in several bands was found in the first of them.
            differences = left.phashes[close.left] ^ right.phashes[close.right]
            is_new = np.ones(len(close.left), np.bool_)
            for earlier in bands[:number]:
                is_new &= np.bitwise_count(earlier.keys(differences)) > earlier.radius
            yield _Close(close.left[is_new], close.right[is_new], close.bits[is_new])


def _confirmed(left: _Hashes, right: _Hashes, close: _Close) -> Pairs:
    dhash_bits = np.bitwise_count(left.dhashes[close.left] ^ right.dhashes[close.right])
    is_alike = close.bits + dhash_bits <= COMBINED_MAX_BITS
    one, other = close.left[is_alike].astype(np.int64), close.right[is_alike].astype(np.int64)
    if left is right:
        one, other = np.minimum(one, other), np.maximum(one, other)
    return Pairs(left=one, right=other, phash_bits=close.bits[is_alike], dhash_bits=dhash_bits[is_alike])


def _cheapest_bands(left_count: int, right_count: int, max_bits: int, *, is_self: bool) -> tuple[_Band, ...]:
    """The bands to look in; none when comparing all with all is cheaper.

    Pigeonhole: hashes that differ by more than the radius in every band differ by at least the sum of all
    (radius + 1); that sum is one more than `max_bits`. Evenly filled buckets are assumed; uneven ones cost time only.
    """
    pairs = left_count * right_count / (2 if is_self else 1)
    cheapest: tuple[_Band, ...] = ()
    least = pairs
    for count in range(1, max_bits + 2):
        each, larger = divmod(max_bits + 1, count)
        radii = [each] * larger + [each - 1] * (count - larger)
        for width in range(4, min(_HASH_BITS // count, _MAX_BAND_BITS) + 1):
            bands = tuple(_Band(number * width, width, min(radius, width)) for number, radius in enumerate(radii))
            tables = _TABLE_COST * (left_count if is_self else left_count + right_count)
            lookups = _BUCKET_COST * min(2**width, left_count)
            cost = sum(tables + band.neighbours() * (lookups + _ROW_COST * pairs / 2**width) for band in bands)
            if cost < least:
                cheapest, least = bands, cost
    return cheapest


def _comparisons(left: _Hashes, right: _Hashes, band: _Band) -> int:
    """How many pairs lie in neighbouring buckets; those of one side with itself count twice."""
    left_counts = np.bincount(band.keys(left.phashes), minlength=2**band.width)
    right_counts = np.bincount(band.keys(right.phashes), minlength=2**band.width)
    buckets = np.flatnonzero(left_counts)
    asking = left_counts[buckets]
    return sum(int(asking @ right_counts[buckets ^ mask]) for mask in band.masks())


@dataclass(frozen=True, slots=True)
class _Table:
    """The hashes of one side in the buckets of one band.

    `hashes` and `positions` are (_ROW_HASHES, rows): one column is one row of a bucket, `lengths` says how much of it
    is filled. Bucket b has the rows from first_row[b] to first_row[b + 1].
    """

    hashes: _Hashes
    positions: NDArray[np.int32]
    lengths: NDArray[np.int64]
    first_row: NDArray[np.int64]

    @classmethod
    def of(cls, hashes: _Hashes, band: _Band) -> Self:
        keys = band.keys(hashes.phashes)
        order = np.argsort(keys, kind="stable").astype(np.int32)
        counts = np.bincount(keys, minlength=2**band.width)
        row_counts = -(-counts // _ROW_HASHES)
        first_row = np.concatenate(([0], np.cumsum(row_counts)))
        first_hash = np.cumsum(counts) - counts
        bucket = np.repeat(np.arange(len(counts)), row_counts)
        start = (np.arange(len(bucket)) - first_row[bucket]) * _ROW_HASHES
        lengths = np.minimum(counts[bucket] - start, _ROW_HASHES)
        # What is behind a row's end repeats its last hash.
        cells = first_hash[bucket] + start + np.minimum(np.arange(_ROW_HASHES)[:, None], lengths - 1)
        positions = order[cells]
        return cls(hashes.taken(positions), positions, lengths, first_row)

    def row_counts(self, buckets: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.first_row[buckets + 1] - self.first_row[buckets]


def _compare_neighbours(left: _Hashes, right: _Hashes, max_bits: int, band: _Band) -> Iterator[_Close]:
    """Hashes in neighbouring buckets of one band."""
    is_self = left is right
    left_table = _Table.of(left, band)
    right_table = left_table if is_self else _Table.of(right, band)
    buckets = np.flatnonzero(np.diff(left_table.first_row))
    for mask in band.masks():
        # Among themselves, two buckets are neighbours of each other: the lower one asks.
        asking = buckets[buckets <= buckets ^ mask] if is_self else buckets
        for left_rows, right_rows in _row_pairs(left_table, asking, right_table, asking ^ mask):
            if is_self and mask == 0:
                once = left_rows <= right_rows
                left_rows, right_rows = left_rows[once], right_rows[once]
            yield from _compare_rows(left_table, left_rows, right_table, right_rows, max_bits)


def _row_pairs(
    left: _Table, left_buckets: NDArray[np.int64], right: _Table, right_buckets: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each row of a left bucket with each of the right bucket beside it, _LISTED_ROW_PAIRS at a time."""
    right_counts = right.row_counts(right_buckets)
    filled = right_counts > 0
    left_first, right_first = left.first_row[left_buckets[filled]], right.first_row[right_buckets[filled]]
    right_counts = right_counts[filled]
    ends = np.cumsum(left.row_counts(left_buckets[filled]) * right_counts)
    total = int(ends[-1]) if ends.size else 0
    for start in range(0, total, _LISTED_ROW_PAIRS):
        numbers = np.arange(start, min(start + _LISTED_ROW_PAIRS, total))
        first, last = np.searchsorted(ends, (numbers[0], numbers[-1]), "right")
        here = ends[first : last + 1]
        which = np.repeat(np.arange(first, last + 1), np.diff(np.clip(here, start, numbers[-1] + 1), prepend=start))
        before = numbers - np.where(which > 0, ends[which - 1], 0)
        left_row, right_row = np.divmod(before, right_counts[which])
        yield left_first[which] + left_row, right_first[which] + right_row


def _compare_rows(
    left: _Table, left_rows: NDArray[np.int64], right: _Table, right_rows: NDArray[np.int64], max_bits: int
) -> Iterator[_Close]:
    """Each hash of a left row with each of the right row beside it; of a row with itself, each pair once."""
    rows_at_once = _BLOCK_PAIRS // _ROW_HASHES**2
    for start in range(0, len(left_rows), rows_at_once):
        a, b = left_rows[start : start + rows_at_once], right_rows[start : start + rows_at_once]
        bits = _differing(left.hashes.phashes, a, right.hashes.phashes, b)
        is_close = bits <= max_bits
        if _is_crowded(is_close):
            is_close &= bits + _differing(left.hashes.dhashes, a, right.hashes.dhashes, b) <= COMBINED_MAX_BITS
        i, j, place = _where(is_close)
        distances = bits[i, j, place]
        a, b = a[place], b[place]
        is_pair = (i < left.lengths[a]) & (j < right.lengths[b])
        if left is right:
            is_pair &= (a != b) | (i < j)
        i, j, a, b = i[is_pair], j[is_pair], a[is_pair], b[is_pair]
        yield _Close(left.positions[i, a], right.positions[j, b], distances[is_pair])


def _differing(
    left: NDArray[np.uint64], left_rows: NDArray[np.int64], right: NDArray[np.uint64], right_rows: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Distances in bits, (place in left row, place in right row, pair of rows)."""
    bits: NDArray[np.uint8] = np.bitwise_count(
        left.take(left_rows, axis=1)[:, None, :] ^ right.take(right_rows, axis=1)[None, :, :]
    )
    return bits


def _compare_all(left: _Hashes, right: _Hashes, max_bits: int) -> Iterator[_Close]:
    """Every hash with every other, block by block."""
    width = min(max(len(right), 1), _BLOCK_PAIRS)
    height = max(_BLOCK_PAIRS // width, 1)
    for top in range(0, len(left), height):
        asking = slice(top, top + height)
        for start in range(top + 1 if left is right else 0, len(right), width):
            asked = slice(start, start + width)
            bits = np.bitwise_count(left.phashes[asking, None] ^ right.phashes[asked])
            is_close = bits <= max_bits
            if _is_crowded(is_close):
                dhash_bits = np.bitwise_count(left.dhashes[asking, None] ^ right.dhashes[asked])
                is_close &= bits + dhash_bits <= COMBINED_MAX_BITS
            i, j = _where(is_close)
            distances = bits[i, j]
            i, j = i + top, j + start
            if left is right:
                once = i < j
                i, j, distances = i[once], j[once], distances[once]
            yield _Close(i.astype(np.int32), j.astype(np.int32), distances)


def _is_crowded(is_close: NDArray[np.bool_]) -> bool:
    """Whether so many pHashes are close that comparing all dHashes is cheaper than picking out those of the close."""
    return int(np.count_nonzero(is_close)) * _PICK_COST > is_close.size


def _where(hits: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    # Few hits in many places: this is several times quicker than np.nonzero, which walks along every axis.
    return np.unravel_index(np.flatnonzero(hits), hits.shape)
