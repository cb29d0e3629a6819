"""The Pexels adapter against a loopback server of the API's shape."""

from dataclasses import replace
from typing import Any

from jobs.crawl.filters import Colour, Filters, Orientation
from jobs.crawl.sources import pexels
from jobs.crawl.sources.base import SourceBadRequest
from jobs.crawl.types import Candidate
from jobs.tests.crawl.faultweb import FaultWeb
from jobs.tests.crawl.matrix import SourceMatrix, pages
from jobs.tests.crawl.service import Asked, Service, SourceCase


def item(number: int, url: str) -> dict[str, Any]:
    return {
        "id": 417173,
        "width": 4000,
        "height": 3248,
        "url": "https://www.pexels.com/photo/417173/",
        "photographer": "Ansel",
        "photographer_url": "https://www.pexels.com/@ansel",
        "photographer_id": 2659,
        "avg_color": "#978E82",
        "src": {"original": url, "large2x": "", "medium": "https://imgs.example/m.jpg", "tiny": ""},
        "liked": False,
        "alt": "Snowy mountain",
    }


def body(shown: Any, count: int, asked: Asked) -> dict[str, Any]:
    return {"total_results": count, "page": 1, "per_page": asked.size, "photos": list(shown)}


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=pexels,
        path="/v1/search",
        url="/v1/",
        item=item,
        bare=lambda url: {"src": {"original": url}},
        body=body,
        asked=lambda query: Asked(start=(int(query["page"]) - 1) * int(query["per_page"]), size=int(query["per_page"])),
        expected=Candidate(
            url="",
            source="pexels",
            source_id="417173",
            thumb_url="https://imgs.example/m.jpg",
            page_url="https://www.pexels.com/photo/417173/",
            title="Snowy mountain",
            creator="Ansel",
            creator_url="https://www.pexels.com/@ansel",
            licence_code="pexels",
            licence_url="https://www.pexels.com/license/",
            attribution="Photo by Ansel on Pexels",
            width_px=4000,
            height_px=3248,
            ml_use="restricted",
        ),
        credentials={"key": "s3cret-pexels-key"},
        odd=[{"id": 1}, {"src": None}, {"src": {"original": 5}}, "text", None],
        errors=[(400, {"status": 400, "code": "Bad Request"}, SourceBadRequest)],
        changed=[{"total_results": 1}, {"photos": {"0": {}}}],
        filters=[
            (Filters(), {"orientation": None, "color": None}),
            (Filters(orientation=Orientation.PORTRAIT), {"orientation": "portrait"}),
            (Filters(colour=Colour.PURPLE), {"color": "violet"}),
            (Filters(colour=Colour.TRANSPARENT), {"color": None}),
        ],
    )


def test_without_a_count_the_next_pages_address_tells_whether_there_is_one(web: FaultWeb) -> None:
    def uncounted(shown: Any, count: int, asked: Asked) -> dict[str, Any]:
        more = {"next_page": "https://api.example/v1/search/?page=2"} if asked.start + asked.size < count else {}
        return {"photos": list(shown), **more}

    service = Service(replace(TestMatrix.case, body=uncounted), web, count=25)
    found = list(pages(service.source()))
    assert [len(page.candidates) for page in found] == [10, 10, 5]
    assert {page.total for page in found} == {None}
