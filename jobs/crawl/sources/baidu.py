"""`baidu`: Baidu's search for images, asked as its page does. No official interface: it may break any day."""

from collections.abc import Mapping
from typing import Any, Final

from jobs.crawl.sources.base import Services, SourceConfig, SourceInfo
from jobs.crawl.sources.http import Conversation, is_page, parsed
from jobs.crawl.sources.mapping import candidate, items, without_tags
from jobs.crawl.types import Candidate, Cursor, Page, Query

#: Results of one request, as the page itself asks for them.
_PAGE: Final = 30

INFO = SourceInfo(
    name="baidu",
    title="Baidu",
    hint="The Chinese web by Baidu's page of images. No licences, no filters.",
    licence_known=False,
    url="https://image.baidu.com/",
    requests_per_minute=10,
    best_effort=True,
)


class BaiduSource:
    """Visits the page once for its cookies, then reads on until a page is empty. The cursor is the result's number."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._talk = Conversation(INFO, config, services)
        self._is_known = False

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        start = int(cursor["start"]) if cursor else 0
        if not self._is_known:
            self._talk.text("")
            self._is_known = True
        asked = {
            "tn": "resultjson_com",
            "ipn": "rj",
            "word": query.keyword,
            "pn": str(start),
            "rn": str(_PAGE),
        }
        results = self._results(self._talk.text("search/acjson", asked))
        found = [_candidate(item, start + rank) for rank, item in enumerate(results)]
        return Page(
            candidates=tuple(one for one in found if one),
            next_cursor={"start": start + len(results)} if results else None,
        )

    def _results(self, body: str) -> list[dict[str, Any]]:
        """The results of an answer, without the empty one that ends each. Raises a SourceError."""
        if is_page(body.encode()):
            raise self._talk.shape_changed("with a web page instead of data")
        # An apostrophe is escaped, which JSON does not know.
        answer = parsed(body.replace("\\'", "'").encode())
        if not isinstance(answer, dict):
            raise self._talk.shape_changed("with something that is no JSON object")
        if answer.get("antiFlag") in {1, "1"}:
            raise self._talk.captcha()
        if not isinstance(answer.get("data"), list):
            raise self._talk.shape_changed("without a list of results")
        return [item for item in items(answer["data"]) if item]


def build(config: SourceConfig, services: Services) -> BaiduSource:
    return BaiduSource(config, services)


def _candidate(item: Mapping[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without the picture's own address."""
    places = next(iter(items(item.get("replaceUrl"))), {})
    return candidate(
        INFO,
        url=places.get("ObjURL"),
        rank=rank,
        thumb_url=item.get("thumbURL"),
        page_url=places.get("FromURL"),
        title=without_tags(item.get("fromPageTitle")),
        width_px=item.get("width"),
        height_px=item.get("height"),
        format_hint=item.get("type"),
    )
