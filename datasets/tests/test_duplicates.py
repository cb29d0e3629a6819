"""The lookup agrees with imagehash's own distances, compared one by one."""

import random

import imagehash
import numpy as np
import pytest

from datasets.duplicates import COMBINED_MAX_BITS, NearIndex
from datasets.imaging.hashing import to_signed


def random_hash(rng: random.Random) -> imagehash.ImageHash:
    return imagehash.ImageHash(np.array([rng.random() < 0.5 for _ in range(64)]).reshape(8, 8))


def flipped(value: imagehash.ImageHash, bits: int, rng: random.Random) -> imagehash.ImageHash:
    flat = value.hash.flatten()
    for position in rng.sample(range(64), bits):
        flat[position] = not flat[position]
    return imagehash.ImageHash(flat.reshape(8, 8))


def signed(value: imagehash.ImageHash) -> int:
    return to_signed(value.hash)


def bits(count: int) -> int:
    """A hash that differs from 0 in so many bits, the sign among them."""
    return -(2**63) + (1 << (count - 1)) - 1 if count else 0


@pytest.mark.parametrize("max_bits", [0, 5, 10, 32])
def test_the_nearest_is_that_of_a_comparison_one_by_one(max_bits: int) -> None:
    rng = random.Random(max_bits)
    known = [(image_id, random_hash(rng), random_hash(rng)) for image_id in rng.sample(range(1, 10_000), 400)]
    known += [
        (20_000 + n, flipped(p, rng.randrange(16), rng), flipped(d, rng.randrange(24), rng))
        for n, (_, p, d) in enumerate(known[:200])
    ]
    rng.shuffle(known)
    index = NearIndex()
    index.extend([i for i, _, _ in known], [signed(p) for _, p, _ in known], [signed(d) for _, _, d in known])
    found = 0
    for _, p, d in known[:150]:
        phash, dhash = flipped(p, rng.randrange(12), rng), flipped(d, rng.randrange(20), rng)
        alike = [
            ((phash - other_p) + (dhash - other_d), image_id, phash - other_p)
            for image_id, other_p, other_d in known
            if phash - other_p <= max_bits and (phash - other_p) + (dhash - other_d) <= COMBINED_MAX_BITS
        ]
        expected = min(alike)[1:] if alike else None
        assert index.nearest(signed(phash), signed(dhash), max_bits=max_bits) == expected
        found += expected is not None
    assert found > 0


@pytest.mark.parametrize("max_bits", [0, 3, 8, 10, 11, 12])
def test_of_many_pictures_the_nearest_is_the_one_that_a_comparison_with_all_finds(max_bits: int) -> None:
    """More than are compared one by one: they lie in buckets, crowds of equal ones and later additions too."""
    rng = np.random.default_rng(7)
    phashes, dhashes = (rng.integers(-(2**63), 2**63, 40_000, np.int64) for _ in range(2))
    phashes[:5_000] = 0
    index = NearIndex()
    index.extend(range(30_000), phashes[:30_000].tolist(), dhashes[:30_000].tolist())
    index.nearest(0, 0, max_bits=max_bits)
    index.extend(range(30_000, 40_000), phashes[30_000:].tolist(), dhashes[30_000:].tolist())
    found = 0
    for place in rng.integers(0, 40_000, 200).tolist():
        flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, max_bits).astype(np.uint64))
        phash = int((phashes[place : place + 1].view(np.uint64) ^ flips).view(np.int64)[0])
        dhash = int(dhashes[place])
        bits = np.bitwise_count(phashes.view(np.uint64) ^ np.int64(phash).view(np.uint64)).astype(int)
        sums = bits + np.bitwise_count(dhashes.view(np.uint64) ^ np.int64(dhash).view(np.uint64))
        alike = np.flatnonzero((bits <= max_bits) & (sums <= COMBINED_MAX_BITS))
        best = min(alike.tolist(), key=lambda one: (sums[one], one), default=None)

        assert index.nearest(phash, dhash, max_bits=max_bits) == (None if best is None else (best, bits[best]))
        found += best is not None
    assert found == 200


def test_an_empty_index_knows_nothing_alike() -> None:
    assert NearIndex().nearest(0, 0, max_bits=64) is None


@pytest.mark.parametrize(
    ("p_bits", "d_bits", "is_alike"),
    [(0, 0, True), (10, 18, True), (10, 19, False), (11, 0, False), (0, 28, True), (0, 29, False)],
)
def test_both_bounds_are_inclusive(p_bits: int, d_bits: int, is_alike: bool) -> None:
    index = NearIndex()
    index.extend([7], [bits(p_bits)], [bits(d_bits)])
    assert index.nearest(0, 0, max_bits=10) == ((7, p_bits) if is_alike else None)


def test_the_smaller_sum_wins_then_the_smaller_id() -> None:
    index = NearIndex()
    index.extend([9, 5, 3, 4], [bits(2), bits(1), bits(4), bits(2)], [bits(2), bits(4), bits(4), bits(2)])
    assert index.nearest(0, 0, max_bits=10) == (4, 2)


def test_it_grows_and_keeps_what_it_had() -> None:
    rng = random.Random(5)
    hashes = [rng.randrange(-(2**63), 2**63) for _ in range(5000)]
    index = NearIndex()
    for start in range(0, 5000, 7):
        part = hashes[start : start + 7]
        index.extend(range(start, start + len(part)), part, part)
    assert len(index) == 5000
    for image_id in (0, 1023, 1024, 4999):
        assert index.nearest(hashes[image_id], hashes[image_id], max_bits=0) == (image_id, 0)


def test_lists_of_different_lengths_are_refused_and_add_nothing() -> None:
    index = NearIndex()
    with pytest.raises(ValueError, match="do not match"):
        index.extend([1, 2], [0, 0], [0])
    assert len(index) == 0
