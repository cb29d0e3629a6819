"""`bing`: Bing's page of images, read as a browser gets it. No official interface: it may break any day."""

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, Final

from datasets.licences import LicenceClass
from jobs.crawl.filters import Colour, Filter, Filters, Orientation
from jobs.crawl.sources.base import EVERY, Services, SourceConfig, SourceInfo
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate
from jobs.crawl.types import Candidate, Cursor, Page, Query

#: Results of one request, as the page itself asks for them.
_PAGE: Final = 35

#: The frame that results stand in, also where there are none.
_FRAME: Final = ("dgControl", "mmComponent_images")

_SHAPES: Final = {Orientation.LANDSCAPE: "wide", Orientation.PORTRAIT: "tall", Orientation.SQUARE: "square"}
_LICENCES: Final = {
    LicenceClass.SHARE: "licenseType-Any",
    LicenceClass.COMMERCIAL: "license-L2_L3_L4",
    LicenceClass.PUBLIC_DOMAIN: "license-L1",
}
_COLOURS: Final = {
    Colour.COLOURFUL: "color2-color",
    Colour.GRAYSCALE: "color2-bw",
    Colour.TRANSPARENT: "photo-transparent",
    Colour.TURQUOISE: "color2-FGcls_TEAL",
    **{
        colour: f"color2-FGcls_{colour.value.upper()}"
        for colour in (
            *(Colour.RED, Colour.ORANGE, Colour.YELLOW, Colour.GREEN, Colour.BLUE, Colour.PURPLE, Colour.PINK),
            *(Colour.WHITE, Colour.GRAY, Colour.BLACK, Colour.BROWN),
        )
    },
}

INFO = SourceInfo(
    name="bing",
    title="Bing",
    hint="The open web by Bing's page of images. No licences.",
    licence_known=False,
    url="https://www.bing.com/",
    applies={
        Filter.SAFE_SEARCH: EVERY,
        Filter.MIN_SIZE: EVERY,
        Filter.ORIENTATION: EVERY,
        Filter.COLOUR: frozenset(colour.value for colour in _COLOURS),
        Filter.LICENCE: frozenset(licence.value for licence in _LICENCES),
    },
    result_cap=1_000,
    requests_per_minute=10,
    best_effort=True,
)


class BingSource:
    """Reads on until a page is empty: Bing does not say how much it has. The cursor is the number of the result."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._talk = Conversation(INFO, config, services)
        self._cap = config.result_cap or 1_000

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        start = int(cursor["start"]) if cursor else 0
        size = min(_PAGE, self._cap - start)
        if size <= 0:
            return Page(candidates=(), next_cursor=None)
        asked = {
            "q": query.keyword,
            "async": "1",
            "first": str(start + 1),
            "count": str(size),
            "adlt": "strict" if query.filters.safe_search else "off",
            "qft": _narrowed(query.filters),
        }
        page = self._talk.text("images/async", {name: value for name, value in asked.items() if value})
        results = results_of(page)
        # Behind the last result comes less than a page.
        if not results and not cursor and not any(words in page for words in _FRAME):
            raise self._talk.shape_changed("without the frame that results stand in")
        found = [_candidate(item, start + rank) for rank, item in enumerate(results)]
        is_cut_off = start + len(results) >= self._cap
        return Page(
            candidates=tuple(one for one in found if one),
            next_cursor={"start": start + len(results)} if results and not is_cut_off else None,
            is_cut_off=is_cut_off,
        )


def build(config: SourceConfig, services: Services) -> BingSource:
    return BingSource(config, services)


def results_of(page: str) -> list[Mapping[str, Any]]:
    """What Bing notes of each result: an object in the attribute `m` of a link of the class `iusc`."""
    reader = _Results()
    reader.feed(page)
    return reader.found


class _Results(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Mapping[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag != "a" or "iusc" not in (attributes.get("class") or "").split():
            return
        try:
            noted = json.loads(attributes.get("m") or "")
        except (ValueError, RecursionError):
            return
        if isinstance(noted, dict):
            self.found.append(noted)


def _narrowed(filters: Filters) -> str:
    """The filters in the words of the page, one behind the other."""
    wanted = [
        _COLOURS.get(filters.colour, ""),
        f"aspect-{_SHAPES[filters.orientation]}" if filters.orientation in _SHAPES else "",
        _LICENCES.get(filters.licence, ""),
        f"imagesize-custom_{filters.min_width_px}_{filters.min_height_px}" if Filter.MIN_SIZE in filters.active else "",
    ]
    return "".join(f"+filterui:{value}" for value in wanted if value)


def _candidate(item: Mapping[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without the picture's own address."""
    return candidate(
        INFO,
        url=item.get("murl"),
        rank=rank,
        source_id=item.get("mid"),
        thumb_url=item.get("turl"),
        page_url=item.get("purl"),
        title=item.get("t"),
    )
