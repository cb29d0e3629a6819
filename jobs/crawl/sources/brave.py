"""`brave`: pictures of the open web by Brave's image search (key needed; api-dashboard.search.brave.com)."""

from typing import Any, Final

from jobs.crawl.filters import Filter
from jobs.crawl.sources.base import EVERY, Credential, Services, SourceConfig, SourceInfo
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate, items
from jobs.crawl.types import Candidate, Cursor, Page, Query

_MAX_QUERY_LENGTH: Final = 400
_MAX_WORDS: Final = 50

INFO = SourceInfo(
    name="brave",
    title="Brave Images",
    hint="The open web by an official interface. No licences, one page of results.",
    licence_known=False,
    url="https://api.search.brave.com/res/v1/images/search",
    credentials=(Credential(name="key", title="API key", where="https://api-dashboard.search.brave.com/"),),
    applies={Filter.SAFE_SEARCH: EVERY},
    result_cap=200,
    requests_per_minute=60,
    is_metered=True,
)


class BraveSource:
    """One page has all that Brave gives for a search."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._cap = config.result_cap or 200
        self._talk = Conversation(
            INFO, config, services, headers={"X-Subscription-Token": config.credentials.get("key", "")}
        )

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        if cursor:
            return Page(candidates=(), next_cursor=None)
        answer = self._talk.json(
            "",
            {
                "q": " ".join(query.keyword.split()[:_MAX_WORDS])[:_MAX_QUERY_LENGTH],
                "count": str(self._cap),
                "country": "ALL",
                "safesearch": "strict" if query.filters.safe_search else "off",
                "spellcheck": "0",
            },
        )
        results = answer.get("results")
        if not isinstance(results, list):
            raise self._talk.shape_changed("without a list of results")
        found = [_candidate(item, rank) for rank, item in enumerate(items(results))]
        return Page(
            candidates=tuple(one for one in found if one), next_cursor=None, is_cut_off=len(results) >= self._cap
        )


def build(config: SourceConfig, services: Services) -> BraveSource:
    return BraveSource(config, services)


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without the picture's own address."""
    picture = item["properties"] if isinstance(item.get("properties"), dict) else {}
    thumbnail = item["thumbnail"] if isinstance(item.get("thumbnail"), dict) else {}
    return candidate(
        INFO,
        url=picture.get("url"),
        rank=rank,
        thumb_url=thumbnail.get("src"),
        page_url=item.get("url"),
        title=item.get("title"),
        width_px=picture.get("width"),
        height_px=picture.get("height"),
    )
