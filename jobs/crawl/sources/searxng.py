"""`searxng`: what the engines of a SearXNG instance find (your own instance; docs.searxng.org)."""

import re
from typing import Any, Final

from jobs.crawl.filters import Filter
from jobs.crawl.sources.base import EVERY, Services, SourceConfig, SourceInfo
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate, items
from jobs.crawl.types import Candidate, Cursor, Page, Query

_RESOLUTION: Final = re.compile(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})", re.I)

INFO = SourceInfo(
    name="searxng",
    title="SearXNG",
    hint="What the image engines of your own SearXNG instance find. No licences.",
    licence_known=False,
    needs_url=True,
    applies={Filter.SAFE_SEARCH: EVERY},
    requests_per_minute=30,
    refusal_hint="that `json` is among search.formats in the settings.yml of the instance",
)


class SearxngSource:
    """Pages through a search until a page is empty: an instance does not say how much it has."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._talk = Conversation(INFO, config, services)

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        number, start = (int(cursor["page"]), int(cursor["start"])) if cursor else (1, 0)
        answer = self._talk.json(
            "search",
            {
                "q": query.keyword,
                "categories": "images",
                "format": "json",
                "pageno": str(number),
                "safesearch": "2" if query.filters.safe_search else "0",
            },
        )
        results = answer.get("results")
        if not isinstance(results, list):
            raise self._talk.shape_changed("without a list of results")
        found = [_candidate(item, start + rank) for rank, item in enumerate(items(results))]
        return Page(
            candidates=tuple(one for one in found if one),
            next_cursor={"page": number + 1, "start": start + len(results)} if results else None,
        )


def build(config: SourceConfig, services: Services) -> SearxngSource:
    return SearxngSource(config, services)


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without the picture's own address."""
    told = item.get("resolution")
    size = _RESOLUTION.match(told) if isinstance(told, str) else None
    return candidate(
        INFO,
        url=_absolute(item.get("img_src")),
        rank=rank,
        thumb_url=_absolute(item.get("thumbnail_src")),
        page_url=item.get("url"),
        title=item.get("title"),
        width_px=size[1] if size else None,
        height_px=size[2] if size else None,
        format_hint=item.get("img_format"),
    )


def _absolute(address: object) -> object:
    """Some engines give addresses without their scheme."""
    return f"https:{address}" if isinstance(address, str) and address.startswith("//") else address
