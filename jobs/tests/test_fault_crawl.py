"""What a hostile web makes of a crawl's ledger: one table of what a site does and what the finding says."""

import re
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from datasets.models import Image
from datasets.tests.pictures import encoded, noisy
from jobs import wiring
from jobs.models import Finding
from jobs.tests.crawl.faultweb import Behaviour, FaultWeb, answer, gzipped, in_turn, raw, redirect
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.test_crawl import submit

pytestmark = pytest.mark.django_db(transaction=True)

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def web(settings: Settings) -> Iterator[FaultWeb]:
    with FaultWeb() as web:
        settings.ALLOW_HOSTS = frozenset({web.host_port})
        wiring.fetcher.cache_clear()
        # Another test's server may have had the same port.
        wiring.robots.cache_clear()
        yield web
    wiring.fetcher.cache_clear()


def photo(seed: int) -> bytes:
    return encoded(noisy(64, 64, seed=seed))


def named(file_name: bytes, body: bytes) -> Behaviour:
    """A picture that gives itself a file name."""
    disposition = b'Content-Disposition: attachment; filename="' + file_name + b'"\r\n'
    return raw(HEAD + disposition + b"Content-Length: %d\r\n\r\n" % len(body) + body)


#: Path, what the site does there, outcome, reason.
TABLE: tuple[tuple[str, Behaviour, str, str], ...] = (
    ("/picture-as-page.jpg", answer(photo(1), headers={"Content-Type": "text/html"}), "kept", ""),
    ("/page-as-picture.jpg", answer(b"<html><body>Not here.</body></html>"), "rejected", "not_an_image"),
    ("/drawing-as-picture.jpg", answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "rejected", "unsupported_format"),
    ("/compressed.jpg", gzipped(photo(2)), "kept", ""),
    ("/..%2F..%2F..%2Fetc%2Fpasswd", answer(photo(3)), "kept", ""),
    ("/%2E%2E%5C%2E%2E%5Cboot.ini", answer(photo(4)), "kept", ""),
    ("/nul%00.jpg", answer(photo(5)), "kept", ""),
    (f"/{'long' * 75}.jpg", answer(photo(6)), "kept", ""),
    ("/%FF%FE%80.jpg", answer(photo(7)), "kept", ""),
    ("/climbing-name", named(b"../../../etc/passwd", photo(8)), "kept", ""),
    ("/long-name", named(b"x" * 300 + b".jpg", photo(9)), "kept", ""),
    ("/name-in-wrong-utf-8", named(b"\xff\xfe\x80.jpg", photo(10)), "kept", ""),
    ("/name-with-nul", named(b"a\0b.jpg", photo(11)), "failed", "protocol_error"),
    ("/same/1", answer(photo(12)), "kept", ""),
    ("/same/2", answer(photo(12)), "duplicate", "duplicate_exact"),
    ("/same/3", answer(photo(12)), "duplicate", "duplicate_exact"),
    ("/same/4", redirect("/same/1"), "duplicate", "duplicate_exact"),
    ("/same/5?again", answer(photo(12)), "duplicate", "duplicate_exact"),
    ("/patient", in_turn(answer(status=503, headers={"Retry-After": "0"}), answer(photo(13))), "kept", ""),
    ("/too-patient", answer(status=429, headers={"Retry-After": "301"}), "failed", "http_429"),
    ("/inwards", redirect("http://169.254.169.254/latest/"), "rejected", "blocked_address"),
    ("/upstairs", redirect("http://[::1]/"), "rejected", "blocked_address"),
    ("/outwards", redirect("file:///etc/passwd"), "rejected", "blocked_scheme"),
    ("/sideways", redirect("http://example.org:22/"), "rejected", "blocked_port"),
    ("/round", redirect("/and-round"), "failed", "too_many_redirects"),
    ("/and-round", redirect("/round"), "failed", "too_many_redirects"),
)


def test_every_fault_ends_in_the_ledger_under_its_name(web: FaultWeb) -> None:
    expected = {}
    for path, behaviour, outcome, reason in TABLE:
        web.on(path.partition("?")[0], behaviour)
        expected[web.url(path)] = (outcome, reason)

    job = drain(submit(keywords=(), sources=("urls",), url_list=["url", *expected], per_label=50))

    assert_ledger_holds(job)
    found = {row[0]: row[1:] for row in Finding.objects.values_list("url", "outcome", "reason")}
    same = [url for url in expected if "/same/" in url]
    # Which of five addresses with the same bytes comes first is chance: one keeps them.
    assert sorted(found.pop(url) for url in same) == sorted(expected.pop(url) for url in same)
    assert found == expected
    assert all(re.fullmatch(r"[0-9a-z./_-]+", image.blob_name) for image in Image.objects.all())


def test_nobody_is_told_where_an_address_led_to(web: FaultWeb) -> None:
    web.on("/a", redirect("http://localhost/"))
    job = drain(submit(keywords=(), sources=("urls",), url_list=["url", web.url("/a"), "http://localhost./b"]))

    details = set(Finding.objects.filter(job=job).values_list("reason", "detail"))
    assert details == {("blocked_address", "The address does not lead to the public internet.")}
    assert not job.activities.filter(sentence__contains="127.0.0.1").exists()
    assert not job.activities.filter(sentence__contains="::1").exists()
