"""Pillow's LANCZOS reduction of a grey picture to a few pixels, bit for bit, by products of matrices.

Pillow adds up whole numbers: pixels times weights of 22 bits, first along each row, then along each column, with a
rounding after each (Resample.c). Sums of whole numbers below 2**53 are exact as floating-point numbers, in whatever
order they are added up, so NumPy's product of matrices gives the same pixels in half the time.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Bits of a weight behind the point.
_PRECISION_BITS = 22
#: The filter's reach to either side, in pixels of the result.
_REACH = 3.0
#: Results that are computed by one product: together they look at a part of the row or column.
_BAND = 8
#: Lengths whose weights are kept, for each number of results: a dozen megabytes where sides have some thousand pixels.
_KEPT = 64
#: Rows that are computed at once, so that they stay in the processor's cache.
_STRIP = 64

#: Pillow takes columns first where that is less work, which it is for tall and for small pictures.
_MIN_WIDTH_PX = 100
_MIN_HEIGHT_PX = 64
_MAX_TALLNESS = 1.5
#: Above this one more copy of the pixels would be felt.
_MAX_PIXELS = 16_000_000

_Reals = NDArray[np.float64]


def reduced(grey: Image.Image, sizes_px: Sequence[tuple[int, int]]) -> list[Image.Image]:
    """The same as `grey.resize(size_px, Image.Resampling.LANCZOS)` for each of the sizes, of a picture in mode L."""
    width_px, height_px = grey.size
    is_rows_first = width_px >= _MIN_WIDTH_PX and _MIN_HEIGHT_PX <= height_px <= _MAX_TALLNESS * width_px
    if not is_rows_first or width_px * height_px > _MAX_PIXELS:
        return [grey.resize(size_px, Image.Resampling.LANCZOS) for size_px in sizes_px]
    pixels = np.asarray(grey)
    rows = [np.empty((height_px, wanted)) for wanted, _ in sizes_px]
    for top in range(0, height_px, _STRIP):
        strip = pixels[top : top + _STRIP].astype(np.float64)
        for of_size in rows:
            for band in _bands(width_px, of_size.shape[1]):
                of_size[top : top + _STRIP, band.results] = strip[:, band.pixels] @ band.weights
    return [_along_columns(_rounded(of_size), wanted) for of_size, (_, wanted) in zip(rows, sizes_px, strict=True)]


def _along_columns(rows: _Reals, wanted: int) -> Image.Image:
    small = np.empty((wanted, rows.shape[1]))
    for band in _bands(len(rows), wanted):
        small[band.results] = band.weights.T @ rows[band.pixels]
    return Image.fromarray(_rounded(small).astype(np.uint8))


def _rounded(sums: _Reals) -> _Reals:
    sums += 1 << (_PRECISION_BITS - 1)
    sums *= 0.5**_PRECISION_BITS
    return np.clip(np.floor(sums, out=sums), 0, 255, out=sums)


@dataclass(frozen=True, slots=True)
class _Band:
    """Some neighbours among the results, the pixels that they look at, and their weights: pixels × results."""

    results: slice
    pixels: slice
    weights: _Reals


@lru_cache(maxsize=_KEPT)
def _bands(count: int, wanted: int) -> tuple[_Band, ...]:
    def bands() -> Iterator[_Band]:
        every = _weights(count, wanted)
        for start in range(0, wanted, _BAND):
            weights = every[start : start + _BAND]
            seen = np.flatnonzero(weights.any(axis=0))
            pixels = slice(int(seen[0]), int(seen[-1]) + 1)
            yield _Band(slice(start, start + _BAND), pixels, np.ascontiguousarray(weights[:, pixels].T))

    return tuple(bands())


def _weights(count: int, wanted: int) -> _Reals:
    """What each of `count` pixels weighs in each of `wanted`, as Pillow computes and rounds it: wanted × count."""
    scale = count / wanted
    reach = _REACH * scale
    centres = (np.arange(wanted) + 0.5) * scale
    first = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + reach + 0.5).astype(np.int64), count)
    places = first[:, None] + np.arange(math.ceil(reach) * 2 + 1)
    weights = _lanczos(((places - centres[:, None]) + 0.5) * (1.0 / scale))
    weights[places >= last[:, None]] = 0.0
    # Added up one by one, as Pillow does: another order may round otherwise.
    weights /= np.cumsum(weights, axis=1)[:, -1:]
    whole = np.trunc(weights * (1 << _PRECISION_BITS) + np.copysign(0.5, weights))
    spread = np.zeros((wanted, count + places.shape[1]))
    np.put_along_axis(spread, places, whole, axis=1)
    return spread[:, :count]


def _lanczos(x: _Reals) -> _Reals:
    return np.where((x >= -_REACH) & (x < _REACH), _sinc(x) * _sinc(x / _REACH), 0.0)


def _sinc(x: _Reals) -> _Reals:
    angle = x * math.pi
    return np.divide(np.sin(angle), angle, out=np.ones_like(angle), where=angle != 0.0)
