"""`duckduckgo`: DuckDuckGo's search for images, asked as its page does. No official interface: it may break any day."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from datasets.licences import LicenceClass
from jobs.crawl.filters import Colour, Filter, Filters, Orientation
from jobs.crawl.sources.base import EVERY, Services, SourceConfig, SourceError, SourceInfo
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate, count_of, items
from jobs.crawl.types import Candidate, Cursor, Page, Query

#: The token that the page gives for a search, without which nothing is answered.
_TOKEN: Final = re.compile(r"""vqd\s*[=:]\s*\\?["']?([\d-]{5,120})""")

_LAYOUTS: Final = {Orientation.LANDSCAPE: "Wide", Orientation.PORTRAIT: "Tall", Orientation.SQUARE: "Square"}
_LICENCES: Final = {
    LicenceClass.SHARE: "Share",
    LicenceClass.COMMERCIAL: "ShareCommercially",
    LicenceClass.MODIFY: "Modify",
    LicenceClass.PUBLIC_DOMAIN: "Public",
}
_COLOURS: Final = {
    Colour.COLOURFUL: "color",
    Colour.GRAYSCALE: "Monochrome",
    Colour.TURQUOISE: "Teal",
    **{
        colour: colour.value.capitalize()
        for colour in (
            *(Colour.RED, Colour.ORANGE, Colour.YELLOW, Colour.GREEN, Colour.BLUE, Colour.PURPLE, Colour.PINK),
            *(Colour.WHITE, Colour.GRAY, Colour.BLACK, Colour.BROWN),
        )
    },
}

INFO = SourceInfo(
    name="duckduckgo",
    title="DuckDuckGo",
    hint="The open web by DuckDuckGo's page of images. No licences.",
    licence_known=False,
    url="https://duckduckgo.com/",
    applies={
        Filter.SAFE_SEARCH: EVERY,
        Filter.ORIENTATION: EVERY,
        Filter.COLOUR: frozenset({*(colour.value for colour in _COLOURS), Colour.TRANSPARENT.value}),
        Filter.LICENCE: EVERY,
    },
    requests_per_minute=10,
    best_effort=True,
)


class DuckDuckGoSource:
    """Asks for a token once for each keyword, then pages by it; the cursor is the number of the result."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._talk = Conversation(INFO, config, services)
        self._tokens: dict[str, str] = {}

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        start = int(cursor["start"]) if cursor else 0
        asked = {
            "o": "json",
            "q": query.keyword,
            "l": "wt-wt",
            "vqd": self._token(query.keyword),
            "p": "1" if query.filters.safe_search else "-1",
            "f": _narrowed(query.filters),
            "s": str(start),
        }
        try:
            answer = self._talk.json("i.js", asked)
        except SourceError:
            # It may be the token that does not hold any more.
            self._tokens.pop(query.keyword, None)
            raise
        results = answer.get("results")
        if not isinstance(results, list):
            raise self._talk.shape_changed("without a list of results")
        found = [_candidate(item, start + rank) for rank, item in enumerate(items(results))]
        following = _place(answer.get("next"))
        goes_on = bool(results) and following is not None and following > start
        return Page(
            candidates=tuple(one for one in found if one), next_cursor={"start": following} if goes_on else None
        )

    def _token(self, keyword: str) -> str:
        """Raises a SourceError, SourceShapeChanged where the page has no token."""
        if keyword not in self._tokens:
            found = _TOKEN.search(self._talk.text("", {"q": keyword, "iax": "images", "ia": "images"}))
            if not found:
                raise self._talk.shape_changed("without the token that its searches carry")
            self._tokens[keyword] = found[1]
        return self._tokens[keyword]


def build(config: SourceConfig, services: Services) -> DuckDuckGoSource:
    return DuckDuckGoSource(config, services)


def _place(address: object) -> int | None:
    """The number of the result that the next page begins with, out of its address."""
    values = parse_qs(urlsplit(address).query).get("s", []) if isinstance(address, str) else []
    return count_of(values[0]) if values else None


def _narrowed(filters: Filters) -> str:
    """The filters in the words of the page: time, size, colour, kind, layout, licence."""
    is_transparent = filters.colour is Colour.TRANSPARENT
    return ",".join(
        [
            "time:",
            "size:",
            f"color:{_COLOURS.get(filters.colour, '')}",
            f"type:{'transparent' if is_transparent else ''}",
            f"layout:{_LAYOUTS.get(filters.orientation, '')}",
            f"license:{_LICENCES.get(filters.licence, '')}",
        ]
    )


def _candidate(item: Mapping[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without the picture's own address."""
    return candidate(
        INFO,
        url=item.get("image"),
        rank=rank,
        thumb_url=item.get("thumbnail"),
        page_url=item.get("url"),
        title=item.get("title"),
        width_px=item.get("width"),
        height_px=item.get("height"),
    )
