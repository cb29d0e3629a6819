"""Quality scores of a decoded picture, at the cost of a thumbnail.

The formulas are those of the cleanvision package, which computes them on all pixels. Here brightness, information,
colours and uniformity come from every n-th pixel of every n-th row, which changes no distribution, where an average of
neighbours would: it takes the darkest and the brightest away. Sharpness comes from the reduction that the page's
thumbnail is made of. docs/performance.md tells how far that is from the formulas on all pixels.

Transparent parts count as white, as they do on the page. Of an animation the first frame counts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from datasets.imaging.checks import CHECKS, DEFAULT_THRESHOLDS, Check, Direction
from datasets.imaging.flattening import averageable, on_white
from datasets.imaging.privacy import PrivacyNotes

#: Pixels that are looked at: a hundredth of them, the brightest that `dark_score` asks for, are still hundreds.
_SAMPLE_PIXELS: Final = 64 * 1024
#: The long side of what sharpness is measured on.
_SHARPNESS_SIDE_PX: Final = 64
_SHARPNESS_SCALE: Final = 0.01
#: A spread of tones below this says nothing about sharpness.
_LEAST_TONE_SCORE: Final = 0.18

#: Red, green and blue of the pixels that are looked at.
Channels = Sequence[NDArray[np.uint8]]

#: Thousandths that the squares of red, green and blue have in the brightness that is perceived (HSP colour model).
#: Whole numbers: sums of them are the same on every machine.
_BRIGHTNESS_WEIGHTS: Final = (241, 691, 68)
#: Levels of 255 that nobody sees: lossy formats make grey differ in 1 to 3, and the faintest colour photograph of 250
#: had 20; the noise of a JPEG's plain areas stays within.
_SAME_COLOUR_LEVELS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Scores from 0 (bad) to 1 (good), and what else is worth a flag.

    - `dark_score`: the 99th percentile of brightness, sqrt(.241 R² + .691 G² + .068 B²) / 255.
    - `light_score`: 1 - its 5th percentile.
    - `low_information_score`: a tenth of the entropy of the tones of all channels, in bits.
    - `blurry_score`: from the edges of the picture at 64 pixels, and the spread of its histogram.
    - `odd_aspect_ratio_score`: the shorter side divided by the longer one.
    - `uniform_score`: the share of pixels that are not of the picture's one colour. That is the median of each channel,
      give or take 8 levels of 255: a colour that fills more than half of the picture is its median, whatever the rest
      is, and where none does the score is far from 0 anyway. Ours; cleanvision has no such check.
    - `is_grayscale`: in no pixel do the channels differ by more than 8 levels of 255, whatever the colour mode.
    - `is_animated`: more than one frame; pages of a TIFF count.
    - `has_gps`, `has_personal_data`: see `datasets.imaging.privacy`.
    """

    dark_score: float
    light_score: float
    low_information_score: float
    blurry_score: float
    odd_aspect_ratio_score: float
    uniform_score: float
    is_grayscale: bool
    is_animated: bool
    has_gps: bool
    has_personal_data: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeBounds:
    """The sizes, sqrt(width × height) in pixels, between which images of a dataset are ordinary."""

    low_px: float
    high_px: float

    def exclude(self, width_px: int, height_px: int) -> bool:
        return not self.low_px <= math.sqrt(width_px * height_px) <= self.high_px


def measured(*, upright: Image.Image, small: Image.Image, frames: int, privacy: PrivacyNotes) -> Quality:
    """The quality of a decoded picture; `small` is its fine reduction of at least 64 pixels (thumbnails.reduced)."""
    sample = _flat(_sampled(upright))
    channels = [np.asarray(band).ravel() for band in sample.convert("RGB").split()]
    brightest, darkest = _brightness(channels, percentiles=(99, 5))
    return Quality(
        dark_score=brightest,
        light_score=1 - darkest,
        low_information_score=min(1.0, sample.entropy() / 10),
        blurry_score=_sharpness(small),
        odd_aspect_ratio_score=min(upright.size) / max(upright.size),
        uniform_score=1 - _share_of_one_colour(channels),
        is_grayscale=_is_grey(channels),
        is_animated=frames > 1,
        has_gps=privacy.has_gps,
        has_personal_data=privacy.has_personal_data,
    )


def flags(quality: Quality, thresholds: Mapping[Check, float] = DEFAULT_THRESHOLDS) -> frozenset[Check]:
    """The checks that flag the picture. Not ODD_SIZE, for which the dataset has to be known; see `size_bounds`."""
    return frozenset(
        check
        for check, info in CHECKS.items()
        if (info.direction == Direction.BELOW and getattr(quality, info.field) < thresholds[check])
        or (info.direction == Direction.PRESENT and getattr(quality, info.field))
    )


def size_bounds(
    widths_px: NDArray[np.integer],
    heights_px: NDArray[np.integer],
    *,
    iqr_factor: float = DEFAULT_THRESHOLDS[Check.ODD_SIZE],
) -> SizeBounds:
    """The quartiles of sqrt(width × height) of a dataset's images, widened by so many times their distance.

    Where more than three quarters of the images have one size, every other size is odd. Without images none is.
    """
    if not len(widths_px):
        return SizeBounds(low_px=0.0, high_px=math.inf)
    sizes_px = np.sqrt(np.asarray(widths_px, np.float64) * heights_px)
    first, third = (float(quartile) for quartile in np.percentile(sizes_px, (25, 75)))
    reach_px = iqr_factor * (third - first)
    return SizeBounds(low_px=first - reach_px, high_px=third + reach_px)


def _sampled(picture: Image.Image) -> Image.Image:
    """Every n-th pixel of every n-th row."""
    width, height = picture.size
    # An odd distance falls on all phases of patterns of 2, 4 and 8: interlaced films, halftones, a codec's blocks.
    step = min(math.ceil(math.sqrt(width * height / _SAMPLE_PIXELS)) | 1, width, height)
    columns, rows = width // step, height // step
    return picture.resize((columns, rows), Image.Resampling.NEAREST, box=(0, 0, columns * step, rows * step))


def _flat(sample: Image.Image) -> Image.Image:
    """In RGB or L: what is stored in one channel has the entropy of one."""
    ready = averageable(sample)
    return ready if ready.mode == "L" else on_white(ready)


def _brightness(channels: Channels, *, percentiles: tuple[int, ...]) -> list[float]:
    """Percentiles of brightness, 0 to 1."""
    wide = (channel.astype(np.int32) for channel in channels)
    powers = sum(weight * channel * channel for weight, channel in zip(_BRIGHTNESS_WEIGHTS, wide, strict=True))
    return [math.sqrt(power / sum(_BRIGHTNESS_WEIGHTS)) / 255 for power in np.percentile(powers, percentiles)]


def _share_of_one_colour(channels: Channels) -> float:
    is_same = np.ones(len(channels[0]), np.bool_)
    for channel in channels:
        median = int(np.bincount(channel, minlength=256).cumsum().searchsorted(len(channel) / 2))
        is_same &= (channel >= median - _SAME_COLOUR_LEVELS) & (channel <= median + _SAME_COLOUR_LEVELS)
    return float(is_same.mean())


def _is_grey(channels: Channels) -> bool:
    red, green, blue = channels
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool(spread.max() <= _SAME_COLOUR_LEVELS)


def _sharpness(small: Image.Image) -> float:
    factor = max(1.0, max(small.size) / _SHARPNESS_SIDE_PX)
    size_px = max(1, int(small.width // factor)), max(1, int(small.height // factor))
    grey = small.convert("L").resize(size_px, Image.Resampling.BICUBIC)
    edges = float(np.std(np.asarray(grey.filter(ImageFilter.FIND_EDGES))))
    tones = _saturating(float(np.std(grey.histogram())))
    return min(1.0, _saturating(edges) + (tones if tones > _LEAST_TONE_SCORE else 0.0))


def _saturating(value: float) -> float:
    return 1 - math.exp(-_SHARPNESS_SCALE * value)
