"""What a hostile web makes of a crawl's ledger: one table of what a site does and what the finding says."""

import re
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image as PillowImage
from pytest_django import Settings

from datasets.models import Image
from datasets.tests.pictures import cuts, drawn, encoded, gif_repeating, noisy, png_claiming, with_png_chunk
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


def damaged() -> dict[str, tuple[bytes, str]]:
    """Name, bytes and reason: a photograph cut at ten offsets, and closed again; bits flipped; bombs of every kind."""
    whole = encoded(drawn(seed=1), quality=95)
    middle = len(whole) // 2
    flipped = bytearray(encoded(drawn(seed=2), "PNG"))
    flipped[len(flipped) // 2] ^= 1
    progressive = encoded(noisy(40, 30, seed=60), progressive=True)
    start = progressive.index(b"\xff\xda")
    scan = progressive[start : progressive.index(b"\xff", start + 14)]
    png = encoded(noisy(64, 64, seed=61), "PNG")
    return {
        **{f"cut-at-{offset}": (whole[:offset], "truncated") for offset in cuts(whole)[2:]},
        "cut-and-closed": (whole[:middle] + b"\xff\xd9", "truncated"),
        "bit-flipped": (bytes(flipped), "corrupt"),
        "pixel-bomb": (png_claiming(60_000, 60_000), "decompression_bomb"),
        "more-pixels-than-allowed": (png_claiming(8_000, 8_000), "too_many_pixels"),
        "text-bomb": (with_png_chunk(png, b"zTXt", b"a\0\0" + zlib.compress(b" " * 2_000_000)), "metadata_too_large"),
        "frame-bomb": (gif_repeating(frames=1_001, size_px=(64, 64)), "too_many_frames"),
        "scan-bomb": (progressive[:start] + scan * 600 + progressive[start:], "decompression_bomb"),
        "one-colour": (encoded(PillowImage.new("RGB", (64, 64), "white"), "PNG"), "blank"),
        "a-thread": (encoded(noisy(64, 1_600, seed=62), "PNG"), "bad_aspect"),
        "a-stamp": (encoded(noisy(20, 20, seed=63)), "too_small"),
        "a-document": (b"%PDF-1.7 and so on", "unsupported_format"),
    }


def opted_out() -> dict[str, Behaviour]:
    """Every form in which a site or a file may object."""
    statement = b"<plus:DataMining>DMI-PROHIBITED-AIMLTRAINING</plus:DataMining>"
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + statement
    said = {
        "noai": ("X-Robots-Tag", "noai"),
        "noimageai": ("X-Robots-Tag", "nofollow, noimageai"),
        "noindex": ("X-Robots-Tag", "noindex"),
        "noimageindex": ("X-Robots-Tag", "NoImageIndex"),
        "by-name": ("X-Robots-Tag", "pixcrawler: noai"),
        "for-all": ("X-Robots-Tag", "*: noai"),
        "reserved": ("tdm-reservation", "1"),
    }
    headers = {
        f"/says-{name}.jpg": answer(photo(70 + number), headers=dict([header]))
        for number, (name, header) in enumerate(said.items())
    }
    return {
        **headers,
        "/says-in-the-file.png": answer(with_png_chunk(encoded(noisy(64, 64, seed=80), "PNG"), b"iTXt", xmp)),
    }


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
    ("/hidden/from-machines.jpg", answer(photo(14)), "rejected", "robots_disallowed"),
    ("/said-to-others.jpg", answer(photo(15), headers={"X-Robots-Tag": "otherbot: noai"}), "kept", ""),
    *((f"/{name}", answer(body), "rejected", reason) for name, (body, reason) in damaged().items()),
    *((path, behaviour, "rejected", "optout_header") for path, behaviour in opted_out().items()),
)


def test_every_fault_ends_in_the_ledger_under_its_name(web: FaultWeb) -> None:
    expected = {}
    web.on("/robots.txt", answer(b"User-agent: *\nDisallow: /hidden/", headers={"Content-Type": "text/plain"}))
    for path, behaviour, outcome, reason in TABLE:
        web.on(path.partition("?")[0], behaviour)
        expected[web.url(path)] = (outcome, reason)

    job = drain(submit(keywords=(), sources=("urls",), url_list=["url", *expected], per_label=100))

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
