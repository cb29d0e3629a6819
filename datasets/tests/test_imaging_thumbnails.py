"""Every colour mode gives a small, plain, upright JPEG that looks like the picture."""

import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from datasets.imaging.inspect import inspect
from datasets.imaging.thumbnails import reduced, to_jpeg
from datasets.imaging.types import ImageFacts, ImageLimits
from datasets.tests.pictures import drawn, encoded, noisy


def thumbnail(picture: Image.Image, *, side_px: int) -> bytes:
    return to_jpeg(reduced(picture, side_px=side_px, is_fine=False))


def decoded(body: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(body))
    picture.load()
    return picture


def in_mode(mode: str) -> Image.Image:
    grey = drawn().convert("L")
    deep = np.asarray(grey).astype(np.float64)
    # The darkest and the brightest value that occur are the ends of the scale in the modes that have none.
    deep[0, 0], deep[-1, -1] = 0, 255
    match mode:
        case "I;16":
            return Image.fromarray((deep * 257).astype(np.uint16))
        case "I":
            return Image.fromarray((deep * 1000 - 50_000).astype(np.int32))
        case "F":
            return Image.fromarray((deep / 255 - 0.5).astype(np.float32))
        case "LA":
            return Image.merge("LA", (grey, Image.new("L", grey.size, 255)))
        case "PA":
            return Image.merge("LA", (grey, Image.new("L", grey.size, 255))).convert("PA")
        case "RGBA":
            picture = drawn().convert(mode)
            # Encoders drop an alpha channel that is opaque throughout.
            picture.putpixel((0, 0), (0, 0, 0, 0))
            return picture
        case _:
            return drawn().convert(mode)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"]
)
def test_every_mode_looks_like_the_picture(mode: str) -> None:
    picture = in_mode(mode)
    assert picture.mode == mode
    small = decoded(thumbnail(picture, side_px=160))
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (160, 120))
    wanted = np.asarray(drawn().convert("L").resize((160, 120), Image.Resampling.BOX), np.int16)
    difference = np.abs(np.asarray(small.convert("L"), np.int16) - wanted)
    # Dots of black and white are no even grey.
    assert difference.mean() < (30 if mode == "1" else 10)


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        ("PNG", "1"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "I;16"), ("PNG", "RGBA"),
        ("JPEG", "CMYK"), ("JPEG", "L"), ("TIFF", "CMYK"), ("TIFF", "I"), ("TIFF", "F"), ("TIFF", "I;16"),
        ("TIFF", "PA"), ("TIFF", "YCbCr"), ("TIFF", "1"), ("WEBP", "RGBA"), ("AVIF", "RGBA"), ("BMP", "1"),
    ],
)  # fmt: skip
def test_files_of_every_mode_are_inspected(format: str, mode: str) -> None:
    facts = inspect(encoded(in_mode(mode), format), ImageLimits())
    assert isinstance(facts, ImageFacts), facts
    assert facts.mode == mode
    assert decoded(facts.thumbnail).size == (320, 240)


def test_values_that_are_no_numbers_or_all_alike_still_give_a_thumbnail() -> None:
    values = np.full((30, 40), np.nan, np.float32)
    values[0, 0] = np.inf
    for picture in (Image.fromarray(values), Image.new("F", (40, 30), 7.5), Image.new("I", (40, 30), -3)):
        assert decoded(thumbnail(picture, side_px=20)).size == (20, 15)


@pytest.mark.parametrize(
    ("size", "side_px", "expected"),
    [((4000, 3000), 320, (320, 240)), ((3000, 4000), 320, (240, 320)), ((100, 50), 320, (100, 50)),
     ((9000, 3), 320, (320, 1)), ((320, 320), 320, (320, 320)), ((321, 1), 320, (320, 1))],
)  # fmt: skip
def test_the_longer_side_is_limited_and_nothing_is_enlarged(
    size: tuple[int, int], side_px: int, expected: tuple[int, int]
) -> None:
    assert decoded(thumbnail(Image.new("RGB", size), side_px=side_px)).size == expected


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_parts_are_white(mode: str) -> None:
    picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0)).convert(mode)
    assert decoded(thumbnail(picture, side_px=40)).getpixel((20, 20)) == (255, 255, 255)


def test_a_colour_that_a_png_declares_transparent_is_white() -> None:
    body = encoded(Image.new("RGB", (40, 40), (10, 20, 30)), "PNG", transparency=(10, 20, 30))
    assert decoded(thumbnail(decoded(body), side_px=40)).getpixel((20, 20)) == (255, 255, 255)


def test_half_transparent_red_is_pink() -> None:
    red, green, blue = decoded(thumbnail(Image.new("RGBA", (40, 40), (255, 0, 0, 128)), side_px=20)).getpixel((10, 10))  # type: ignore[misc]
    assert red > 245
    assert 115 < green < 140
    assert 115 < blue < 140


def test_a_thumbnail_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    text = PngInfo()
    text.add_text("comment", "a secret place")
    for body in (
        encoded(noisy(), "JPEG", exif=exif, comment=b"a secret place", icc_profile=b"a secret place", dpi=(7, 7)),
        encoded(noisy(), "PNG", exif=exif, pnginfo=text, icc_profile=b"a secret place"),
    ):
        assert b"a secret place" in body or b"iCCP" in body
        facts = inspect(body, ImageLimits())
        assert isinstance(facts, ImageFacts)
        assert b"secret" not in facts.thumbnail
        small = decoded(facts.thumbnail)
        assert set(small.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not small.getexif()
