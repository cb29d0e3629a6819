"""The pictures of web pages and of sitemaps' pages."""

import gzip
import json
from collections.abc import Mapping

import pytest
from pytest_django import Settings

from datasets.models import Image
from datasets.outcomes import Reason
from datasets.tests.pictures import encoded, noisy
from jobs import crawl_services, wiring
from jobs.crawl.sources import webpage
from jobs.crawl.sources.base import (
    Services,
    SourceBadRequest,
    SourceConfig,
    SourceError,
    SourceRefused,
    SourceUnavailable,
)
from jobs.crawl.sources.markup import document_of, largest
from jobs.crawl.types import Candidate, Cursor, Fetched, FetchFailure, Query
from jobs.crawl_services import CrawlRequest
from jobs.models import Status
from jobs.tests.crawl.faultweb import FaultWeb, answer
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds

PAGE = b"""<!doctype html><head><meta property="og:image" content="/hero.jpg"><base href="/art/"></head>
<img src="small.jpg" srcset="small.jpg 400w, large.jpg 1600w, medium.jpg 800w" alt="An &amp; oak">
<picture><source srcset="new.avif 1x, newer.avif 2x"><img src="old.jpg" alt="Sky"></picture>
<img src="data:image/gif;base64,R0lGOD" data-src="later.jpg"><img src="//cdn.example/far.jpg"><img alt="nothing">
<a href="linked.jpg">a link</a><img src="/hero.jpg"></body>"""


def read(pages: Mapping[str, bytes | FetchFailure], keyword: str, **options: str) -> list[Candidate]:
    """All that the source lists, its cursors written down in between."""
    asked: list[str] = []

    def read_page(url: str) -> Fetched | FetchFailure:
        asked.append(url)
        found = pages.get(url, FetchFailure(reason=Reason.HTTP_404, detail="Status 404."))
        return found if isinstance(found, FetchFailure) else Fetched(body=found, final_url=url)

    source = webpage.build(SourceConfig(options=options), Services(read_page=read_page))
    candidates: list[Candidate] = []
    cursor: Cursor | None = None
    for _ in range(50):
        page = source.page(Query(keyword=keyword, label="a"), cursor)
        candidates += page.candidates
        if page.next_cursor is None:
            assert len(asked) == len(set(asked))
            return candidates
        cursor = json.loads(json.dumps(page.next_cursor))
    pytest.fail("The list has no end.")


def sitemap(*addresses: str) -> bytes:
    listed = "".join(f"<url><loc> {address} </loc><lastmod>2026</lastmod></url>" for address in addresses)
    return (
        f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</urlset>'.encode()
    )


def test_each_picture_of_a_page_is_listed_once_in_its_largest_size() -> None:
    found = read({"https://a.example/": PAGE}, "https://a.example")
    assert [one.url for one in found] == [
        "https://a.example/hero.jpg",
        "https://a.example/art/large.jpg",
        "https://a.example/art/newer.avif",
        "https://a.example/art/later.jpg",
        "https://cdn.example/far.jpg",
    ]
    assert [one.title for one in found] == ["", "An & oak", "Sky", "", ""]
    assert {(one.page_url, one.licence_code) for one in found} == {("https://a.example/", "unknown")}


@pytest.mark.parametrize(
    ("srcset", "expected"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg 1x, b.jpg 2x", "b.jpg"),
        ("a,b.jpg 100w,c.jpg 50w", "a,b.jpg"),
        ("a.jpg 1.5.5x, b.jpg", "a.jpg"),
        ("", ""),
        (" , ", ""),
    ],
)
def test_the_largest_of_a_srcset(srcset: str, expected: str) -> None:
    assert largest(srcset) == expected


def test_a_sitemap_leads_to_the_pages_of_its_own_host_up_to_the_limit() -> None:
    pages = {
        "https://a.example/sitemap.xml": sitemap(
            "https://a.example/1", "https://elsewhere.example/2", "/3", "https://a.example/1", "https://a.example/gone"
        ),
        "https://a.example/1": b'<img src="one.jpg">',
        "https://a.example/3": b'<img src="three.jpg">',
    }
    found = read(pages, "https://a.example/sitemap.xml")
    assert [(one.url, one.rank) for one in found] == [
        ("https://a.example/one.jpg", 0),
        ("https://a.example/three.jpg", 1),
    ]
    assert len(read(pages, "https://a.example/sitemap.xml", max_pages="1")) == 1


def test_a_sitemap_may_be_packed_and_list_others() -> None:
    index = b"<sitemapindex><sitemap><loc>https://a.example/inner.xml.gz</loc></sitemap></sitemapindex>"
    pages = {
        "https://a.example/sitemap.xml": index,
        "https://a.example/inner.xml.gz": gzip.compress(sitemap("https://a.example/1")),
        "https://a.example/1": b"<img src=one.jpg>",
    }
    assert [one.url for one in read(pages, "https://a.example/sitemap.xml")] == ["https://a.example/one.jpg"]
    broken = {**pages, "https://a.example/inner.xml.gz": gzip.compress(b"x" * 1000)[:20]}
    assert read(broken, "https://a.example/sitemap.xml") == []


@pytest.mark.parametrize("said", ["noimageai", "noindex, nofollow", "none"])
def test_a_page_that_asks_machines_to_stay_away_lists_nothing(said: str) -> None:
    assert (
        read({"https://a.example/": f'<meta name="robots" content="{said}">'.encode() + PAGE}, "https://a.example")
        == []
    )
    assert (
        len(read({"https://a.example/": b'<meta name="robots" content="nofollow">' + PAGE}, "https://a.example")) == 5
    )


def test_text_is_read_in_the_encoding_that_the_page_names() -> None:
    body = '<meta charset="iso-8859-1"><img src="a.jpg" alt="Köln">'.encode("latin-1")
    assert document_of(body).pictures[0].title == "Köln"
    assert document_of(body.replace(b"iso-8859-1", b"nonsense")).pictures[0].title == "K\ufffdln"


@pytest.mark.parametrize(
    ("keyword", "failure", "kind"),
    [
        ("oak tree", None, SourceBadRequest),
        ("ftp://a.example/", None, SourceBadRequest),
        ("https://a.example/", FetchFailure(reason=Reason.HTTP_404, detail="Status 404."), SourceBadRequest),
        ("https://a.example/", FetchFailure(reason=Reason.TIMEOUT, detail="Too slow."), SourceUnavailable),
        ("https://a.example/", FetchFailure(reason=Reason.ROBOTS_DISALLOWED, detail="Disallowed."), SourceRefused),
        ("https://a.example/", FetchFailure(reason=Reason.BLOCKED_ADDRESS, detail="Private."), SourceRefused),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(
    keyword: str, failure: FetchFailure | None, kind: type[SourceError]
) -> None:
    with pytest.raises(kind) as caught:
        read({keyword: failure} if failure else {}, keyword)
    assert str(caught.value).startswith("Web page ")
    assert str(caught.value).endswith((".", "…"))


@pytest.mark.django_db(transaction=True)
def test_a_page_is_crawled_by_the_rules_of_every_fetch(web: FaultWeb, settings: Settings) -> None:
    settings.ALLOW_HOSTS = frozenset({web.host_port})
    for cached in (wiring.fetcher, wiring.robots):
        cached.cache_clear()
    web.on("/robots.txt", answer(b"User-agent: *\nDisallow: /secret", headers={"Content-Type": "text/plain"}))
    web.on("/gallery", answer(b'<img src="/1.jpg"><img src="/2.jpg"><img src="/gone.jpg"><img src="/secret/3.jpg">'))
    for number in (1, 2):
        web.on(f"/{number}.jpg", answer(encoded(noisy(90, 80, seed=number))))

    request = CrawlRequest(
        dataset="Pages", keywords=(f"art: {web.url('/gallery')}",), sources=("webpage",), per_label=50
    )
    job = drain(crawl_services.submit_crawl(request, by=None))

    assert_ledger_holds(job)
    assert (job.status, job.found, job.kept, job.failed) == (Status.COMPLETED, 4, 2, 1), job.summary
    assert set(Image.objects.values_list("page_url", "label")) == {(web.url("/gallery"), "art")}
    assert web.requests["/secret/3.jpg"] == 0
