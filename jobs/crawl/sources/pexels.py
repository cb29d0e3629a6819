"""`pexels`: photographs of Pexels (key and consent to its terms needed; www.pexels.com/api/documentation)."""

from typing import Any, Final

from jobs.crawl.filters import Colour, Filter, Filters, Orientation
from jobs.crawl.sources.base import EVERY, Credential, Services, SourceConfig, SourceInfo, Terms
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate, count_of, items, stated_licence
from jobs.crawl.sources.paging import PageNumbers
from jobs.crawl.types import Candidate, Cursor, Page, Query

_MOST_A_PAGE: Final = 80
_COLOURS: Final = {
    **{
        colour: colour.value
        for colour in (
            *(Colour.RED, Colour.ORANGE, Colour.YELLOW, Colour.GREEN, Colour.TURQUOISE, Colour.BLUE),
            *(Colour.PINK, Colour.WHITE, Colour.GRAY, Colour.BLACK, Colour.BROWN),
        )
    },
    Colour.PURPLE: "violet",
}

INFO = SourceInfo(
    name="pexels",
    title="Pexels",
    hint="Photographs under Pexels' own licence; machine learning needs its permission.",
    licence_known=True,
    url="https://api.pexels.com/v1/",
    credentials=(Credential(name="key", title="API key", where="https://www.pexels.com/api/"),),
    terms=Terms(
        text="Pexels' content may not be copied in bulk or used to train models without its permission, and Pexels "
        "and the photographer are to be credited.",
        url="https://www.pexels.com/terms-of-service/",
    ),
    applies={Filter.ORIENTATION: EVERY, Filter.COLOUR: frozenset(colour.value for colour in _COLOURS)},
    page_size=80,
    requests_per_minute=3,
    is_metered=True,
    ml_use="restricted",
)


class PexelsSource:
    """Pages through a search; the cursor is the page's number."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._talk = Conversation(INFO, config, services, headers={"Authorization": config.credentials.get("key", "")})
        self._pages = PageNumbers(size=min(config.page_size, _MOST_A_PAGE), cap=config.result_cap)

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        window = self._pages.at(cursor)
        if window is None:
            return Page(candidates=(), next_cursor=None)
        asked = {"query": query.keyword, "page": str(window.page), "per_page": str(window.size)}
        answer = self._talk.json("search", asked | _narrowed(query.filters))
        photos = answer.get("photos")
        if not isinstance(photos, list):
            raise self._talk.shape_changed("without a list of photos")
        found = [_candidate(item, window.start + rank) for rank, item in enumerate(items(photos))]
        total = count_of(answer.get("total_results"))
        is_end = not photos or (total is None and not answer.get("next_page"))
        return self._pages.page(window, cursor, found, total=total, is_end=is_end)


def build(config: SourceConfig, services: Services) -> PexelsSource:
    return PexelsSource(config, services)


def _narrowed(filters: Filters) -> dict[str, str]:
    """The filters in the words of the API, which are nearly ours."""
    asked = {
        "orientation": "" if filters.orientation is Orientation.ANY else filters.orientation.value,
        "color": _COLOURS.get(filters.colour, ""),
    }
    return {name: value for name, value in asked.items() if value}


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without an address."""
    sizes = item["src"] if isinstance(item.get("src"), dict) else {}
    name = item.get("photographer")
    return candidate(
        INFO,
        url=sizes.get("original"),
        rank=rank,
        source_id=item.get("id"),
        thumb_url=sizes.get("medium"),
        page_url=item.get("url"),
        title=item.get("alt"),
        creator=name,
        creator_url=item.get("photographer_url"),
        licence=stated_licence("pexels"),
        attribution=f"Photo by {name} on Pexels" if isinstance(name, str) and name else "",
        width_px=item.get("width"),
        height_px=item.get("height"),
    )
