"""The Flickr adapter against a loopback server of the API's shape."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from datasets.licences import LicenceClass
from jobs.crawl.filters import Filters
from jobs.crawl.sources import flickr
from jobs.crawl.sources.base import Services, SlicedSource, SourceBadRequest, SourceConfig, SourceRefused
from jobs.crawl.sources.base import SourceUnavailable as Unavailable
from jobs.crawl.types import Candidate
from jobs.tests.crawl.faultweb import FaultWeb
from jobs.tests.crawl.matrix import QUERY, SourceMatrix
from jobs.tests.crawl.service import Asked, Service, SourceCase

ITEM: dict[str, Any] = {
    "id": "49514824541",
    "owner": "71925535@N03",
    "secret": "35d1b4f8db",
    "server": "65535",
    "title": "Surveying Ruperts Reef",
    "license": "1",
    "dateupload": "1581318235",
    "ownername": "Marine Explorer",
    "tags": "scuba nature",
    "o_width": "6000",
    "o_height": "4000",
    "url_t": "https://live.example/t.jpg",
    "url_m": "https://live.example/m.jpg",
    "height_m": 333,
    "width_m": 500,
}


def item(number: int, url: str) -> dict[str, Any]:
    return {**ITEM, "url_l": url, "height_l": 683, "width_l": "1024"}


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=flickr,
        path="/services/rest/",
        url="/services/rest/",
        item=item,
        bare=lambda url: {"url_m": url},
        body=lambda shown, count, asked: {
            "photos": {"page": 1, "perpage": asked.size, "total": str(count), "photo": list(shown)},
            "stat": "ok",
        },
        asked=lambda query: Asked(start=(int(query["page"]) - 1) * int(query["per_page"]), size=int(query["per_page"])),
        expected=Candidate(
            url="",
            source="flickr",
            source_id="49514824541",
            thumb_url="https://live.example/t.jpg",
            page_url="https://www.flickr.com/photos/71925535@N03/49514824541",
            title="Surveying Ruperts Reef",
            creator="Marine Explorer",
            creator_url="https://www.flickr.com/photos/71925535@N03",
            licence_code="cc-by-nc-sa",
            licence_version="2.0",
            licence_url="https://creativecommons.org/licenses/by-nc-sa/2.0/",
            attribution="“Surveying Ruperts Reef” by Marine Explorer is licensed under CC BY-NC-SA 2.0.",
            width_px=1024,
            height_px=683,
            format_hint="jpg",
            tags=("scuba", "nature"),
            published_on="2020-02-10",
        ),
        credentials={"key": "s3cret-flickr-key"},
        odd=[{"id": "1"}, {"url_m": None}, {"url_l": 5}, "text", None],
        errors=[
            (200, {"stat": "fail", "code": 100, "message": "Invalid API Key (s3cret-flickr-key)"}, SourceRefused),
            (200, {"stat": "fail", "code": 105, "message": "Service currently unavailable"}, Unavailable),
            (200, {"stat": "fail", "code": 10, "message": "Sorry, the Flickr search API is down"}, Unavailable),
            (200, {"stat": "fail", "code": 3, "message": "Parameterless searches are disabled"}, SourceBadRequest),
        ],
        changed=[{"stat": "ok"}, {"photos": [], "stat": "ok"}, {"photos": {"photo": {}}, "stat": "ok"}],
        filters=[
            (Filters(), {"safe_search": "1", "license": None, "min_upload_date": None, "max_upload_date": None}),
            (Filters(safe_search=False), {"safe_search": "3"}),
            (Filters(licence=LicenceClass.PUBLIC_DOMAIN), {"license": "8,9,10"}),
            (Filters(licence=LicenceClass.MODIFY), {"license": "1,2,4,5,7,8,9,10,11,12,14,15"}),
            (
                Filters(after=date(2020, 1, 1), before=date(2020, 1, 1)),
                {"min_upload_date": "1577836800", "max_upload_date": "1577923199"},
            ),
        ],
    )


@pytest.mark.parametrize(
    ("number", "code", "version"),
    [
        ("0", "all-rights-reserved", ""),
        (4, "cc-by", "2.0"),
        ("7", "no-known-copyright", ""),
        ("8", "us-gov", ""),
        ("9", "cc0", "1.0"),
        ("10", "pdm", "1.0"),
        (12, "cc-by-sa", "4.0"),
        ("16", "cc-by-nc-nd", "4.0"),
        ("17", "unknown", ""),
        (None, "unknown", ""),
    ],
)
def test_licences_come_as_digits_or_numbers_and_new_ones_are_unknown(
    web: FaultWeb, number: object, code: str, version: str
) -> None:
    result = {"url_m": web.url("/a.jpg"), "license": number}
    (found,) = Service(TestMatrix.case, web, results=[result]).source().page(QUERY, None).candidates
    assert (found.licence_code, found.licence_version) == (code, version)


def test_the_largest_size_that_there_is_is_taken(web: FaultWeb) -> None:
    result = {**ITEM, "url_o": web.url("/o.png"), "originalformat": "png"}
    (found,) = Service(TestMatrix.case, web, results=[result]).source().page(QUERY, None).candidates
    assert (found.url, found.width_px, found.height_px, found.format_hint) == (web.url("/o.png"), 6000, 4000, "png")


def test_slices_are_years_months_and_days_within_the_dates_asked_for() -> None:
    source = flickr.build(SourceConfig(url="http://localhost/"), Services(today=lambda: date(2026, 5, 4)))
    assert isinstance(source, SlicedSource)
    years = source.slices(QUERY)
    assert [part.words for part in years] == [f"uploaded {year}" for year in range(2004, 2027)]
    months = source.slices(replace(QUERY, slice=years[0]))
    assert [part.words for part in months][:2] == ["uploaded 2004-01", "uploaded 2004-02"]
    days = source.slices(replace(QUERY, slice=months[1]))
    assert (len(days), days[-1].values) == (29, {"first": "2004-02-29", "last": "2004-02-29"})
    assert source.slices(replace(QUERY, slice=days[0])) == []

    wanted = replace(QUERY, filters=Filters(after=date(2019, 12, 30), before=date(2021, 1, 2)))
    (first, _, last) = source.slices(wanted)
    assert first.values == {"first": "2019-12-30", "last": "2019-12-31"}
    assert last.values == {"first": "2021-01-01", "last": "2021-01-02"}
