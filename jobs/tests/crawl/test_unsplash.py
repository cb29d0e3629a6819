"""The Unsplash adapter against a loopback server of the API's shape."""

from typing import Any

import pytest
from pytest_django import Settings

from datasets.tests.pictures import encoded, noisy
from jobs import crawl_services
from jobs.crawl.filters import Colour, Filters, Orientation
from jobs.crawl.sources import unsplash
from jobs.crawl.sources.base import ReportingSource, SourceBadRequest, SourceRateLimited
from jobs.crawl.types import Candidate
from jobs.tests.crawl.faultweb import FaultWeb, answer
from jobs.tests.crawl.matrix import QUERY, SourceMatrix
from jobs.tests.crawl.service import Asked, Service, SourceCase, answering
from jobs.tests.drain import drain

CREDIT = "utm_source=pixcrawler&utm_medium=referral"


def item(number: int, url: str) -> dict[str, Any]:
    return {
        "id": "Dwu85P9SOIk",
        "created_at": "2016-07-14T11:00:01Z",
        "promoted_at": None,
        "width": 5616,
        "height": 3744,
        "color": "#6E633A",
        "description": None,
        "alt_description": "man in red jacket",
        "urls": {"raw": f"{url}?raw", "full": url, "regular": f"{url}?w=1080", "thumb": "https://imgs.example/t.jpg"},
        "links": {
            "html": "https://unsplash.com/photos/Dwu85P9SOIk",
            "download_location": "https://api.unsplash.com/photos/Dwu85P9SOIk/download",
        },
        "user": {"name": "Brian Aguirre", "links": {"html": "https://unsplash.com/@brianaguirre"}},
    }


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=unsplash,
        path="/search/photos",
        url="/",
        item=item,
        bare=lambda url: {"urls": {"regular": url}},
        body=lambda shown, count, _asked: {"total": count, "total_pages": 1, "results": list(shown)},
        asked=lambda query: Asked(start=(int(query["page"]) - 1) * int(query["per_page"]), size=int(query["per_page"])),
        expected=Candidate(
            url="",
            source="unsplash",
            source_id="Dwu85P9SOIk",
            thumb_url="https://imgs.example/t.jpg",
            page_url=f"https://unsplash.com/photos/Dwu85P9SOIk?{CREDIT}",
            title="man in red jacket",
            creator="Brian Aguirre",
            creator_url=f"https://unsplash.com/@brianaguirre?{CREDIT}",
            licence_code="unsplash",
            licence_url="https://unsplash.com/license",
            attribution="Photo by Brian Aguirre on Unsplash",
            width_px=5616,
            height_px=3744,
            ml_use="restricted",
            published_on="2016-07-14",
            report_url="https://api.unsplash.com/photos/Dwu85P9SOIk/download",
        ),
        credentials={"key": "s3cret-unsplash-key"},
        odd=[{"id": "1"}, {"urls": None}, {"urls": {"full": 5}}, "text", None],
        errors=[
            (400, {"errors": ["query is missing"]}, SourceBadRequest),
            (410, {"errors": ["This query was flagged as spam"]}, SourceBadRequest),
        ],
        changed=[{"total": 1}, {"results": {"0": {}}}],
        filters=[
            (Filters(), {"content_filter": "high", "orientation": None, "color": None}),
            (Filters(safe_search=False), {"content_filter": "low"}),
            (Filters(orientation=Orientation.SQUARE), {"orientation": "squarish"}),
            (Filters(colour=Colour.TURQUOISE), {"color": "teal"}),
            (Filters(colour=Colour.BROWN), {"color": None}),
        ],
    )


def test_a_refusal_with_nothing_left_of_the_quota_is_no_refusal_for_good(web: FaultWeb) -> None:
    service = Service(TestMatrix.case, web)
    service.refuse(answering("Rate Limit Exceeded", 403, X_Ratelimit_Limit="50", X_Ratelimit_Remaining="0"))
    with pytest.raises(SourceRateLimited):
        service.source().page(QUERY, None)


def test_a_download_is_reported_to_unsplash_and_nobody_else(web: FaultWeb, canary: FaultWeb) -> None:
    source = Service(TestMatrix.case, web).source()
    assert isinstance(source, ReportingSource)
    web.on("/photos/1/download", answering({"url": "https://imgs.example/1.jpg"}))
    source.report_fetched(Candidate(url="", source="unsplash", report_url=web.url("/photos/1/download?ixid=a")))
    source.report_fetched(Candidate(url="", source="unsplash"))
    source.report_fetched(Candidate(url="", source="unsplash", report_url=canary.url("/photos/2/download")))
    assert canary.connections == 0
    assert web.requests["/photos/1/download"] == 1
    assert web.seen_headers["/photos/1/download"]["authorization"] == "Client-ID s3cret-unsplash-key"


@pytest.mark.django_db(transaction=True)
def test_a_crawl_reports_what_it_downloaded_and_loses_nothing_where_it_cannot(
    web: FaultWeb, settings: Settings
) -> None:
    matrix = TestMatrix()
    service = matrix._installed(web, settings, count=2)
    for number in range(2):
        web.on(f"/pictures/{number}.jpg", answer(encoded(noisy(90, 80, seed=number))))
    first, second = (item(number, service.picture_url(number)) for number in range(2))
    first["links"]["download_location"] = web.url("/photos/first/download")
    second["links"]["download_location"] = web.url("/photos/broken/download")
    service.results = [first, second]
    web.on("/photos/first/download", answering({}))
    web.on("/photos/broken/download", answering({}, 500))

    job = drain(crawl_services.submit_crawl(matrix._request(), by=None))

    assert (job.kept, job.failed) == (2, 0), job.summary
    assert (web.requests["/photos/first/download"], web.requests["/photos/broken/download"]) == (1, 1)
