"""What pictures people ask for, beyond the words that they search with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from datasets.licences import LicenceClass


class Filter(StrEnum):
    """What can be asked for."""

    MIN_SIZE = "min_size"
    FORMAT = "format"
    ORIENTATION = "orientation"
    COLOUR = "colour"
    LICENCE = "licence"
    SAFE_SEARCH = "safe_search"
    DATE = "date"


class PictureFormat(StrEnum):
    """Formats that are kept, in lower case."""

    ANY = "any"
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    BMP = "bmp"
    TIFF = "tiff"
    AVIF = "avif"


class Orientation(StrEnum):
    """Square: the longer side is at most a tenth longer."""

    ANY = "any"
    LANDSCAPE = "landscape"
    PORTRAIT = "portrait"
    SQUARE = "square"


class Colour(StrEnum):
    """What a picture mostly shows. Services know different sets of these."""

    ANY = "any"
    COLOURFUL = "colourful"
    GRAYSCALE = "grayscale"
    TRANSPARENT = "transparent"
    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    TURQUOISE = "turquoise"
    BLUE = "blue"
    PURPLE = "purple"
    PINK = "pink"
    WHITE = "white"
    GRAY = "gray"
    BLACK = "black"
    BROWN = "brown"


SQUARE_RATIO: Final = 1.1

#: The values of each filter that has a list of them; a size and a date have none.
VALUES: Final[Mapping[Filter, frozenset[str]]] = {
    Filter.MIN_SIZE: frozenset(),
    Filter.FORMAT: frozenset(one.value for one in PictureFormat if one != "any"),
    Filter.ORIENTATION: frozenset(one.value for one in Orientation if one != "any"),
    Filter.COLOUR: frozenset(one.value for one in Colour if one != "any"),
    Filter.LICENCE: frozenset(one.value for one in LicenceClass if one != "any"),
    Filter.SAFE_SEARCH: frozenset({"on"}),
    Filter.DATE: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is asked for. Sides are upright and in pixels; `after` and `before` are days, both included."""

    min_width_px: int = 1
    min_height_px: int = 1
    format: PictureFormat = PictureFormat.ANY
    orientation: Orientation = Orientation.ANY
    colour: Colour = Colour.ANY
    licence: LicenceClass = LicenceClass.ANY
    safe_search: bool = True
    after: date | None = None
    before: date | None = None

    @property
    def active(self) -> Mapping[Filter, str]:
        """The filters that leave something out, each with its value as people read it."""
        asked = {
            Filter.MIN_SIZE: f"{self.min_width_px}x{self.min_height_px}"
            if max(self.min_width_px, self.min_height_px) > 1
            else "",
            Filter.FORMAT: "" if self.format is PictureFormat.ANY else self.format.value,
            Filter.ORIENTATION: "" if self.orientation is Orientation.ANY else self.orientation.value,
            Filter.COLOUR: "" if self.colour is Colour.ANY else self.colour.value,
            Filter.LICENCE: "" if self.licence is LicenceClass.ANY else self.licence.value,
            Filter.SAFE_SEARCH: "on" if self.safe_search else "",
            Filter.DATE: f"{self.after or ''}..{self.before or ''}" if self.after or self.before else "",
        }
        return {name: value for name, value in asked.items() if value}


def orientation_of(width_px: int, height_px: int) -> Orientation:
    """How a picture of that size lies."""
    if max(width_px, height_px) <= min(width_px, height_px) * SQUARE_RATIO:
        return Orientation.SQUARE
    return Orientation.LANDSCAPE if width_px > height_px else Orientation.PORTRAIT
