"""Pictures as the web shows them again: recompressed, smaller, lighter or darker, cropped, with a mark on them."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from datasets.imaging.hashing import small_greys

_SAVED_QUALITY = 88


def _as_it_is(picture: Image.Image) -> Image.Image:
    return picture


def _half_size(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)


def _brightness(picture: Image.Image, *, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(factor)


def _cropped(picture: Image.Image) -> Image.Image:
    """5 % off each dimension, half of it on each side."""
    x, y = round(picture.width * 0.025), round(picture.height * 0.025)
    return picture.crop((x, y, picture.width - x, picture.height - y))


def _watermarked(picture: Image.Image) -> Image.Image:
    """White letters, half transparent, as high as a tenth of the picture, in its lower right part."""
    mark = Image.new("RGBA", picture.size)
    size_px = max(picture.height // 10, 8)
    place = (round(picture.width * 0.45), round(picture.height * 0.85))
    ImageDraw.Draw(mark).text(place, "© pictures", fill=(255, 255, 255, 128), font_size=size_px)
    return Image.alpha_composite(picture.convert("RGBA"), mark).convert("RGB")


#: What is done, and the JPEG quality it is saved with.
CHANGES: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    **{f"recompressed, quality {quality}": (_as_it_is, quality) for quality in (90, 80, 70, 60, 50)},
    "half size": (_half_size, _SAVED_QUALITY),
    "10 % lighter": (partial(_brightness, factor=1.1), _SAVED_QUALITY),
    "10 % darker": (partial(_brightness, factor=0.9), _SAVED_QUALITY),
    "5 % cropped": (_cropped, _SAVED_QUALITY),
    "watermark": (_watermarked, _SAVED_QUALITY),
}


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Pictures and their changed copies, as arrays: which source each comes from, and what it is compared by."""

    sources: NDArray[np.int64]
    phashes: NDArray[np.int64]
    dhashes: NDArray[np.int64]
    pixels: NDArray[np.int64]
    sizes_bytes: NDArray[np.int64]


def collected(bodies: Sequence[bytes]) -> Collection:
    """Every picture, and every change of it."""
    rows = [
        (source, *small_greys(picture).hashes(), picture.width * picture.height, len(body))
        for source, original in enumerate(bodies)
        for body in (original, *_copies(original))
        for picture in [Image.open(io.BytesIO(body)).convert("RGB")]
    ]
    sources, phashes, dhashes, pixels, sizes_bytes = np.array(rows, np.int64).T.copy()
    return Collection(sources=sources, phashes=phashes, dhashes=dhashes, pixels=pixels, sizes_bytes=sizes_bytes)


def _copies(original: bytes) -> Iterator[bytes]:
    picture = Image.open(io.BytesIO(original)).convert("RGB")
    for change, quality in CHANGES.values():
        file = io.BytesIO()
        change(picture).save(file, "JPEG", quality=quality)
        yield file.getvalue()


def made(count: int) -> list[bytes]:
    """JPEGs with light and shade of many sizes, as photographs have them; no two alike."""
    return [_made(seed) for seed in range(count)]


def _made(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    picture = np.zeros((240, 320, 3))
    for cells in (2, 4, 8, 16, 32):
        patches = rng.integers(0, 256, (cells * 3 // 4 + 1, cells + 1, 3), np.uint8)
        layer = Image.fromarray(patches).resize((320, 240), Image.Resampling.BICUBIC)
        picture += np.asarray(layer, np.float64) / cells**0.5
    lowest, highest = picture.min(), picture.max()
    file = io.BytesIO()
    Image.fromarray((255 * (picture - lowest) / (highest - lowest)).astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()
