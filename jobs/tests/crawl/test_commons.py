"""The Wikimedia Commons adapter against a loopback server of the API's shape."""

from dataclasses import replace
from typing import Any

import pytest

from jobs.crawl.filters import Filters, PictureFormat
from jobs.crawl.sources import commons
from jobs.crawl.sources.base import SourceBadRequest, SourceRateLimited, SourceRefused, SourceUnavailable
from jobs.crawl.types import Candidate
from jobs.tests.crawl.faultweb import FaultWeb
from jobs.tests.crawl.matrix import QUERY, SourceMatrix, pages
from jobs.tests.crawl.service import Asked, Service, SourceCase

EXTMETADATA: dict[str, Any] = {
    "License": {"value": "cc-by-sa-4.0", "source": "commons-templates", "hidden": ""},
    "LicenseShortName": {"value": "CC BY-SA 4.0"},
    "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/4.0"},
    "Artist": {"value": '<a href="//commons.wikimedia.org/wiki/User:PtrQs" title="User:PtrQs">PtrQs</a>'},
    "Credit": {"value": "<span>Own work</span>"},
    "ObjectName": {"value": "Oak &amp; sky"},
    "Categories": {"value": "Oaks|Skies"},
    "DateTimeOriginal": {"value": "2012-09-25 16:23:02"},
}


def page_of(number: int, info: dict[str, Any]) -> dict[str, Any]:
    return {"pageid": 81754323, "ns": 6, "title": "File:Oak.jpg", "index": number + 1, "imageinfo": [info]}


def item(number: int, url: str) -> dict[str, Any]:
    info = {
        "user": "Uploader",
        "timestamp": "2012-10-01T08:00:00Z",
        "size": 11863148,
        "width": 5514,
        "height": 3102,
        "url": url,
        "thumburl": "https://upload.example/500px-oak.jpg",
        "descriptionurl": "https://commons.example/wiki/File:Oak.jpg",
        "sha1": "A9993E364706816ABA3E25717850C26C9CD0D89D",
        "mime": "image/jpeg",
        "extmetadata": EXTMETADATA,
    }
    return page_of(number, info)


def body(shown: Any, count: int, asked: Asked) -> dict[str, Any]:
    end = asked.start + asked.size
    answer: dict[str, Any] = {"batchcomplete": True}
    if shown:
        # As the API gives them: in no order.
        answer["query"] = {"pages": list(reversed(shown))}
    if end < count:
        answer["continue"] = {"gsroffset": end, "continue": "gsroffset||"}
    return answer


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=commons,
        path="/w/api.php",
        url="/w/api.php",
        item=item,
        bare=lambda url: {"imageinfo": [{"url": url}]},
        body=body,
        asked=lambda query: Asked(start=int(query["gsroffset"]), size=int(query["gsrlimit"])),
        expected=Candidate(
            url="",
            source="commons",
            source_id="81754323",
            thumb_url="https://upload.example/500px-oak.jpg",
            page_url="https://commons.example/wiki/File:Oak.jpg",
            title="Oak & sky",
            creator="PtrQs",
            creator_url="https://commons.wikimedia.org/wiki/User:PtrQs",
            licence_code="cc-by-sa",
            licence_version="4.0",
            licence_url="https://creativecommons.org/licenses/by-sa/4.0",
            attribution="“Oak & sky” by PtrQs is licensed under CC BY-SA 4.0.",
            width_px=5514,
            height_px=3102,
            size_bytes=11863148,
            format_hint="jpeg",
            tags=("Oaks", "Skies"),
            sha1="a9993e364706816aba3e25717850c26c9cd0d89d",
            published_on="2012-10-01",
        ),
        odd=[{"pageid": 1}, {"imageinfo": []}, {"imageinfo": [{"url": None}]}, {"imageinfo": "x"}, "text", None],
        errors=[
            (200, {"error": {"code": "maxlag", "info": "Waiting for 10.0.0.1: 6 seconds lagged"}}, SourceUnavailable),
            (200, {"error": {"code": "ratelimited", "info": "You've exceeded your rate limit."}}, SourceRateLimited),
            (200, {"error": {"code": "blocked", "info": "You have been blocked."}}, SourceRefused),
            (200, {"error": {"code": "cirrussearch-too-long", "info": "Too long."}}, SourceBadRequest),
            (400, {"error": {"code": "badvalue", "info": "Unrecognized value."}}, SourceBadRequest),
        ],
        changed=[{"items": []}, {"query": {"pages": "text"}}, {}],
        filters=[
            (Filters(), {"gsrsearch": "filetype:bitmap tree"}),
            (Filters(format=PictureFormat.PNG), {"gsrsearch": "filetype:bitmap filemime:png tree"}),
            (
                Filters(min_width_px=800, min_height_px=600),
                {"gsrsearch": "filetype:bitmap filew:>799 fileh:>599 tree"},
            ),
        ],
        has_total=False,
    )


def test_results_of_the_older_shape_come_in_their_order(web: FaultWeb) -> None:
    def as_object(shown: Any, count: int, asked: Asked) -> dict[str, Any]:
        return {"query": {"pages": {str(900 - n): one for n, one in enumerate(shown)}}, "batchcomplete": ""}

    service = Service(replace(TestMatrix.case, body=as_object), web, count=5)
    page = service.source().page(QUERY, None)
    assert [one.url for one in page.candidates] == [service.picture_url(number) for number in range(5)]


def test_every_word_of_what_it_says_to_go_on_with_is_given_again(web: FaultWeb) -> None:
    service = Service(TestMatrix.case, web, count=25)
    list(pages(service.source()))
    assert "continue" not in service.asked[0]
    assert [query["continue"] for query in service.asked[1:]] == ["gsroffset||", "gsroffset||"]


@pytest.mark.parametrize(
    ("told", "code", "version"),
    [
        ({"License": {"value": "pd"}, "LicenseShortName": {"value": "Public domain"}}, "public-domain", ""),
        ({"License": {"value": "cc-zero"}}, "cc0", ""),
        ({"LicenseShortName": {"value": "CC BY 3.0"}}, "cc-by", "3.0"),
        ({"LicenseShortName": {"value": "Custom words of a museum"}}, "unknown", ""),
        ({}, "unknown", ""),
    ],
)
def test_licences_are_read_by_code_or_name_and_never_guessed(
    web: FaultWeb, told: dict[str, Any], code: str, version: str
) -> None:
    result = page_of(0, {"url": web.url("/a.jpg"), "extmetadata": told})
    (found,) = Service(TestMatrix.case, web, results=[result]).source().page(QUERY, None).candidates
    assert (found.licence_code, found.licence_version) == (code, version)


def test_the_host_of_its_pictures_is_asked_as_its_policy_wants_it() -> None:
    assert commons.INFO.host_limits["upload.wikimedia.org"].connections == 2
