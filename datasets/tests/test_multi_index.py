"""Every pair is found, exactly once, and no more: compared with a matrix product of all bits."""

import tracemalloc
from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from datasets.duplicates import COMBINED_MAX_BITS
from datasets.multi_index import Pairs, first_of_equals, pairs_between, pairs_within

Hashes = NDArray[np.int64]
#: left, right, pHash distance, dHash distance
Found = set[tuple[int, int, int, int]]


def found(batches: Iterable[Pairs]) -> Found:
    """All pairs; fails when one comes twice."""
    rows = [
        row
        for pairs in batches
        for row in zip(
            pairs.left.tolist(),
            pairs.right.tolist(),
            pairs.phash_bits.tolist(),
            pairs.dhash_bits.tolist(),
            strict=True,
        )
    ]
    assert len(rows) == len(set(rows))
    return set(rows)


def signs(hashes: Hashes) -> NDArray[np.float32]:
    """Each bit as 1 or -1: the product of two rows is 64 less twice their distance."""
    bits = np.unpackbits(hashes.astype(">i8").view(np.uint8).reshape(-1, 8), axis=1)
    return 1 - 2 * bits.astype(np.float32)


def distances(left: Hashes, right: Hashes) -> NDArray[np.int64]:
    return ((64 - signs(left) @ signs(right).T) / 2).astype(np.int64)


def all_pairs(left: tuple[Hashes, Hashes], right: tuple[Hashes, Hashes], max_bits: int) -> Found:
    rows: Found = set()
    for start in range(0, len(left[0]), 1000):
        phash_bits = distances(left[0][start : start + 1000], right[0])
        dhash_bits = distances(left[1][start : start + 1000], right[1])
        i, j = np.nonzero((phash_bits <= max_bits) & (phash_bits + dhash_bits <= COMBINED_MAX_BITS))
        rows |= set(
            zip((i + start).tolist(), j.tolist(), phash_bits[i, j].tolist(), dhash_bits[i, j].tolist(), strict=True)
        )
    return rows


def among_themselves(hashes: tuple[Hashes, Hashes], max_bits: int) -> Found:
    """By the rule for equal hashes: each is paired with the first of them, and only the first with others."""
    first: dict[tuple[int, int], int] = {}
    for position, both in enumerate(zip(hashes[0].tolist(), hashes[1].tolist(), strict=True)):
        first.setdefault(both, position)
    firsts = set(first.values())
    return {
        row
        for row in all_pairs(hashes, hashes, max_bits)
        if row[0] < row[1] and row[0] in firsts and (row[1] in firsts or row[2] == row[3] == 0)
    }


def flipped(hashes: Hashes, most_bits: int, rng: np.random.Generator) -> Hashes:
    """Each with up to so many of its bits turned over."""
    turned = hashes.copy().view(np.uint64)
    for _ in range(most_bits):
        mask = np.uint64(1) << rng.integers(0, 64, len(turned)).astype(np.uint64)
        turned ^= np.where(rng.random(len(turned)) < 0.6, mask, np.uint64(0))
    return turned.view(np.int64)


def random_hashes(count: int, rng: np.random.Generator) -> Hashes:
    return rng.integers(-(2**63), 2**63, count, dtype=np.int64)


def clustered(count: int, seed: int) -> tuple[Hashes, Hashes]:
    """Half of them on their own, the others like one of these, a few exactly so; in any order."""
    rng = np.random.default_rng(seed)
    phashes, dhashes = random_hashes(count // 2, rng), random_hashes(count // 2, rng)
    sources = rng.integers(0, count // 10, count - count // 2)
    phashes = np.concatenate([phashes, flipped(phashes[sources], 20, rng)])
    dhashes = np.concatenate([dhashes, flipped(dhashes[sources], 12, rng)])
    phashes[-50:], dhashes[-50:] = phashes[:50], dhashes[:50]
    order = rng.permutation(count)
    return phashes[order], dhashes[order]


def sparse(count: int, most_bits: int, seed: int) -> Hashes:
    """Hashes with few bits set, as of pictures that are nearly black: every band is nearly always empty."""
    return flipped(np.zeros(count, np.int64), most_bits, np.random.default_rng(seed))


MANY = clustered(8000, seed=1)
MANY_PAIRS = among_themselves(MANY, 32)


@pytest.mark.parametrize("max_bits", range(33))
def test_all_pairs_among_many_are_found(max_bits: int) -> None:
    expected = {row for row in MANY_PAIRS if row[2] <= max_bits}
    assert expected
    assert found(pairs_within(*MANY, max_bits=max_bits)) == expected


@pytest.mark.parametrize("max_bits", [0, 3, 10, 17, 40, 64])
def test_all_pairs_among_few_are_found(max_bits: int) -> None:
    few = clustered(400, seed=max_bits)
    assert found(pairs_within(*few, max_bits=max_bits)) == among_themselves(few, max_bits)


@pytest.mark.parametrize("max_bits", [0, 2, 6, 10, 16])
@pytest.mark.parametrize("new_count", [1, 90, 3000])
def test_all_pairs_of_new_and_old_are_found(new_count: int, max_bits: int) -> None:
    new, old = (MANY[0][:new_count], MANY[1][:new_count]), (MANY[0][new_count // 2 :], MANY[1][new_count // 2 :])
    assert found(pairs_between(*new, *old, max_bits=max_bits)) == all_pairs(new, old, max_bits)


@pytest.mark.parametrize("max_bits", [4, 10])
@pytest.mark.parametrize("shared_bits", [16, 44])
def test_hashes_that_crowd_into_one_bucket_are_all_compared(shared_bits: int, max_bits: int) -> None:
    phashes, dhashes = clustered(5000, seed=shared_bits)
    phashes[::3] &= -1 << shared_bits
    assert found(pairs_within(phashes, dhashes, max_bits=max_bits)) == among_themselves((phashes, dhashes), max_bits)


@pytest.mark.parametrize("max_bits", [1, 10])
def test_hashes_that_crowd_everywhere_are_all_compared(max_bits: int) -> None:
    dhashes = clustered(3000, seed=2)[1]
    crowd = sparse(3000, 4, seed=3), dhashes
    assert found(pairs_within(*crowd, max_bits=max_bits)) == among_themselves(crowd, max_bits)


def test_equal_phashes_are_told_apart_by_their_dhashes() -> None:
    hashes = np.zeros(1500, np.int64), clustered(1500, seed=4)[1]
    assert found(pairs_within(*hashes, max_bits=10)) == among_themselves(hashes, 10)


def test_of_many_equal_pictures_each_is_paired_with_the_first() -> None:
    equal = np.full(100_000, -5, np.int64)
    pairs = Pairs.joined([*pairs_within(equal, equal, max_bits=10)])
    assert not pairs.left.any()
    assert pairs.right.tolist() == list(range(1, 100_000))
    assert not pairs.phash_bits.any()
    assert not pairs.dhash_bits.any()


def test_another_order_gives_the_same_pairs() -> None:
    distinct = np.unique(first_of_equals(*MANY))
    hashes = MANY[0][distinct], MANY[1][distinct]
    order = np.random.default_rng(6).permutation(len(distinct))
    back = found(pairs_within(hashes[0][order], hashes[1][order], max_bits=10))
    moved = {(*sorted((int(order[left]), int(order[right]))), *bits) for left, right, *bits in back}
    assert moved == found(pairs_within(*hashes, max_bits=10))


def test_the_same_question_gets_the_same_answer() -> None:
    first, second = ([*pairs_within(*MANY, max_bits=10)] for _ in range(2))
    assert [pairs.left.tolist() for pairs in first] == [pairs.left.tolist() for pairs in second]
    assert [pairs.right.tolist() for pairs in first] == [pairs.right.tolist() for pairs in second]


def test_memory_does_not_grow_with_what_is_found() -> None:
    """8,000 pictures that are all alike make 25 million pairs, which would take 450 MB."""
    phashes, dhashes = sparse(8000, 5, seed=7), sparse(8000, 9, seed=8)
    tracemalloc.start()
    batches = (len(pairs) for pairs in pairs_within(phashes, dhashes, max_bits=10))
    count, longest = 0, 0
    for length in batches:
        count, longest = count + length, max(longest, length)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 20_000_000
    assert longest < 500_000
    assert peak_bytes < 80e6


@pytest.mark.parametrize("count", [0, 1])
def test_there_are_no_pairs_of_fewer_than_two(count: int) -> None:
    hashes = np.arange(count)
    assert [*pairs_within(hashes, hashes, max_bits=10)] == []
    assert [*pairs_between(hashes, hashes, hashes[:0], hashes[:0], max_bits=10)] == []


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 pHashes and 1 dHashes do not match"):
        next(pairs_within([1, 2], [1], max_bits=10))
    with pytest.raises(ValueError, match="do not match"):
        pairs_between([1], [1], [1, 2], [1], max_bits=10)


def test_the_first_of_equals_is_the_lowest_position() -> None:
    assert first_of_equals(np.array([7, 3, 7, 7, 3]), np.array([1, 2, 1, 9, 2])).tolist() == [0, 1, 0, 3, 1]
