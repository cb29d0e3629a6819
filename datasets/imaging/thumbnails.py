"""Small pictures for pages, from the decode that is done anyway."""

import io

from PIL import Image

_QUALITY = 80
_WHITE = (255, 255, 255)


def thumbnail(picture: Image.Image, side_px: int) -> bytes:
    """A JPEG of at most `side_px` on its longer side, upright as given, on white, without metadata."""
    longer = max(picture.size)
    if longer > side_px:
        # Whole-number box reduction first: it costs little, and leaves the fine resize at most twice the size.
        factor = longer // (side_px * 2)
        small = picture.reduce(factor) if factor > 1 and picture.mode not in {"P", "PA", "1"} else picture
        small = small if small.mode in {"RGB", "L"} else flattened(small)
        scale = side_px / max(small.size)
        size = max(1, round(small.width * scale)), max(1, round(small.height * scale))
        small = small.resize(size, Image.Resampling.LANCZOS)
    else:
        small = picture
    buffer = io.BytesIO()
    flattened(small).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def flattened(picture: Image.Image) -> Image.Image:
    """The picture in RGB, what is transparent on white."""
    if picture.mode == "RGB":
        return picture
    if picture.mode in {"I", "F"} or picture.mode.startswith("I;16"):
        return _eight_bits(picture).convert("RGB")
    if picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        canvas = Image.new("RGB", rgba.size, _WHITE)
        canvas.paste(rgba, mask=rgba.getchannel("A"))
        return canvas
    return picture.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Deep grey stretched from its darkest to its brightest value: cut off at 255 it would be white."""
    deep = picture.convert("F")
    low, high = deep.getextrema()
    assert isinstance(low, float) and isinstance(high, float)  # noqa: S101  one band
    span = (high - low) or 1.0
    return deep.point(lambda value: value * (255.0 / span) - low * 255.0 / span).convert("L")
