"""Whether there is anything to be seen on a picture."""

from PIL import Image

#: Places that are looked at before all pixels are, as shares of width and height.
_SAMPLES = ((0.0, 0.0), (0.5, 0.5), (0.99, 0.99), (0.2, 0.7))


def is_one_colour(picture: Image.Image) -> bool:
    """Whether all pixels are of one colour, or all of them wholly transparent."""
    if picture.has_transparency_data or picture.mode in ("P", "PA"):
        return _is_one_visible_colour(picture)
    width, height = picture.size
    if len({picture.getpixel((int(x * width), int(y * height))) for x, y in _SAMPLES}) > 1:
        return False
    return _is_flat(picture)


def _is_one_visible_colour(picture: Image.Image) -> bool:
    # Two entries of a palette may be the same colour, and what is transparent has one that nobody sees.
    seen = picture.convert("RGBA")
    return _is_flat(seen) or seen.getchannel("A").getextrema() == (0, 0)


def _is_flat(picture: Image.Image) -> bool:
    extrema = [band.getextrema() for band in picture.split()]
    return all(lowest == highest for lowest, highest in extrema)
