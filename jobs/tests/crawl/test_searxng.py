"""The SearXNG adapter against a loopback server of an instance's shape."""

from typing import Any

import pytest

from jobs.crawl.filters import Filters
from jobs.crawl.sources import searxng
from jobs.crawl.sources.base import SourceRefused
from jobs.crawl.types import Candidate
from jobs.tests.crawl.faultweb import FaultWeb
from jobs.tests.crawl.matrix import QUERY, SourceMatrix
from jobs.tests.crawl.service import Asked, Service, SourceCase, answering


def item(number: int, url: str) -> dict[str, Any]:
    return {
        "url": "https://trees.example/oak",
        "title": "A tree",
        "content": "",
        "img_src": url,
        "thumbnail_src": "//imgs.example/oak.jpg",
        "resolution": "1920 x 1280",
        "img_format": "jpeg",
        "source": "trees.example",
        "engine": "bing images",
        "category": "images",
    }


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=searxng,
        path="/search",
        url="/",
        item=item,
        bare=lambda url: {"img_src": url},
        body=lambda shown, _count, _asked: {"query": "tree", "number_of_results": 0, "results": list(shown)},
        asked=lambda query: Asked(start=(int(query["pageno"]) - 1) * 10, size=10),
        expected=Candidate(
            url="",
            source="searxng",
            thumb_url="https://imgs.example/oak.jpg",
            page_url="https://trees.example/oak",
            title="A tree",
            attribution="“A tree”.",
            width_px=1920,
            height_px=1280,
            format_hint="jpeg",
        ),
        odd=[{"url": "https://trees.example/"}, {"img_src": None}, {"img_src": 5}, "text", None],
        changed=[{"query": "tree"}, {"results": {"0": {}}}],
        filters=[(Filters(), {"safesearch": "2"}), (Filters(safe_search=False), {"safesearch": "0"})],
        has_total=False,
        tells_end=False,
    )


def test_an_instance_without_json_says_what_to_set(web: FaultWeb) -> None:
    service = Service(TestMatrix.case, web)
    service.refuse(answering("Forbidden", 403))
    with pytest.raises(SourceRefused, match=r"settings\.yml"):
        service.source().page(QUERY, None)
