"""The Openverse adapter against a loopback server of the API's shape."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from datasets.licences import LicenceClass
from jobs.crawl.filters import Filters, Orientation, PictureFormat
from jobs.crawl.sources import openverse
from jobs.crawl.sources.base import (
    Services,
    Source,
    SourceBadRequest,
    SourceConfig,
    SourceError,
    SourceRateLimited,
    SourceRefused,
    SourceShapeChanged,
    SourceUnavailable,
)
from jobs.crawl.sources.openverse import OpenverseSource
from jobs.crawl.types import Candidate, Cursor, Page, Query
from jobs.tests.crawl.faultweb import (
    Behaviour,
    Exchange,
    FaultWeb,
    answer,
    declared_length,
    drip,
    redirect,
    reset,
    stall,
)
from jobs.tests.crawl.matrix import SourceMatrix
from jobs.tests.crawl.service import Asked, SourceCase

ITEM: dict[str, Any] = {
    "id": "4bc43a04",
    "title": "Tree Bark Photo",
    "foreign_landing_url": "https://stock.example/photo/1",
    "url": "https://cdn.example/bark.jpg",
    "creator": "Tim Sullivan",
    "creator_url": "https://stock.example/tim",
    "license": "CC0",
    "license_version": "1.0",
    "license_url": "https://creativecommons.org/publicdomain/zero/1.0/",
    "provider": "stock",
    "source": "stock",
    "filesize": 896128,
    "filetype": "jpg",
    "tags": [{"name": "tree", "accuracy": None}, {"name": None}, "odd"],
    "attribution": '"Tree Bark Photo" by Tim Sullivan is marked with CC0 1.0.',
    "mature": False,
    "height": 4016,
    "width": 6016,
    "thumbnail": "https://api.example/v1/images/4bc43a04/thumb/",
}


@dataclass
class Api:
    """`count` results at /v1/images/, paged as Openverse pages them: never deeper than `cap`."""

    count: int
    cap: int = 240
    asked: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, exchange: Exchange) -> None:
        query = {name: values[0] for name, values in parse_qs(exchange.query).items()}
        self.asked.append(query)
        page, size = int(query["page"]), int(query["page_size"])
        if page * size > self.cap:
            answer(json.dumps({"detail": "Too deep"}).encode(), status=401)(exchange)
            return
        numbers = range((page - 1) * size, min(self.count, page * size))
        body = {
            "result_count": self.count,
            "page_count": -(-min(self.count, self.cap) // size),
            "page_size": size,
            "page": page,
            "results": [{**ITEM, "id": str(number), "url": f"https://cdn.example/{number}.jpg"} for number in numbers],
        }
        json_answer(body)(exchange)


def json_answer(body: object, status: int = 200, **headers: str) -> Behaviour:
    return answer(
        json.dumps(body).encode(),
        status=status,
        headers={
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )


def source_at(web: FaultWeb, pace: Callable[[], None] = lambda: None, **config: Any) -> OpenverseSource:
    given = {"url": web.url("/v1/"), "user_agent": "PixCrawler/test", "result_cap": 240, **config}
    return OpenverseSource(SourceConfig(**given), Services(pace=pace))


def pages(source: Source, keyword: str = "tree") -> Iterator[Page]:
    cursor: Cursor | None = None
    while True:
        page = source.page(Query(keyword=keyword, label=keyword), cursor)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return
        cursor = json.loads(json.dumps(cursor))


def first_page(web: FaultWeb, behaviour: Behaviour, **config: Any) -> Page:
    web.on("/v1/images/", behaviour)
    return source_at(web, **config).page(Query(keyword="tree", label="tree"), None)


def error_of(web: FaultWeb, behaviour: Behaviour, **config: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        first_page(web, behaviour, **config)
    sentence = str(caught.value)
    assert sentence.startswith("Openverse ")
    assert sentence.endswith(".")
    return caught.value


def test_everything_that_the_service_says_is_kept(web: FaultWeb) -> None:
    page = first_page(web, json_answer({"result_count": 1, "page_count": 1, "results": [ITEM]}))
    assert page.next_cursor is None
    assert page.total == 1
    assert page.candidates == (
        Candidate(
            url="https://cdn.example/bark.jpg",
            source="openverse",
            source_id="4bc43a04",
            thumb_url="https://api.example/v1/images/4bc43a04/thumb/",
            page_url="https://stock.example/photo/1",
            title="Tree Bark Photo",
            creator="Tim Sullivan",
            creator_url="https://stock.example/tim",
            licence_code="cc0",
            licence_version="1.0",
            licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
            attribution='"Tree Bark Photo" by Tim Sullivan is marked with CC0 1.0.',
            width_px=6016,
            height_px=4016,
            size_bytes=896128,
            format_hint="jpg",
            tags=("tree",),
        ),
    )


def test_a_search_goes_on_from_page_to_page_to_its_end(web: FaultWeb) -> None:
    api = Api(count=45)
    web.on("/v1/images/", api)
    found = list(pages(source_at(web)))
    urls = [candidate.url for page in found for candidate in page.candidates]
    assert urls == [f"https://cdn.example/{number}.jpg" for number in range(45)]
    assert [candidate.rank for page in found for candidate in page.candidates] == list(range(45))
    assert [query["page"] for query in api.asked] == ["1", "2", "3"]
    assert {page.total for page in found} == {45}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (20, [(page, 20) for page in range(1, 13)]),
        (100, [(1, 100), (2, 100), (6, 40)]),
        (50, [(1, 50), (2, 50), (3, 50), (4, 50), (6, 40)]),
        (70, [(1, 70), (2, 70), (3, 70), (8, 30)]),
        (240, [(1, 240)]),
        (500, [(1, 240)]),
    ],
)
def test_the_whole_cap_is_used_and_never_passed(web: FaultWeb, size: int, expected: list[tuple[int, int]]) -> None:
    api = Api(count=10_000)
    web.on("/v1/images/", api)
    found = list(pages(source_at(web, page_size=size)))
    assert [(int(query["page"]), int(query["page_size"])) for query in api.asked] == expected
    assert [candidate.rank for page in found for candidate in page.candidates] == list(range(240))
    assert {page.total for page in found} == {240}


def test_a_place_behind_the_cap_is_an_empty_end_without_a_request(web: FaultWeb) -> None:
    api = Api(count=10_000)
    web.on("/v1/images/", api)
    page = source_at(web).page(Query(keyword="tree", label="tree"), {"page": 13})
    assert (page.candidates, page.next_cursor, api.asked) == ((), None, [])


def test_an_empty_search_is_an_end(web: FaultWeb) -> None:
    page = first_page(web, Api(count=0))
    assert (page.candidates, page.next_cursor, page.total) == ((), None, 0)


def test_a_service_that_does_not_count_is_read_until_it_is_empty(web: FaultWeb) -> None:
    def behave(exchange: Exchange) -> None:
        json_answer({"results": [ITEM] if int(parse_qs(exchange.query)["page"][0]) <= 3 else []})(exchange)

    web.on("/v1/images/", behave)
    found = list(pages(source_at(web)))
    assert [len(page.candidates) for page in found] == [1, 1, 1, 0]
    assert {page.total for page in found} == {None}


def test_odd_and_missing_fields_cost_nothing_but_themselves(web: FaultWeb) -> None:
    results = [
        {"url": "https://cdn.example/bare.jpg"},
        {
            **dict.fromkeys(ITEM, 7),
            "url": "https://cdn.example/odd.jpg",
            "width": "wide",
            "height": -1,
            "filesize": 10**30,
            "tags": {"a": 1},
            "foreign_landing_url": "javascript:alert(1)",
            "title": "a\u0000b\u202ec\ud800",
        },
        {**ITEM, "url": None},
        {**ITEM, "url": "  "},
        {**ITEM, "url": 5},
        {"id": "without"},
        "not an object",
        None,
        {**ITEM, "url": "https://cdn.example/a\u0000b"},
    ]
    page = first_page(web, json_answer({"result_count": "many", "page_count": None, "results": results}))
    bare, odd, stored = page.candidates
    assert bare == Candidate(url="https://cdn.example/bare.jpg", source="openverse")
    assert (odd.width_px, odd.height_px, odd.size_bytes, odd.tags, odd.page_url) == (
        None,
        None,
        None,
        (),
        "",
    )
    assert (odd.title, odd.creator, odd.licence_code) == ("abc", "", "unknown")
    assert (stored.url, stored.rank) == ("https://cdn.example/a\ufffdb", 8)
    assert page.total is None


def test_the_question_is_as_the_service_wants_it(web: FaultWeb) -> None:
    api = Api(count=0)
    web.on("/v1/images/", api)
    for keyword in ("*", "k" * 300, "tiger & shark"):
        list(pages(source_at(web, credentials={"token": "s3cret"}), keyword))
    assert [query["q"] for query in api.asked] == ["*", "k" * 200, "tiger & shark"]
    assert api.asked[0].keys() == {"q", "page", "page_size"}
    headers = web.seen_headers["/v1/images/"]
    assert headers["user-agent"] == "PixCrawler/test"
    assert headers["authorization"] == "Bearer s3cret"


def test_without_a_token_none_is_sent(web: FaultWeb) -> None:
    first_page(web, Api(count=0))
    assert "authorization" not in web.seen_headers["/v1/images/"]


def test_an_address_without_its_last_slash_will_do(web: FaultWeb) -> None:
    web.on("/v1/images/", Api(count=1))
    source = OpenverseSource(SourceConfig(url=web.url("/v1")), Services())
    assert len(source.page(Query(keyword="tree", label="tree"), None).candidates) == 1


def test_every_request_keeps_the_pace(web: FaultWeb) -> None:
    paced: list[int] = []
    web.on("/v1/images/", Api(count=45))
    list(pages(source_at(web, pace=lambda: paced.append(sum(web.requests.values())))))
    assert paced == [0, 1, 2]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_setting(web: FaultWeb, status: int) -> None:
    error = error_of(web, json_answer({"detail": "no"}, status))
    assert isinstance(error, SourceRefused)
    assert not error.retryable
    assert "PIXCRAWLER_OPENVERSE_TOKEN" in str(error)


def test_too_many_requests_are_put_off_for_as_long_as_the_service_says(web: FaultWeb) -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    seconds = error_of(web, json_answer({}, 429, Retry_After="17"))
    date = error_of(web, json_answer({}, 429, Retry_After=in_a_minute))
    silent = error_of(web, json_answer({}, 429))
    nonsense = error_of(web, json_answer({}, 429, Retry_After="soon"))
    for error in (seconds, date, silent, nonsense):
        assert isinstance(error, SourceRateLimited)
        assert error.retryable
    assert seconds.retry_after_s == 17
    assert date.retry_after_s is not None
    assert 50 < date.retry_after_s <= 60
    assert silent.retry_after_s is nonsense.retry_after_s is None


@pytest.mark.parametrize("status", [500, 502, 503])
def test_trouble_of_the_service_may_pass(web: FaultWeb, status: int) -> None:
    error = error_of(web, answer(b"<html>", status=status, headers={"Retry-After": "9"}))
    assert isinstance(error, SourceUnavailable)
    assert error.retryable
    assert error.retry_after_s == 9


@pytest.mark.parametrize(
    "behaviour",
    [
        reset(),
        stall(),
        drip(interval_s=0.05, data=b" "),
        declared_length(b'{"results": [', declared=500),
        answer(b'{"results": []}', headers={"Content-Encoding": "gzip"}),
    ],
    ids=["reset", "silent", "drip", "cut off", "not compressed as it says"],
)
def test_a_broken_connection_may_pass(web: FaultWeb, behaviour: Behaviour) -> None:
    assert isinstance(error_of(web, behaviour, timeout_s=0.4), SourceUnavailable)


def test_a_service_that_is_not_there_may_come_back() -> None:
    with FaultWeb() as gone:
        gone.close()
        source = source_at(gone)
    with pytest.raises(SourceUnavailable, match="PIXCRAWLER_OPENVERSE_URL"):
        source.page(Query(keyword="tree", label="tree"), None)


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(b"<!doctype html><title>Sign in</title>"),
        answer(b""),
        json_answer([]),
        json_answer("text"),
        json_answer({"items": []}),
        json_answer({"results": {"0": ITEM}}),
        answer(b"[" * 100_000),
        answer(b"\xff\xfe\x00"),
        answer(b'{"results": "' + b"x" * (9 * 1024 * 1024) + b'"}'),
        answer(gzip.compress(b" " * (9 * 1024 * 1024)), headers={"Content-Encoding": "gzip"}),
        redirect("https://elsewhere.example/"),
    ],
    ids=["page", "empty", "list", "text", "no results", "odd results", "deep", "no text", "huge", "bomb", "moved"],
)
def test_an_answer_of_another_shape_is_said_to_be_one(web: FaultWeb, behaviour: Behaviour) -> None:
    error = error_of(web, behaviour)
    assert isinstance(error, SourceShapeChanged)
    assert not error.retryable


def test_a_question_that_is_not_accepted_gives_the_services_words(web: FaultWeb) -> None:
    body = {"error": "InputError", "detail": "Invalid query\u0000 given.", "fields": ["q"]}
    error = error_of(web, json_answer(body, 400))
    assert isinstance(error, SourceBadRequest)
    assert "Invalid query given." in str(error)
    assert isinstance(error_of(web, answer(b"<html>", status=422)), SourceBadRequest)


def test_a_wrong_address_names_the_setting(web: FaultWeb) -> None:
    error = error_of(web, answer(b"nothing here", status=404))
    assert isinstance(error, SourceBadRequest)
    assert "PIXCRAWLER_OPENVERSE_URL" in str(error)


def test_a_compressed_answer_is_read(web: FaultWeb) -> None:
    packed = gzip.compress(json.dumps({"results": [ITEM]}).encode())
    assert len(first_page(web, answer(packed, headers={"Content-Encoding": "gzip"})).candidates) == 1


def test_nothing_of_the_environment_is_used(web: FaultWeb, canary: FaultWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, canary.url())
    first_page(web, Api(count=1))
    assert canary.connections == 0


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=openverse,
        path="/v1/images/",
        url="/v1/",
        item=lambda number, url: {**ITEM, "id": str(number), "url": url},
        bare=lambda url: {"url": url},
        body=lambda shown, count, asked: {
            "result_count": count,
            "page_count": -(-count // asked.size),
            "results": list(shown),
        },
        asked=lambda query: Asked(
            start=(int(query["page"]) - 1) * int(query["page_size"]), size=int(query["page_size"])
        ),
        expected=Candidate(
            url="",
            source="openverse",
            source_id="0",
            thumb_url="https://api.example/v1/images/4bc43a04/thumb/",
            page_url="https://stock.example/photo/1",
            title="Tree Bark Photo",
            creator="Tim Sullivan",
            creator_url="https://stock.example/tim",
            licence_code="cc0",
            licence_version="1.0",
            licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
            attribution='"Tree Bark Photo" by Tim Sullivan is marked with CC0 1.0.',
            width_px=6016,
            height_px=4016,
            size_bytes=896128,
            format_hint="jpg",
            tags=("tree",),
        ),
        credentials={"token": "s3cret-t0ken"},
        odd=[{"id": "without"}, {"url": None}, {"url": 5}, "not an object", None],
        errors=[
            (400, {"error": "InputError", "detail": "Invalid query.", "fields": ["q"]}, SourceBadRequest),
            (422, "", SourceBadRequest),
            (404, {"detail": "Not found."}, SourceBadRequest),
        ],
        changed=[{"items": []}, {"results": {"0": ITEM}}, {"results": None}],
        filters=[
            (Filters(), {"mature": None, "license_type": None, "extension": None, "aspect_ratio": None}),
            (Filters(safe_search=False), {"mature": "true"}),
            (Filters(licence=LicenceClass.COMMERCIAL), {"license_type": "commercial"}),
            (Filters(licence=LicenceClass.MODIFY), {"license_type": "modification"}),
            (Filters(licence=LicenceClass.PUBLIC_DOMAIN), {"license": "cc0,pdm"}),
            (Filters(format=PictureFormat.JPEG), {"extension": "jpg,jpeg"}),
            (Filters(format=PictureFormat.PNG), {"extension": "png"}),
            (Filters(orientation=Orientation.LANDSCAPE), {"aspect_ratio": "wide"}),
        ],
    )


def test_a_token_is_fetched_once_with_the_clients_secret(web: FaultWeb) -> None:
    web.on("/v1/images/", Api(count=45))
    web.on("/v1/auth_tokens/token/", json_answer({"access_token": "f3tched", "expires_in": 36000}))
    source = source_at(web, credentials={"client_id": "me", "client_secret": "s3cret"})
    assert len(list(pages(source))) == 3
    assert web.requests["/v1/auth_tokens/token/"] == 1
    assert web.seen_headers["/v1/images/"]["authorization"] == "Bearer f3tched"


@pytest.mark.parametrize("answered", [{}, {"access_token": 5}, {"access_token": "a\nb"}])
def test_an_answer_without_a_token_is_of_another_shape(web: FaultWeb, answered: object) -> None:
    web.on("/v1/auth_tokens/token/", json_answer(answered))
    source = source_at(web, credentials={"client_id": "me", "client_secret": "s3cret"})
    with pytest.raises(SourceShapeChanged, match="without an access token"):
        source.page(Query(keyword="tree", label="tree"), None)


def test_slices_keep_to_the_licences_asked_for_and_go_down_to_shapes(web: FaultWeb) -> None:
    source = source_at(web)
    query = Query(keyword="tree", label="tree", filters=Filters(licence=LicenceClass.COMMERCIAL))
    parts = source.slices(query)
    assert [part.values["license"] for part in parts] == ["by", "by-sa", "by-nd", "cc0", "pdm"]
    sizes = source.slices(replace(query, slice=parts[0]))
    assert [part.words for part in sizes] == [f"licence by, size {size}" for size in ("large", "medium", "small")]
    shapes = source.slices(replace(query, slice=sizes[0]))
    assert [part.values["aspect_ratio"] for part in shapes] == ["wide", "tall", "square"]
    assert source.slices(replace(query, slice=shapes[0])) == ()
