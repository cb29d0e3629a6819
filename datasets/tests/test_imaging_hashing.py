"""Hashes are imagehash's own, bit for bit, and survive the way through a signed column."""

from collections.abc import Callable, Iterator

import imagehash
import numpy as np
import pytest
from PIL import Image

from datasets.imaging import lanczos
from datasets.imaging.hashing import TURNS, SmallGreys, distance_bits, small_greys, to_hex, to_signed
from datasets.tests.pictures import drawn, noisy

Drawing = Callable[..., Image.Image]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", [drawn, noisy])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "1"])
def test_hashes_are_those_of_imagehash(make: type[object], seed: int, mode: str) -> None:
    picture = (drawn if make is drawn else noisy)(517, 389, seed=seed).convert(mode)
    phash, dhash = small_greys(picture).hashes()
    assert imagehash.hex_to_hash(to_hex(phash)) == imagehash.phash(picture)
    assert imagehash.hex_to_hash(to_hex(dhash)) == imagehash.dhash(picture)


def greys(values: object) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(values), 0, 255).astype(np.uint8))


def plain_pictures() -> Iterator[tuple[str, Image.Image]]:
    """Pictures in which coefficients of the DCT are equal, zero, or nearly so, and roundings have their say."""
    rng = np.random.default_rng(7)
    for level in (0, 1, 127, 254, 255):
        yield f"flat {level}", Image.new("L", (64, 48), level)
        for place in ((0, 0), (31, 0), (13, 29)):
            nearly = Image.new("L", (32, 32), level)
            nearly.putpixel(place, abs(level - 1))
            yield f"flat {level} but for {place}", nearly
    across, down = np.meshgrid(np.arange(32), np.arange(32))
    for slope in (1, 3, 8):
        for name, values in (("across", across), ("down", down), ("aslant", across + down), ("ring", across * down)):
            yield f"gradient {name} {slope}", greys(values * slope)
            yield f"stripes {name} {slope}", greys(values // slope % 2 * 255)
    for side in (1, 2, 4, 8, 16):
        board = (across // side + down // side) % 2
        yield f"checkerboard {side}", greys(board * 255)
        yield f"checkerboard {side}, large", greys(board * 100).resize((640, 480), Image.Resampling.NEAREST)
    for number in range(12):
        noise = rng.integers(0, 256, (32, 32))
        half = noise + noise[:, ::-1]
        yield f"mirrored {number}", greys(half // 2)
        yield f"mirrored twice {number}", greys((half + half[::-1]) // 4)
        yield f"transposed {number}", greys((noise + noise.T) // 2)
        yield f"turned {number}", greys((noise + noise[::-1, ::-1]) // 2)
        yield f"one row {number}", greys(np.tile(noise[:1], (32, 1)))
        yield f"two greys {number}", greys(rng.random((32, 32)) < 0.5).point(lambda on: on * 255)
        yield f"few dots {number}", greys((rng.random((32, 32)) < 0.005) * 255)
    for wave in range(8):
        cosines = np.cos(np.pi / 32 * wave * (np.arange(32) + 0.5))
        yield f"wave {wave}", greys(127.5 + 127.5 * np.outer(cosines, cosines))
    for size_px in ((1, 1), (1, 2), (2, 2), (3, 2), (8, 8), (31, 33), (200, 1), (1, 200)):
        yield f"tiny {size_px}", noisy(*size_px, seed=3)


PLAIN = dict(plain_pictures())


@pytest.mark.parametrize("name", PLAIN)
def test_hashes_are_those_of_imagehash_where_roundings_decide(name: str) -> None:
    phash, dhash = small_greys(PLAIN[name]).hashes()
    assert (to_hex(phash), to_hex(dhash)) == (str(imagehash.phash(PLAIN[name])), str(imagehash.dhash(PLAIN[name])))


@pytest.mark.parametrize("turn", TURNS)
def test_turned_greys_have_the_hash_of_imagehash(turn: Image.Transpose) -> None:
    for name, picture in PLAIN.items():
        square = small_greys(picture).square.transpose(turn)
        assert to_hex(SmallGreys(square, square).hashes()[0]) == str(imagehash.phash(square)), name


def test_a_large_picture_is_hashed_in_full() -> None:
    picture = drawn(4000, 3000, seed=3)
    assert to_hex(small_greys(picture).hashes()[0]) == str(imagehash.phash(picture))


@pytest.mark.parametrize("tallness", [0.2, 0.75, 1.0, 1.49, 1.51, 2.5])
@pytest.mark.parametrize("width_px", [9, 33, 99, 100, 101, 256, 517, 1280])
@pytest.mark.parametrize("make", [drawn, noisy])
def test_the_small_greys_are_those_of_pillow_to_the_last_bit(make: Drawing, width_px: int, tallness: float) -> None:
    # Nothing but noise meets every rounding.
    grey = make(width_px, round(width_px * tallness) + 1, seed=width_px).convert("L")
    sizes_px = ((32, 32), (9, 8), (5, 17))
    expected = [grey.resize(size_px, Image.Resampling.LANCZOS).tobytes() for size_px in sizes_px]
    assert [small.tobytes() for small in lanczos.reduced(grey, sizes_px)] == expected


@pytest.mark.parametrize("size_px", [(517, 389), (200, 640), (40, 30)])
@pytest.mark.parametrize("seed", range(4))
def test_turned_hashes_are_nearly_those_of_the_turned_picture(size_px: tuple[int, int], seed: int) -> None:
    picture = drawn(*size_px, seed=seed)
    turned_hashes = small_greys(picture).turned_hashes()
    assert len(set(turned_hashes)) == len(TURNS) == 7
    for turn, (phash, dhash) in zip(TURNS, turned_hashes, strict=True):
        turned = picture.transpose(turn)
        assert distance_bits(phash, to_signed(imagehash.phash(turned).hash)) <= 2, turn
        assert distance_bits(dhash, to_signed(imagehash.dhash(turned).hash)) <= 6, turn


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
        small_greys(Image.new("LAB", (8, 8)))
