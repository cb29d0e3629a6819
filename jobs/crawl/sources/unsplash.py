"""`unsplash`: photographs of Unsplash (key and consent to its terms needed; unsplash.com/documentation)."""

from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from datasets.licences import Statement
from jobs.crawl.filters import Colour, Filter, Filters, Orientation
from jobs.crawl.sources.base import EVERY, Credential, Services, SourceConfig, SourceInfo, Terms
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate, count_of, day, items, stated_licence
from jobs.crawl.sources.paging import PageNumbers
from jobs.crawl.types import Candidate, Cursor, Page, Query

_MOST_A_PAGE: Final = 30

#: What links to Unsplash and to its photographers have to carry.
_CREDIT: Final = "utm_source=pixcrawler&utm_medium=referral"

_ORIENTATIONS: Final = {
    Orientation.LANDSCAPE: "landscape",
    Orientation.PORTRAIT: "portrait",
    Orientation.SQUARE: "squarish",
}
_COLOURS: Final = {
    Colour.GRAYSCALE: "black_and_white",
    Colour.BLACK: "black",
    Colour.WHITE: "white",
    Colour.YELLOW: "yellow",
    Colour.ORANGE: "orange",
    Colour.RED: "red",
    Colour.PURPLE: "purple",
    Colour.PINK: "magenta",
    Colour.GREEN: "green",
    Colour.TURQUOISE: "teal",
    Colour.BLUE: "blue",
}

INFO = SourceInfo(
    name="unsplash",
    title="Unsplash",
    hint="Photographs under Unsplash's own licence; machine learning needs its permission.",
    licence_known=True,
    date_known=True,
    url="https://api.unsplash.com/",
    credentials=(Credential(name="key", title="access key", where="https://unsplash.com/oauth/applications"),),
    terms=Terms(
        text="Photographs may not be collected to rebuild a similar service, every download is reported to "
        "Unsplash, and machine learning needs a permission of its own.",
        url="https://unsplash.com/api-terms",
    ),
    applies={
        Filter.ORIENTATION: EVERY,
        Filter.COLOUR: frozenset(colour.value for colour in _COLOURS),
        Filter.SAFE_SEARCH: EVERY,
    },
    page_size=30,
    requests_per_minute=0.8,
    is_metered=True,
    ml_use="restricted",
)


class UnsplashSource:
    """Pages through a search; the cursor is the page's number."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        headers = {"Authorization": f"Client-ID {config.credentials.get('key', '')}", "Accept-Version": "v1"}
        self._talk = Conversation(INFO, config, services, headers=headers)
        # A report follows each download and must not hold up the next one as a search would.
        self._reports = Conversation(INFO, config, replace(services, pace=lambda: None), headers=headers)
        self._host = urlsplit(config.url).netloc
        self._pages = PageNumbers(size=min(config.page_size, _MOST_A_PAGE), cap=config.result_cap)

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        window = self._pages.at(cursor)
        if window is None:
            return Page(candidates=(), next_cursor=None)
        asked = {"query": query.keyword, "page": str(window.page), "per_page": str(window.size)}
        answer = self._talk.json("search/photos", asked | _narrowed(query.filters))
        results = answer.get("results")
        if not isinstance(results, list):
            raise self._talk.shape_changed("without a list of results")
        found = [_candidate(item, window.start + rank) for rank, item in enumerate(items(results))]
        return self._pages.page(window, cursor, found, total=count_of(answer.get("total")), is_end=not results)

    def report_fetched(self, candidate: Candidate) -> None:
        """Tells Unsplash of a download, as its terms ask for; only Unsplash itself, for the key goes along."""
        if urlsplit(candidate.report_url).netloc == self._host:
            self._reports.json(candidate.report_url)


def build(config: SourceConfig, services: Services) -> UnsplashSource:
    return UnsplashSource(config, services)


def _narrowed(filters: Filters) -> dict[str, str]:
    """The filters in the words of the API."""
    asked = {
        "content_filter": "high" if filters.safe_search else "low",
        "orientation": _ORIENTATIONS.get(filters.orientation, ""),
        "color": _COLOURS.get(filters.colour, ""),
    }
    return {name: value for name, value in asked.items() if value}


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without an address."""
    urls, links, user = (_object(item.get(name)) for name in ("urls", "links", "user"))
    title = item.get("description") or item.get("alt_description")
    name = user.get("name")
    licence: Statement = stated_licence("unsplash")
    return candidate(
        INFO,
        url=urls.get("full") or urls.get("regular"),
        rank=rank,
        source_id=item.get("id"),
        thumb_url=urls.get("thumb"),
        page_url=_credited(links.get("html")),
        title=title,
        creator=name,
        creator_url=_credited(_object(user.get("links")).get("html")),
        licence=licence,
        attribution=f"Photo by {name} on Unsplash" if isinstance(name, str) and name else "",
        # The address is of the original size.
        width_px=item.get("width") if urls.get("full") else None,
        height_px=item.get("height") if urls.get("full") else None,
        published_on=day(item.get("promoted_at")) or day(item.get("created_at")),
        report_url=links.get("download_location"),
    )


def _credited(address: object) -> object:
    return f"{address}{'&' if '?' in address else '?'}{_CREDIT}" if isinstance(address, str) and address else ""


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
