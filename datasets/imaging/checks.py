"""The closed list of quality checks: what each means, and where it draws the line by default.

docs/quality.md explains each to people. Names and thresholds are those of the cleanvision package where a check means
the same. A flag never changes what becomes of an image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Check(StrEnum):
    """What can be odd about a sound picture."""

    DARK = "dark"
    LIGHT = "light"
    LOW_INFORMATION = "low_information"
    BLURRY = "blurry"
    NEAR_UNIFORM = "near_uniform"
    ODD_ASPECT_RATIO = "odd_aspect_ratio"
    ODD_SIZE = "odd_size"
    GRAYSCALE = "grayscale"
    ANIMATED = "animated"
    GPS = "gps"
    PERSONAL_DATA = "personal_data"


class Direction(StrEnum):
    """Where a picture has to lie to be flagged."""

    #: Its score, 0 (bad) to 1 (good), is below the threshold.
    BELOW = "below"
    #: Its size is more than threshold × interquartile range outside the quartiles of its dataset.
    OUTSIDE = "outside"
    #: It has the property; there is no threshold.
    PRESENT = "present"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInfo:
    """One check as pages show it.

    `field` is the field of `datasets.imaging.quality.Quality` that it looks at; "" for the size, which only means
    something next to the other images of the dataset. `threshold` is None where there is nothing to set.
    """

    title: str
    meaning: str
    direction: Direction
    field: str
    threshold: float | None = None


CHECKS: Final[Mapping[Check, CheckInfo]] = MappingProxyType(
    {
        Check.DARK: CheckInfo(
            title="Dark",
            meaning="Even its brightest parts are dark.",
            direction=Direction.BELOW,
            field="dark_score",
            threshold=0.32,
        ),
        Check.LIGHT: CheckInfo(
            title="Light",
            meaning="Even its darkest parts are nearly white.",
            direction=Direction.BELOW,
            field="light_score",
            threshold=0.05,
        ),
        Check.LOW_INFORMATION: CheckInfo(
            title="Low information",
            meaning="It has few different tones.",
            direction=Direction.BELOW,
            field="low_information_score",
            threshold=0.30,
        ),
        Check.BLURRY: CheckInfo(
            title="Blurry",
            meaning="It has hardly an edge, even at the size of a stamp.",
            direction=Direction.BELOW,
            field="blurry_score",
            threshold=0.29,
        ),
        Check.NEAR_UNIFORM: CheckInfo(
            title="Nearly one colour",
            meaning="Nearly all of it is one colour, as in placeholders and empty scans.",
            direction=Direction.BELOW,
            field="uniform_score",
            threshold=0.05,
        ),
        Check.ODD_ASPECT_RATIO: CheckInfo(
            title="Odd aspect ratio",
            meaning="It is much longer than wide, or the other way round.",
            direction=Direction.BELOW,
            field="odd_aspect_ratio_score",
            threshold=0.35,
        ),
        Check.ODD_SIZE: CheckInfo(
            title="Odd size",
            meaning="It is far smaller or larger than the other images of the dataset.",
            direction=Direction.OUTSIDE,
            field="",
            threshold=3.0,
        ),
        Check.GRAYSCALE: CheckInfo(
            title="Grayscale",
            meaning="It has no colours, however it is stored.",
            direction=Direction.PRESENT,
            field="is_grayscale",
        ),
        Check.ANIMATED: CheckInfo(
            title="Animated",
            meaning="It has more than one frame or page; only the first one is looked at.",
            direction=Direction.PRESENT,
            field="is_animated",
        ),
        Check.GPS: CheckInfo(
            title="GPS position",
            meaning="Its metadata tell where it was taken.",
            direction=Direction.PRESENT,
            field="has_gps",
        ),
        Check.PERSONAL_DATA: CheckInfo(
            title="Personal data",
            meaning="Its metadata name a person, a way to reach one, or the serial number of somebody's camera.",
            direction=Direction.PRESENT,
            field="has_personal_data",
        ),
    }
)

#: The thresholds that a dataset starts with; what is not in here has none.
DEFAULT_THRESHOLDS: Final[Mapping[Check, float]] = MappingProxyType(
    {check: info.threshold for check, info in CHECKS.items() if info.threshold is not None}
)
