"""The DuckDuckGo adapter against a loopback server of its page's shape."""

from typing import Any

import pytest

from datasets.licences import LicenceClass
from jobs.crawl.filters import Colour, Filters, Orientation
from jobs.crawl.sources import duckduckgo
from jobs.crawl.sources.base import SourceError, SourceShapeChanged
from jobs.crawl.types import Candidate
from jobs.tests.crawl.faultweb import FaultWeb
from jobs.tests.crawl.matrix import QUERY, SourceMatrix, pages
from jobs.tests.crawl.service import Asked, Service, SourceCase, answering

PAGE = '<!doctype html><script>nrj("/d.js?q=tree&vqd=4-1234567890&p=1");vqd="4-1234567890";</script>'


def item(number: int, url: str) -> dict[str, Any]:
    return {
        "title": "A tree",
        "image": url,
        "thumbnail": "https://thumbs.example/t.jpg",
        "url": "https://trees.example/oak",
        "height": 1280,
        "width": 1920,
        "source": "Bing",
    }


def body(shown: Any, count: int, asked: Asked) -> dict[str, Any]:
    end = asked.start + asked.size
    more = {"next": f"i.js?q=tree&o=json&p=1&s={end}&u=bing&f=,,,&l=wt-wt"} if end < count else {}
    return {"query": "tree", "results": list(shown), **more}


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=duckduckgo,
        path="/i.js",
        url="/",
        item=item,
        bare=lambda url: {"image": url},
        body=body,
        asked=lambda query: Asked(start=int(query["s"]), size=10),
        expected=Candidate(
            url="",
            source="duckduckgo",
            thumb_url="https://thumbs.example/t.jpg",
            page_url="https://trees.example/oak",
            title="A tree",
            attribution="“A tree”.",
            width_px=1920,
            height_px=1280,
        ),
        odd=[{"url": "https://trees.example/"}, {"image": None}, {"image": 5}, "text", None],
        changed=[{"query": "tree"}, {"results": {"0": {}}}],
        filters=[
            (Filters(), {"p": "1", "f": "time:,size:,color:,type:,layout:,license:"}),
            (Filters(safe_search=False), {"p": "-1"}),
            (Filters(colour=Colour.TURQUOISE), {"f": "time:,size:,color:Teal,type:,layout:,license:"}),
            (Filters(colour=Colour.TRANSPARENT), {"f": "time:,size:,color:,type:transparent,layout:,license:"}),
            (Filters(orientation=Orientation.LANDSCAPE), {"f": "time:,size:,color:,type:,layout:Wide,license:"}),
            (Filters(licence=LicenceClass.PUBLIC_DOMAIN), {"f": "time:,size:,color:,type:,layout:,license:Public"}),
        ],
        has_total=False,
        warm_up={"/": PAGE},
    )


def test_the_token_is_asked_for_once_for_each_keyword_and_again_after_a_refusal(web: FaultWeb) -> None:
    service = Service(TestMatrix.case, web, count=25)
    source = service.source()
    list(pages(source))
    assert web.requests["/"] == 1
    assert {query["vqd"] for query in service.asked} == {"4-1234567890"}

    service.refuse(answering({}, 403))
    with pytest.raises(SourceError):
        source.page(QUERY, None)
    source.page(QUERY, None)
    assert web.requests["/"] == 2


def test_a_page_without_a_token_is_of_another_shape(web: FaultWeb) -> None:
    service = Service(TestMatrix.case, web, count=1)
    web.on("/", answering("<!doctype html><title>New design</title>"))
    with pytest.raises(SourceShapeChanged, match="token"):
        service.source().page(QUERY, None)
