"""`pixabay`: photographs, drawings and vectors of Pixabay (key and consent to its terms; pixabay.com/api/docs)."""

from collections.abc import Sequence
from typing import Any, Final

from jobs.crawl.filters import Colour, Filter, Filters, Orientation
from jobs.crawl.sources.base import EVERY, Credential, Services, SourceBadRequest, SourceConfig, SourceInfo, Terms
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate, count_of, items, stated_licence
from jobs.crawl.sources.paging import PageNumbers
from jobs.crawl.types import Candidate, Cursor, Page, Query, Slice

MAX_QUERY_LENGTH: Final = 100
_LEAST_A_PAGE: Final = 3
_MOST_A_PAGE: Final = 200

_ORIENTATIONS: Final = {Orientation.LANDSCAPE: "horizontal", Orientation.PORTRAIT: "vertical"}
_COLOURS: Final = {
    **{
        colour: colour.value
        for colour in (
            *(Colour.GRAYSCALE, Colour.TRANSPARENT, Colour.RED, Colour.ORANGE, Colour.YELLOW, Colour.GREEN),
            *(Colour.TURQUOISE, Colour.BLUE, Colour.PINK, Colour.WHITE, Colour.GRAY, Colour.BLACK, Colour.BROWN),
        )
    },
    Colour.PURPLE: "lilac",
}
_KINDS: Final = ("photo", "illustration", "vector")
_CATEGORIES: Final = (
    *("backgrounds", "fashion", "nature", "science", "education", "feelings", "health", "people", "religion"),
    *("places", "animals", "industry", "computer", "food", "sports", "transportation", "travel", "buildings"),
    *("business", "music"),
)

INFO = SourceInfo(
    name="pixabay",
    title="Pixabay",
    hint="Photographs and drawings under Pixabay's own licence; machine learning needs its permission.",
    licence_known=True,
    url="https://pixabay.com/api/",
    credentials=(Credential(name="key", title="API key", where="https://pixabay.com/api/docs/"),),
    terms=Terms(
        text="Pixabay forbids systematic mass downloads and the use of its content to train models without its "
        "permission, and asks for a link wherever its pictures are shown.",
        url="https://pixabay.com/service/terms/",
    ),
    applies={
        Filter.ORIENTATION: frozenset(orientation.value for orientation in _ORIENTATIONS),
        Filter.COLOUR: frozenset(colour.value for colour in _COLOURS),
        Filter.MIN_SIZE: EVERY,
        Filter.SAFE_SEARCH: EVERY,
    },
    page_size=200,
    result_cap=500,
    requests_per_minute=100,
    is_metered=True,
    ml_use="restricted",
)


class PixabaySource:
    """Pages through a search; the cursor is the page's number."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._key = config.credentials.get("key", "")
        self._talk = Conversation(INFO, config, services)
        size = min(config.page_size, _MOST_A_PAGE)
        self._pages = PageNumbers(size=size, cap=config.result_cap, least_size=_LEAST_A_PAGE)

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        window = self._pages.at(cursor)
        if window is None:
            return Page(candidates=(), next_cursor=None)
        asked = {
            "key": self._key,
            "q": query.keyword[:MAX_QUERY_LENGTH],
            "page": str(window.page),
            "per_page": str(window.size),
            **_narrowed(query.filters),
            **(query.slice.values if query.slice else {}),
        }
        answer = self._asked(asked)
        hits = answer.get("hits")
        if not isinstance(hits, list):
            raise self._talk.shape_changed("without a list of hits")
        found = [_candidate(item, window.start + rank) for rank, item in enumerate(items(hits))]
        return self._pages.page(window, cursor, found, total=count_of(answer.get("total")), is_end=not hits)

    def slices(self, query: Query) -> Sequence[Slice]:
        """By kind of picture, each of them by how it lies, each of those by category."""
        given = query.slice or Slice(words="", values={})
        if "image_type" not in given.values:
            return [_part(given, "image_type", kind) for kind in _KINDS]
        if "orientation" not in given.values and query.filters.orientation is Orientation.ANY:
            return [_part(given, "orientation", value) for value in _ORIENTATIONS.values()]
        if "category" not in given.values:
            return [_part(given, "category", category) for category in _CATEGORIES]
        return ()

    def _asked(self, parameters: dict[str, str]) -> dict[str, Any]:
        """The answer. Raises a SourceError: a bad key comes as a bad request, told in plain text."""
        try:
            return self._talk.json("", parameters)
        except SourceBadRequest as error:
            if "api key" in str(error).lower():
                raise self._talk.refused("invalid or missing API key") from None
            raise


def build(config: SourceConfig, services: Services) -> PixabaySource:
    return PixabaySource(config, services)


def _narrowed(filters: Filters) -> dict[str, str]:
    """The filters in the words of the API."""
    asked = {
        "safesearch": "true" if filters.safe_search else "false",
        "orientation": _ORIENTATIONS.get(filters.orientation, ""),
        "colors": _COLOURS.get(filters.colour, ""),
        "min_width": str(filters.min_width_px) if filters.min_width_px > 1 else "",
        "min_height": str(filters.min_height_px) if filters.min_height_px > 1 else "",
    }
    return {name: value for name, value in asked.items() if value}


def _part(given: Slice, name: str, value: str) -> Slice:
    return Slice(words=f"{given.words}, {value}" if given.words else value, values={**given.values, name: value})


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a hit tells, or None for one without an address."""
    # The original is given to few; its size is told to everybody.
    original = item.get("imageURL")
    user, number = item.get("user"), item.get("user_id")
    tags = item.get("tags")
    return candidate(
        INFO,
        url=original or item.get("fullHDURL") or item.get("largeImageURL"),
        rank=rank,
        source_id=item.get("id"),
        thumb_url=item.get("previewURL"),
        page_url=item.get("pageURL"),
        title=tags,
        creator=user,
        creator_url=f"https://pixabay.com/users/{user}-{number}/" if user and number else "",
        licence=stated_licence("pixabay"),
        width_px=item.get("imageWidth") if original else None,
        height_px=item.get("imageHeight") if original else None,
        size_bytes=item.get("imageSize") if original else None,
        tags=[tag.strip() for tag in tags.split(",")] if isinstance(tags, str) else (),
        mature=item.get("isGRated") is False,
    )
