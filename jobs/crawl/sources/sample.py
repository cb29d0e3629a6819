"""`sample`: labelled pictures drawn on the spot, for a first look without any network.

Among them, at fixed places of every dozen, stand a second copy, a damaged file, a web page and a picture that is
too small, so that every outcome can be seen.
"""

import functools
import io
import math
import random
import time

from PIL import Image, ImageDraw, ImageFont

from datasets.outcomes import Reason
from jobs.crawl.filters import Filter
from jobs.crawl.sources.base import EVERY, Option, Services, SourceConfig, SourceInfo
from jobs.crawl.types import Candidate, Cursor, Fetched, FetchFailure, Page, Query

INFO = SourceInfo(
    name="sample",
    title="Sample pictures",
    hint="Drawn on this machine, no network. For trying things out.",
    licence_known=True,
    ml_use="allowed",
    applies={Filter.SAFE_SEARCH: EVERY},
    options=(
        Option(
            name="delay_s",
            kind="float",
            default="0.15",
            meaning="Pause per picture of the sample source, to be watched.",
        ),
    ),
)

PICTURES_PER_KEYWORD = 60
_PAGE_SIZE = 12
_SCHEME = "sample:"
_SIZE = (640, 480)

#: Of five pictures in a row, and how each is written: quickly, for a first look.
_FORMATS = ("JPEG", "PNG", "JPEG", "JPEG", "WEBP")
_ENCODING: dict[str, dict[str, int]] = {
    "JPEG": {"quality": 88},
    "PNG": {"compress_level": 1},
    "WEBP": {"quality": 80, "method": 0},
}

#: What stands at these places of every dozen, instead of a new sound picture.
_COPY_OF_PREVIOUS, _DAMAGED, _NO_PICTURE, _SMALL = 3, 5, 8, 10


class SampleSource:
    """Lists and draws pictures; the same keyword and number always give the same bytes."""

    info = INFO

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        start = int(cursor["start"]) if cursor else 0
        end = min(start + _PAGE_SIZE, PICTURES_PER_KEYWORD)
        return Page(
            candidates=tuple(_candidate(query.keyword, number) for number in range(start, end)),
            next_cursor={"start": end} if end < PICTURES_PER_KEYWORD else None,
            total=PICTURES_PER_KEYWORD,
        )

    def read(self, candidate: Candidate) -> Fetched | FetchFailure:
        """Draws the picture, after the pause that makes it worth watching."""
        keyword, _, number = candidate.url.removeprefix(_SCHEME).rpartition("/")
        if not number.isdigit():
            return FetchFailure(reason=Reason.INVALID_URL.value, detail="This is no address of a sample picture.")
        time.sleep(self._delay_s)
        started = time.perf_counter()
        body, content_type = _body(keyword, int(number))
        return Fetched(
            body=body, final_url=candidate.url, content_type=content_type, seconds=time.perf_counter() - started
        )


def build(config: SourceConfig, services: Services) -> SampleSource:  # noqa: ARG001 - it asks nobody
    return SampleSource(delay_s=float(config.options["delay_s"]))


def _candidate(keyword: str, number: int) -> Candidate:
    return Candidate(
        url=f"{_SCHEME}{keyword}/{number}",
        source=INFO.name,
        source_id=f"{keyword[:180]}/{number}",
        title=f"{keyword}, drawing {number + 1}",
        creator="PixCrawler sample",
        licence_code="cc0",
        licence_version="1.0",
        licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
        attribution=f"“{keyword}, drawing {number + 1}” by PixCrawler sample is marked with CC0 1.0.",
        tags=("sample", keyword),
        rank=number,
        ml_use="allowed",
    )


def _body(keyword: str, number: int) -> tuple[bytes, str]:
    place = number % _PAGE_SIZE
    if place == _NO_PICTURE:
        return b"<!doctype html><title>Not found</title><p>This picture has moved.</p>", "text/html"
    if place == _COPY_OF_PREVIOUS:
        return _body(keyword, number - 1)
    if place == _SMALL:
        return _encoded(_drawn(keyword, number, (48, 36)), "JPEG"), "image/jpeg"
    kind = "JPEG" if place == _DAMAGED else _FORMATS[number % len(_FORMATS)]
    body = _encoded(_drawn(keyword, number, _SIZE), kind)
    if place == _DAMAGED:
        return body[: len(body) * 2 // 3], f"image/{kind.lower()}"
    return body, f"image/{kind.lower()}"


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **_ENCODING[kind])
    return buffer.getvalue()


def _drawn(keyword: str, number: int, size: tuple[int, int]) -> Image.Image:
    """Shapes on a soft gradient, with the keyword and the number in a corner."""
    chance = random.Random(f"{keyword}/{number}")
    picture = _gradient(chance, size)
    draw = ImageDraw.Draw(picture, "RGBA")
    sides = {"circles": 0, "triangles": 3, "squares": 4, "stars": 10}.get(keyword, chance.choice((0, 3, 4, 5, 6, 10)))
    for _ in range(chance.randint(3, 8)):
        centre = chance.uniform(0, size[0]), chance.uniform(0, size[1])
        radius = chance.uniform(0.06, 0.26) * size[0]
        colour = (*_colour(chance, 0.25), chance.randint(140, 235))
        if sides == 0:
            draw.ellipse([centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius], fill=colour)
        else:
            draw.polygon(_polygon(centre, radius, sides, chance.uniform(0, math.tau)), fill=colour)
    if size == _SIZE:
        draw.text((18, size[1] - 40), f"{keyword} {number + 1}", font=_font(), fill=(255, 255, 255, 210))
    return picture


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=22)


def _gradient(chance: random.Random, size: tuple[int, int]) -> Image.Image:
    corners = Image.new("RGB", (2, 2))
    corners.putdata([_colour(chance, 0.75) for _ in range(4)])
    return corners.resize(size, Image.Resampling.BICUBIC)


def _polygon(centre: tuple[float, float], radius: float, sides: int, turn: float) -> list[tuple[float, float]]:
    """Corners of a regular polygon; with ten, every second one drawn in makes a star."""
    return [
        (
            centre[0]
            + radius * (0.45 if sides == 10 and corner % 2 else 1) * math.cos(turn + math.tau * corner / sides),
            centre[1]
            + radius * (0.45 if sides == 10 and corner % 2 else 1) * math.sin(turn + math.tau * corner / sides),
        )
        for corner in range(sides)
    ]


def _colour(chance: random.Random, lightness: float) -> tuple[int, int, int]:
    mixed = (int(255 * min(1, max(0, lightness + chance.uniform(-0.25, 0.25)))) for _ in range(3))
    red, green, blue = mixed
    return red, green, blue
