"""The reference for quality scores: the formulas of the cleanvision package, on all pixels of a picture in L or RGB."""

import numpy as np
from PIL import Image, ImageFilter, ImageStat


def full_resolution_scores(picture: Image.Image) -> dict[str, float]:
    """The scores, by the names of their fields in datasets.imaging.quality.Quality."""
    pixels = np.asarray(picture).astype(np.int64)
    if pixels.ndim == 3:
        red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
        brightness = np.sqrt(0.241 * red**2 + 0.691 * green**2 + 0.068 * blue**2) / 255
    else:
        brightness = pixels / 255
    return {
        "dark_score": float(np.percentile(brightness, 99)),
        "light_score": float(1 - np.percentile(brightness, 5)),
        "low_information_score": min(1.0, 0.1 * picture.entropy()),
        "blurry_score": _sharpness(picture),
        "odd_aspect_ratio_score": min(picture.width / picture.height, picture.height / picture.width),
    }


def _sharpness(picture: Image.Image) -> float:
    ratio = max(picture.size) / 64
    if ratio > 1:
        picture = picture.resize((max(int(picture.width // ratio), 1), max(int(picture.height // ratio), 1)))
    grey = picture.convert("L")
    edges = ImageStat.Stat(grey.filter(ImageFilter.FIND_EDGES)).var[0]
    edge_score = 1 - np.exp(-0.01 * np.sqrt(edges))
    tone_score = 1 - np.exp(-0.01 * np.std(grey.histogram()))
    return float(min(1.0, edge_score + (tone_score if tone_score > 0.18 else 0.0)))
