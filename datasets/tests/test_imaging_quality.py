"""Each check flags the picture made for it, and none flags a sound photograph."""

import io
import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from datasets.imaging.checks import CHECKS, DEFAULT_THRESHOLDS, Check
from datasets.imaging.inspect import inspect
from datasets.imaging.quality import Quality, flags, size_bounds
from datasets.imaging.types import Extras, ImageFacts, ImageLimits, Rejection
from datasets.tests.full_resolution import full_resolution_scores
from datasets.tests.pictures import FORMATS, animated, drawn, encoded, noisy

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

#: Below the thumbnail's size, where every pixel is looked at, and far above both.
SIZES_PX = [(240, 180), (900, 700)]


@cache
def photograph(width_px: int = 900, height_px: int = 700, *, seed: int = 0) -> Image.Image:
    """Shapes with soft shades, edges and grain: light, tones and detail of a photograph."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(0, 1, width_px), np.linspace(0, 1, height_px))
    shades = np.stack([160 * across + 40, 200 * down + 20, 120 * (1 - across) + 80 * down], axis=2)
    shapes = np.asarray(drawn(width_px, height_px, seed=seed).filter(ImageFilter.GaussianBlur(1)), np.float64)
    pixels = 0.45 * shades + 0.55 * shapes + rng.normal(0, 8, (height_px, width_px, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def quality_of(body: bytes) -> Quality:
    result = inspect(body, ImageLimits(), extras=Extras(quality=True))
    assert isinstance(result, ImageFacts), result
    assert result.quality
    return result.quality


def flags_of(picture: Image.Image, format: str = "BMP") -> set[Check]:
    return set(flags(quality_of(encoded(picture, format))))


def grey_with_a_spot(picture: Image.Image) -> Image.Image:
    spotted = picture.convert("L").convert("RGB")
    spotted.paste((200, 40, 40), (picture.width // 2, picture.height // 2, picture.width * 5 // 8, picture.height))
    return spotted


def placeholder() -> Image.Image:
    """A plain ground that a JPEG made uneven, and a small sign on it."""
    noise = np.random.default_rng(1).integers(-2, 3, (600, 800, 3))
    picture = Image.fromarray((np.array([225, 228, 232]) + noise).astype(np.uint8))
    picture.paste(photograph(120, 90), (340, 250))
    return picture


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size_px", SIZES_PX)
def test_a_sound_photograph_is_not_flagged(format: str, size_px: tuple[int, int]) -> None:
    assert flags_of(photograph(*size_px), format) == set()


@pytest.mark.parametrize("size_px", SIZES_PX)
@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda picture: ImageEnhance.Brightness(picture).enhance(0.3), Check.DARK),
        (lambda picture: Image.blend(Image.new("RGB", picture.size, "white"), picture, 0.05), Check.LIGHT),
        (lambda picture: picture.quantize(2, dither=Image.Dither.NONE), Check.LOW_INFORMATION),
        (lambda picture: picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 30)), Check.BLURRY),
        (lambda picture: picture.crop((0, 0, picture.width, picture.height // 4)), Check.ODD_ASPECT_RATIO),
        (lambda picture: picture.convert("L").convert("RGB"), Check.GRAYSCALE),
        (lambda picture: picture.convert("L"), Check.GRAYSCALE),
        (lambda picture: picture.convert("L").convert("RGBA"), Check.GRAYSCALE),
        (lambda picture: picture.convert("1"), Check.GRAYSCALE),
    ],
    ids=["dark", "light", "few-tones", "blurry", "strip", "grey-rgb", "grey-l", "grey-rgba", "black-and-white"],
)
def test_what_is_wrong_is_flagged(
    spoil: Callable[[Image.Image], Image.Image], expected: Check, size_px: tuple[int, int]
) -> None:
    assert expected not in flags_of(photograph(*size_px))
    spoilt = spoil(photograph(*size_px))
    assert expected in flags_of(spoilt, "PNG" if spoilt.mode == "RGBA" else "BMP")


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "GIF"])
def test_grey_that_was_compressed_as_colours_is_grayscale(format: str) -> None:
    body = encoded(photograph().convert("L").convert("RGB"), format)
    with Image.open(io.BytesIO(body)) as picture:
        assert picture.mode != "L" or format == "GIF"
    assert quality_of(body).is_grayscale


def test_one_coloured_thing_in_a_grey_picture_makes_it_no_grayscale() -> None:
    assert not quality_of(encoded(grey_with_a_spot(photograph()), "BMP")).is_grayscale


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_placeholder_is_nearly_one_colour(format: str) -> None:
    assert Check.NEAR_UNIFORM in flags_of(placeholder(), format)
    assert Check.NEAR_UNIFORM not in flags_of(Image.blend(placeholder(), photograph(800, 600), 0.3), format)


def test_a_colour_of_half_the_picture_is_not_nearly_all_of_it() -> None:
    picture = photograph().copy()
    picture.paste((90, 120, 200), (0, 0, picture.width, picture.height * 6 // 10))
    assert quality_of(encoded(picture, "PNG")).uniform_score == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_more_than_one_frame_is_animated(format: str) -> None:
    assert quality_of(animated(format)).is_animated
    assert not quality_of(encoded(noisy(), format)).is_animated


def test_transparent_parts_count_as_white() -> None:
    picture = photograph().convert("RGBA")
    picture.putalpha(0)
    picture.alpha_composite(photograph(40, 40).convert("RGBA"))
    assert {Check.LIGHT, Check.NEAR_UNIFORM} <= flags_of(picture, "PNG")


def test_thresholds_of_a_dataset_move_the_line() -> None:
    quality = quality_of(encoded(photograph()))
    strict = {**DEFAULT_THRESHOLDS, Check.DARK: 1.0, Check.BLURRY: 1.0}
    assert flags(quality, strict) == {Check.DARK, Check.BLURRY}


def test_every_check_looks_at_a_field_that_there_is() -> None:
    quality = quality_of(encoded(photograph()))
    assert set(CHECKS) == set(Check)
    assert {info.field for info in CHECKS.values() if info.field} == set(quality.__slots__)


# The scores against the formulas on all pixels.


@pytest.mark.parametrize("size_px", [*SIZES_PX, (1800, 1200)])
@pytest.mark.parametrize("degree", [0.3, 1.0])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda picture, degree: ImageEnhance.Brightness(picture).enhance(degree),
        lambda picture, degree: Image.blend(Image.new("RGB", picture.size, "white"), picture, degree / 5),
        lambda picture, degree: ImageEnhance.Contrast(picture).enhance(degree / 2),
        lambda picture, degree: picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 50 * degree)),
        lambda picture, degree: picture.convert("L").crop((0, 0, picture.width, int(picture.height * degree))),
    ],
    ids=["darker", "lighter", "flatter", "blurred", "grey strip"],
)
def test_scores_are_nearly_those_on_all_pixels(
    spoil: Callable[[Image.Image, float], Image.Image], degree: float, size_px: tuple[int, int]
) -> None:
    picture = spoil(photograph(*size_px), degree)
    quality = quality_of(encoded(picture, "BMP"))
    for name, expected in full_resolution_scores(picture).items():
        assert getattr(quality, name) == pytest.approx(expected, abs=0.02), name
        threshold = DEFAULT_THRESHOLDS[next(check for check, info in CHECKS.items() if info.field == name)]
        assert (getattr(quality, name) < threshold) == (expected < threshold), name


@pytest.mark.parametrize("size_px", [(1024, 768), (1600, 1200)])
@pytest.mark.parametrize("period_px", [2, 4, 8])
def test_fine_patterns_are_seen_as_they_are(size_px: tuple[int, int], period_px: int) -> None:
    width_px, height_px = size_px
    across, down = np.meshgrid(np.arange(width_px), np.arange(height_px))
    for pattern in (across, down, across + down):
        picture = Image.fromarray(np.where(pattern % period_px < period_px // 2, 250, 10).astype(np.uint8))
        quality = quality_of(encoded(picture, "BMP"))
        assert quality.dark_score == pytest.approx(250 / 255, abs=0.01)
        assert quality.light_score == pytest.approx(1 - 10 / 255, abs=0.01)
        assert quality.uniform_score == pytest.approx(0.5, abs=0.05)


# What must never raise.


def in_mode(mode: str, size_px: tuple[int, int]) -> bytes:
    grey = noisy(*size_px).convert("L")
    deep = np.asarray(grey).astype(np.float64)
    match mode:
        case "I;16":
            return encoded(Image.fromarray((deep * 257).astype(np.uint16)), "PNG")
        case "I;16B":
            return encoded(Image.fromarray((deep * 257).astype(">u2")), "TIFF")
        case "I":
            return encoded(Image.fromarray((deep * 1000).astype(np.int32)), "TIFF")
        case "F":
            deep[0, 0] = math.nan
            return encoded(Image.fromarray(deep.astype(np.float32)), "TIFF")
        case "P":
            return encoded(noisy(*size_px).quantize(16), "PNG", transparency=3)
        case "RGB with a transparent colour":
            return encoded(noisy(*size_px), "PNG", transparency=(1, 2, 3))
        case _:
            return encoded(noisy(*size_px).convert(mode), "TIFF" if mode in ("CMYK", "YCbCr", "RGBX") else "PNG")


@pytest.mark.parametrize("size_px", [(2, 1), (1, 2), (3, 3), (15, 300), (16_000, 3)])
@pytest.mark.parametrize(
    "mode",
    ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I", "I;16", "I;16B", "F",
     "RGB with a transparent colour"],
)  # fmt: skip
def test_every_mode_and_size_has_all_extras(mode: str, size_px: tuple[int, int]) -> None:
    limits = ImageLimits(max_aspect=20_000)
    result = inspect(in_mode(mode, size_px), limits, extras=Extras(quality=True, pixel_hash=True, turned_hashes=True))
    if isinstance(result, Rejection):
        # By chance all of so few pixels may be of one colour.
        assert (result.reason, max(size_px)) == ("blank", 2)
    else:
        assert result.quality
        assert result.pixel_hash
        assert len(result.turned_hashes) == 7


def test_a_picture_of_one_pixel_and_two_frames_has_all_extras() -> None:
    quality = quality_of(encoded(noisy(1, 1), "GIF", save_all=True, append_images=[noisy(1, 1, seed=1)]))
    assert (quality.uniform_score, quality.odd_aspect_ratio_score) == (0.0, 1.0)


# The size among the others of a dataset.


def test_sizes_far_outside_the_quartiles_are_odd() -> None:
    rng = np.random.default_rng(0)
    widths_px, heights_px = rng.integers(600, 1200, 500), rng.integers(400, 900, 500)
    bounds = size_bounds(widths_px, heights_px)
    assert not any(bounds.exclude(width, height) for width, height in zip(widths_px, heights_px, strict=True))
    assert bounds.exclude(6000, 4000)
    assert bounds.exclude(9_000, 300)
    assert not bounds.exclude(800, 600)


def test_bounds_are_the_quartiles_widened_by_the_factor() -> None:
    sizes_px = np.array([100, 200, 300, 400, 500])
    bounds = size_bounds(sizes_px, sizes_px, iqr_factor=1.5)
    assert (bounds.low_px, bounds.high_px) == pytest.approx((200 - 1.5 * 200, 400 + 1.5 * 200))
    assert not bounds.exclude(700, 700)
    assert bounds.exclude(701, 700)


def test_among_images_of_one_size_another_one_is_odd_and_among_none_nothing_is() -> None:
    same = np.full(50, 640)
    assert not size_bounds(same, same).exclude(640, 640)
    assert size_bounds(same, same).exclude(641, 640)
    assert not size_bounds(np.array([], int), np.array([], int)).exclude(10_000, 10_000)
