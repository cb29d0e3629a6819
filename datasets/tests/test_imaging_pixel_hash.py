"""Pictures hash alike when every pixel of them looks alike, and only then."""

import re

import numpy as np
import pytest
from PIL import Image

from datasets.imaging.inspect import inspect
from datasets.imaging.pixel_hash import PixelHasher
from datasets.imaging.types import Extras, ImageFacts, ImageLimits
from datasets.tests.pictures import animated, drawn, encoded, noisy, oriented


def pixel_hash(body: bytes) -> str:
    facts = inspect(body, ImageLimits(max_aspect=20_000), extras=Extras(pixel_hash=True))
    assert isinstance(facts, ImageFacts), facts
    assert re.fullmatch(r"[0-9a-f]{32}", facts.pixel_hash)
    return facts.pixel_hash


def see_through(picture: Image.Image) -> Image.Image:
    """The picture with a hole, and glassy elsewhere."""
    alpha = noisy(*picture.size, seed=99).convert("L").point(lambda value: max(1, value))
    alpha.paste(0, (0, 0, picture.width // 2, picture.height // 2))
    seen = picture.convert("RGBA")
    seen.putalpha(alpha)
    return seen


@pytest.mark.parametrize("size_px", [(160, 120), (2, 5), (16_000, 9), (9, 16_000)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "1"])
def test_lossless_formats_of_the_same_pixels_hash_alike(mode: str, size_px: tuple[int, int]) -> None:
    picture = noisy(*size_px).convert(mode) if not mode.endswith("A") else see_through(noisy(*size_px)).convert(mode)
    webp = picture.convert("RGBA") if mode.endswith("A") else picture.convert("RGB")
    bodies = [
        encoded(picture, "PNG"),
        encoded(picture, "PNG", compress_level=1),
        encoded(webp, "WEBP", lossless=True, method=0),
        encoded(picture, "TIFF"),
    ]
    assert len({pixel_hash(body) for body in bodies}) == 1


def test_a_palette_hashes_like_the_colours_that_it_stands_for() -> None:
    picture = drawn().quantize(32)
    bodies = [encoded(picture, "PNG"), encoded(picture, "GIF"), encoded(picture.convert("RGB"), "PNG")]
    assert len({pixel_hash(body) for body in bodies}) == 1


def test_colours_that_nobody_sees_do_not_count_and_those_shining_through_do() -> None:
    picture = see_through(noisy())
    hidden, shining = picture.copy(), picture.copy()
    hidden.putpixel((0, 0), (9, 9, 9, 0))
    x, y = picture.width - 1, picture.height - 1
    shining.putpixel((x, y), (0, 0, 0, picture.getpixel((x, y))[3]))  # type: ignore[index]
    assert pixel_hash(encoded(hidden, "PNG")) == pixel_hash(encoded(picture, "PNG"))
    assert pixel_hash(encoded(shining, "PNG")) != pixel_hash(encoded(picture, "PNG"))


def test_other_metadata_leaves_the_hash_alone() -> None:
    exif = Image.Exif()
    exif[0x010E] = "A walk"
    plain = encoded(drawn(), "JPEG")
    noted = encoded(drawn(), "JPEG", exif=exif, comment=b"taken on a walk")
    assert plain != noted
    assert pixel_hash(plain) == pixel_hash(noted)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_what_lies_differently_in_the_file_and_looks_alike_hashes_alike(orientation: int) -> None:
    picture = drawn(64, 48)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = picture.transpose(Image.Transpose(undo))
    assert pixel_hash(oriented(stored, orientation, "PNG")) == pixel_hash(encoded(picture, "PNG"))
    assert pixel_hash(encoded(stored, "PNG")) != pixel_hash(encoded(picture, "PNG"))


def test_one_pixel_that_differs_by_one_level_is_another_picture() -> None:
    pixels = np.asarray(noisy(400, 400)).copy()
    hashes = [PixelHasher(Image.fromarray(pixels)).hexdigest()]
    for row in range(400):
        pixels[row, row, row % 3] ^= 1
        hashes.append(PixelHasher(Image.fromarray(pixels)).hexdigest())
    assert len(set(hashes)) == 401


def test_the_same_values_in_another_size_are_another_picture() -> None:
    wide = np.asarray(noisy(40, 30))
    tall = wide.reshape(40, 30, 3)
    assert pixel_hash(encoded(Image.fromarray(wide), "PNG")) != pixel_hash(encoded(Image.fromarray(tall), "PNG"))


def test_deep_grey_is_hashed_in_its_full_depth() -> None:
    deep = np.random.default_rng(0).integers(0, 1 << 16, (30, 40), dtype=np.uint16)
    nearly = deep.copy()
    nearly[0, 0] ^= 1
    bodies = [encoded(Image.fromarray(deep), "PNG"), encoded(Image.fromarray(deep), "TIFF")]
    bodies.append(encoded(Image.fromarray(deep.astype(">u2")), "TIFF"))
    assert len({pixel_hash(body) for body in bodies}) == 1
    assert pixel_hash(encoded(Image.fromarray(nearly), "PNG")) != pixel_hash(bodies[0])


def test_inks_are_hashed_as_inks() -> None:
    picture = Image.merge("CMYK", [noisy(seed=seed).convert("L") for seed in range(4)])
    assert pixel_hash(encoded(picture, "TIFF")) == pixel_hash(encoded(picture, "TIFF", compression="tiff_lzw"))
    assert pixel_hash(encoded(picture, "TIFF")) != pixel_hash(encoded(picture.convert("RGB"), "TIFF"))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_every_frame_of_an_animation_counts(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    first, second, other = noisy(seed=0), noisy(seed=1), noisy(seed=2)

    def animation(*behind: Image.Image) -> str:
        return pixel_hash(encoded(first, format, save_all=True, append_images=list(behind), **options))

    assert len({animation(second), animation(other), animation(second, other), animation(other, second)}) == 4
    assert animation(second, other) == animation(second, other)


def test_an_animation_hashes_alike_in_lossless_formats() -> None:
    webp = encoded(noisy(), "WEBP", save_all=True, append_images=[noisy(seed=1)], lossless=True)
    assert pixel_hash(webp) == pixel_hash(encoded(noisy(), "PNG", save_all=True, append_images=[noisy(seed=1)]))
    assert pixel_hash(webp) != pixel_hash(animated("PNG"))


def test_nothing_is_hashed_where_nobody_asked() -> None:
    facts = inspect(encoded(noisy()), ImageLimits())
    assert isinstance(facts, ImageFacts)
    assert (facts.pixel_hash, facts.quality, facts.turned_hashes) == ("", None, ())
