"""A picture as it looks on a white page: in values that can be averaged, with nothing transparent."""

from PIL import Image


def averageable(picture: Image.Image) -> Image.Image:
    """The picture in a mode that can be averaged: a palette's numbers and single bits cannot.

    16-bit grey is scaled from its full range; the other deep grey modes, which have none, from the values that occur.
    """
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


def on_white(picture: Image.Image) -> Image.Image:
    """An averageable picture in RGB, its transparent parts white."""
    # Onto a new canvas even where nothing is transparent: it has none of the original's comments and profiles.
    canvas = Image.new("RGB", picture.size, "white")
    mask = picture.getchannel("A") if picture.mode in ("LA", "RGBA") else None
    canvas.paste(picture.convert("RGB"), mask=mask)
    return canvas


def _stretched(picture: Image.Image) -> Image.Image:
    low, high = (float(value) for value in picture.getextrema())  # type: ignore[arg-type]
    factor = 255 / (high - low) if high > low else 1.0
    return picture.convert("F").point(lambda value: value * factor + (-low * factor)).convert("L")
