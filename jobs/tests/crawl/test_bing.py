"""The Bing adapter against a loopback server of its page's shape."""

import html
import json
from collections.abc import Sequence
from typing import Any

import pytest

from datasets.licences import LicenceClass
from jobs.crawl.filters import Colour, Filters, Orientation
from jobs.crawl.sources import bing
from jobs.crawl.sources.bing import results_of
from jobs.crawl.types import Candidate
from jobs.tests.crawl.faultweb import FaultWeb
from jobs.tests.crawl.matrix import QUERY, SourceMatrix
from jobs.tests.crawl.service import Asked, Service, SourceCase, answering


def item(number: int, url: str) -> dict[str, Any]:
    return {
        "mid": "5B3A",
        "murl": url,
        "turl": "https://thumbs.example/t.jpg",
        "purl": "https://trees.example/oak",
        "t": "A tree & a “sky”",
        "desc": "",
    }


def body(shown: Sequence[object], count: int, asked: Asked) -> str:
    noted = "".join(
        f'<li><a class="iusc" style="x" m="{html.escape(json.dumps(one))}" href="/images/search?id=1"></a></li>'
        for one in shown
    )
    return f'<ul class="dgControl_list">{noted}</ul><a class="other" m="{{}}">more</a>'


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=bing,
        path="/images/async",
        url="/",
        item=item,
        bare=lambda url: {"murl": url},
        body=body,
        asked=lambda query: Asked(start=int(query["first"]) - 1, size=int(query["count"])),
        expected=Candidate(
            url="",
            source="bing",
            source_id="5B3A",
            thumb_url="https://thumbs.example/t.jpg",
            page_url="https://trees.example/oak",
            title="A tree & a “sky”",
            attribution="“A tree & a “sky””.",
        ),
        page_size=35,
        odd=[{"mid": "1"}, {"murl": None}, {"murl": 5}, "text", None],
        changed=["<p>Something else.</p>"],
        filters=[
            (Filters(), {"adlt": "strict", "qft": None}),
            (Filters(safe_search=False), {"adlt": "off"}),
            (Filters(colour=Colour.RED), {"qft": "+filterui:color2-FGcls_RED"}),
            (Filters(orientation=Orientation.PORTRAIT), {"qft": "+filterui:aspect-tall"}),
            (Filters(licence=LicenceClass.COMMERCIAL), {"qft": "+filterui:license-L2_L3_L4"}),
            (Filters(licence=LicenceClass.MODIFY), {"qft": None}),
            (Filters(min_width_px=800, min_height_px=600), {"qft": "+filterui:imagesize-custom_800_600"}),
        ],
        pages_html=True,
        has_total=False,
        tells_end=False,
    )


def test_what_is_no_result_is_passed_over() -> None:
    noted = ['class="iusc"', 'class="iusc" m="{broken"', 'class="iusc" m="[1]"', 'm="{}"']
    page = "".join(f"<a {attributes}></a>" for attributes in [*noted, 'class="x iusc" m="{&quot;murl&quot;: 1}"'])
    assert results_of(page) == [{"murl": 1}]


@pytest.mark.parametrize("page", ["", "<p>Nothing more.</p>"])
def test_behind_the_last_page_comes_anything_without_results(web: FaultWeb, page: str) -> None:
    service = Service(TestMatrix.case, web, count=35)
    source = service.source()
    cursor = source.page(QUERY, None).next_cursor
    web.on("/images/async", answering(page))
    assert source.page(QUERY, cursor).next_cursor is None
