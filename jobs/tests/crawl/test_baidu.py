"""The Baidu adapter against a loopback server of its page's shape."""

import json
from dataclasses import replace
from typing import Any

import pytest

from jobs.crawl.sources import baidu
from jobs.crawl.sources.base import SourceCaptcha
from jobs.crawl.types import Candidate
from jobs.tests.crawl.faultweb import FaultWeb, answer
from jobs.tests.crawl.matrix import QUERY, SourceMatrix
from jobs.tests.crawl.service import Asked, Service, SourceCase


def item(number: int, url: str) -> dict[str, Any]:
    return {
        "thumbURL": "https://thumbs.example/t.jpg",
        "width": 1920,
        "height": 1280,
        "type": "jpg",
        "fromPageTitle": "一棵<strong>树</strong>",
        "replaceUrl": [{"ObjURL": url, "FromURL": "https://trees.example/oak"}],
    }


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=baidu,
        path="/search/acjson",
        url="/",
        item=item,
        bare=lambda url: {"replaceUrl": [{"ObjURL": url}]},
        body=lambda shown, _count, _asked: {"queryEnc": "tree", "data": [*shown, {}]},
        asked=lambda query: Asked(start=int(query["pn"]), size=int(query["rn"])),
        expected=Candidate(
            url="",
            source="baidu",
            thumb_url="https://thumbs.example/t.jpg",
            page_url="https://trees.example/oak",
            title="一棵 树",
            attribution="“一棵 树”.",
            width_px=1920,
            height_px=1280,
            format_hint="jpg",
        ),
        page_size=30,
        odd=[{"width": 5}, {"replaceUrl": []}, {"replaceUrl": [{"ObjURL": None}]}, {"replaceUrl": "x"}, "text", None],
        errors=[(200, {"antiFlag": 1, "message": "Forbid spider access"}, SourceCaptcha)],
        changed=[{"queryEnc": "tree"}, {"data": {"0": {}}}],
        has_total=False,
        tells_end=False,
        warm_up={"/": "<!doctype html><title>图片</title>"},
    )


def test_an_escaped_apostrophe_costs_nothing(web: FaultWeb) -> None:
    service = Service(TestMatrix.case, web)
    told = json.dumps({"data": [{**item(0, web.url("/a.jpg")), "fromPageTitle": "it?s"}]}).replace("it?s", r"it\'s")
    service.refuse(answer(told.encode(), headers={"Content-Type": "text/html"}))
    (found,) = service.source().page(QUERY, None).candidates
    assert found.title == "it's"


def test_the_page_is_visited_once_for_its_cookies(web: FaultWeb) -> None:
    web.on("/", answer(b"<!doctype html>", headers={"Set-Cookie": "BDIMGISLOGIN=0; Path=/"}))
    service = Service(replace(TestMatrix.case, warm_up={}), web, count=31)
    source = service.source()
    source.page(QUERY, source.page(QUERY, None).next_cursor)
    assert web.requests["/"] == 1
    assert all("BDIMGISLOGIN" in headers.get("cookie", "") for headers in service.headers)


def test_being_led_to_a_riddle_is_a_captcha(web: FaultWeb) -> None:
    service = Service(TestMatrix.case, web)
    service.refuse(answer(status=302, headers={"Location": "https://wappass.baidu.com/static/captcha/tuxing.html"}))
    with pytest.raises(SourceCaptcha):
        service.source().page(QUERY, None)
