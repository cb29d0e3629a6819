"""Small JPEGs for pages, made of a picture that is decoded already."""

import io

from PIL import Image

_JPEG_QUALITY = 80
#: Box reduction down to this multiple of the thumbnail before the fine resize: a fifth of the time, no visible loss.
_REDUCING_GAP = 2.0


def thumbnail(upright: Image.Image, *, side_px: int) -> bytes:
    """A JPEG of the picture, neither side longer than `side_px`, never enlarged; transparent parts are white.

    It carries no metadata. 16-bit grey is scaled from its full range; the other deep grey modes, which have none, from
    the values that occur.
    """
    ready = _resizable(upright)
    width, height = _fitted(ready.size, side_px)
    small = ready.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP)
    output = io.BytesIO()
    _on_white(small).save(output, "JPEG", quality=_JPEG_QUALITY)
    return output.getvalue()


def _fitted(size: tuple[int, int], side_px: int) -> tuple[int, int]:
    scale = min(1.0, side_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _resizable(picture: Image.Image) -> Image.Image:
    """The picture in a mode that can be averaged: a palette's numbers and single bits cannot."""
    if picture.has_transparency_data:
        return picture if picture.mode in ("LA", "RGBA") else picture.convert("RGBA")
    match picture.mode:
        case "L" | "RGB" | "CMYK" | "YCbCr" | "RGBX":
            return picture
        case "1":
            return picture.convert("L")
        case mode if mode.startswith("I;16"):
            return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
        case "I" | "F":
            return _stretched(picture)
        case _:
            return picture.convert("RGB")


def _stretched(picture: Image.Image) -> Image.Image:
    low, high = (float(value) for value in picture.getextrema())  # type: ignore[arg-type]
    factor = 255 / (high - low) if high > low else 1.0
    return picture.convert("F").point(lambda value: value * factor + (-low * factor)).convert("L")


def _on_white(small: Image.Image) -> Image.Image:
    # Onto a new canvas even where nothing is transparent: it has none of the original's comments and profiles.
    canvas = Image.new("RGB", small.size, "white")
    mask = small.getchannel("A") if small.mode in ("LA", "RGBA") else None
    canvas.paste(small.convert("RGB"), mask=mask)
    return canvas
