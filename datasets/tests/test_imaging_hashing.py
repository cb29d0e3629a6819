"""Hashes are imagehash's own, bit for bit, and survive the way through a signed column."""

import imagehash
import numpy as np
import pytest
from PIL import Image

from datasets.imaging.hashing import distance_bits, perceptual_hashes, to_hex, to_signed
from datasets.tests.pictures import drawn, noisy


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", [drawn, noisy])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "1"])
def test_hashes_are_those_of_imagehash(make: type[object], seed: int, mode: str) -> None:
    picture = (drawn if make is drawn else noisy)(517, 389, seed=seed).convert(mode)
    phash, dhash = perceptual_hashes(picture)
    assert imagehash.hex_to_hash(to_hex(phash)) == imagehash.phash(picture)
    assert imagehash.hex_to_hash(to_hex(dhash)) == imagehash.dhash(picture)


def test_a_large_picture_is_hashed_in_full() -> None:
    picture = drawn(4000, 3000, seed=3)
    assert to_hex(perceptual_hashes(picture)[0]) == str(imagehash.phash(picture))


def test_the_first_bit_is_the_sign() -> None:
    bits = np.zeros((8, 8), bool)
    bits[7, 7] = True
    assert (to_signed(bits), to_hex(to_signed(bits))) == (1, "0000000000000001")
    bits[0, 0] = True
    assert (to_signed(bits), to_hex(to_signed(bits))) == (-(2**63) + 1, "8000000000000001")
    assert to_signed(np.ones((8, 8), bool)) == -1


def test_distance_is_that_of_imagehash_also_across_the_sign() -> None:
    hashes = [imagehash.phash(noisy(seed=seed)) for seed in range(8)]
    for a in hashes:
        for b in hashes:
            assert distance_bits(to_signed(a.hash), to_signed(b.hash)) == a - b
    assert distance_bits(-1, 0) == 64
    assert distance_bits(-(2**63), 2**63 - 1) == 64


def test_a_mode_without_a_way_to_grey_raises() -> None:
    with pytest.raises(ValueError, match="conversion"):
        perceptual_hashes(Image.new("LAB", (8, 8)))
