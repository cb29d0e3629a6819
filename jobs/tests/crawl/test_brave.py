"""The Brave Images adapter against a loopback server of the API's shape."""

from typing import Any

from jobs.crawl.filters import Filters
from jobs.crawl.sources import brave
from jobs.crawl.sources.base import SourceBadRequest, SourceRateLimited
from jobs.crawl.types import Candidate, Query
from jobs.tests.crawl.faultweb import FaultWeb
from jobs.tests.crawl.matrix import QUERY, SourceMatrix
from jobs.tests.crawl.service import Asked, Service, SourceCase


def item(number: int, url: str) -> dict[str, Any]:
    return {
        "type": "image_result",
        "title": "A tree",
        "url": "https://trees.example/oak",
        "source": "trees.example",
        "page_fetched": "2026-01-01T00:00:00Z",
        "thumbnail": {"src": "https://imgs.example/oak.jpg", "width": 500, "height": 333},
        "properties": {"url": url, "placeholder": "https://imgs.example/p.jpg", "width": 1920, "height": 1280},
        "meta_url": {"hostname": "trees.example"},
        "confidence": "high",
    }


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=brave,
        path="/res/v1/images/search",
        url="/res/v1/images/search",
        item=item,
        bare=lambda url: {"properties": {"url": url}},
        body=lambda shown, _count, _asked: {"type": "images", "results": list(shown), "extra": {}},
        asked=lambda query: Asked(start=0, size=int(query["count"])),
        expected=Candidate(
            url="",
            source="brave",
            thumb_url="https://imgs.example/oak.jpg",
            page_url="https://trees.example/oak",
            title="A tree",
            attribution="“A tree”.",
            width_px=1920,
            height_px=1280,
        ),
        credentials={"key": "s3cret-brave-key"},
        odd=[{"url": "https://trees.example/"}, {"properties": None}, {"properties": {"url": 5}}, "text", None],
        errors=[
            (422, {"error": {"detail": "Unable to validate request parameter(s)"}}, SourceBadRequest),
            (429, {"error": {"code": "RATE_LIMITED"}}, SourceRateLimited),
        ],
        changed=[{"type": "images"}, {"results": {"0": {}}}, {"results": None}],
        filters=[(Filters(), {"safesearch": "strict"}), (Filters(safe_search=False), {"safesearch": "off"})],
        has_total=False,
        has_pages=False,
    )


def test_the_key_goes_in_a_header_and_long_keywords_are_cut(web: FaultWeb) -> None:
    service = Service(TestMatrix.case, web, count=1)
    service.source().page(Query(keyword="tree " * 200, label="tree"), None)
    assert service.headers[0]["x-subscription-token"] == "s3cret-brave-key"
    assert len(service.asked[0]["q"].split()) == 50
    assert "s3cret" not in str(service.asked[0])


def test_there_is_no_second_page(web: FaultWeb) -> None:
    service = Service(TestMatrix.case, web, count=1)
    assert service.source().page(QUERY, {"page": 2}).candidates == ()
    assert service.asked == []
