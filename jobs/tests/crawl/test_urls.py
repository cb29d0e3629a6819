"""Which addresses are accepted, and when two are the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.outcomes import Reason
from jobs.crawl.urls import InvalidUrl, as_listed, host_and_port, normalise, url_key


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("http://example.org", "http://example.org/"),
        ("  https://Example.ORG/A.jpg\n", "https://example.org/A.jpg"),
        ("HTTPS://example.org:443/a", "https://example.org/a"),
        ("http://example.org:80/a", "http://example.org/a"),
        ("http://example.org:443/a", "http://example.org:443/a"),
        ("http://example.org:/a", "http://example.org/a"),
        ("http://example.org./a", "http://example.org/a"),
        ("http://example.org/a#part", "http://example.org/a"),
        ("http://example.org/a?b=2&a=1#part", "http://example.org/a?b=2&a=1"),
        ("http://example.org/a b.jpg", "http://example.org/a%20b.jpg"),
        ("http://example.org/ä.jpg", "http://example.org/%C3%A4.jpg"),
        ("http://example.org/%c3%a4.jpg", "http://example.org/%C3%A4.jpg"),
        ("http://example.org/%7Eme/%41", "http://example.org/~me/A"),
        ("http://example.org/a%2Fb", "http://example.org/a%2Fb"),
        ("http://example.org/a%2e%2e/b", "http://example.org/a%2E%2E/b"),
        ("http://example.org/100%.jpg", "http://example.org/100%.jpg"),
        ("http://example.org/a//b;c=1,2", "http://example.org/a//b;c=1,2"),
        ("http://example.org/a?q=%2B+&q=ü", "http://example.org/a?q=%2B+&q=%C3%BC"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://straße.de/", "http://xn--strae-oqa.de/"),
        ("http://my_host.example/", "http://my_host.example/"),
        ("http://[2001:DB8:0:0::1]:8080/a", "http://[2001:db8::1]:8080/a"),
        ("http://[::1]/", "http://[::1]/"),
        ("http://127.0.0.1:9100/a", "http://127.0.0.1:9100/a"),
    ],
)
def test_an_address_has_one_spelling(given_url: str, expected: str) -> None:
    assert normalise(given_url) == expected
    assert normalise(expected) == expected
    assert url_key(given_url) == url_key(expected)


@pytest.mark.parametrize(
    ("given_url", "reason"),
    [
        ("", Reason.INVALID_URL),
        ("   ", Reason.INVALID_URL),
        ("example.org/a.jpg", Reason.INVALID_URL),
        ("//example.org/a.jpg", Reason.INVALID_URL),
        ("http:///a.jpg", Reason.INVALID_URL),
        ("http:example.org", Reason.INVALID_URL),
        ("http://?a=b", Reason.INVALID_URL),
        ("http://a..b/", Reason.INVALID_URL),
        ("http://.../", Reason.INVALID_URL),
        (f"http://{'a' * 64}.example/", Reason.INVALID_URL),
        (f"http://{'a.' * 127}example/", Reason.INVALID_URL),
        ("http://exa mple.org/", Reason.INVALID_URL),
        ("http://evil.example\\.good.example/", Reason.INVALID_URL),
        ("http://127.0.0.1%2f.example/", Reason.INVALID_URL),
        ("http://a%00b/", Reason.INVALID_URL),
        ("http://user@example.org/", Reason.INVALID_URL),
        ("http://user:secret@example.org/", Reason.INVALID_URL),
        ("http://@example.org/", Reason.INVALID_URL),
        ("http://example.org:99999/", Reason.INVALID_URL),
        ("http://example.org:http/", Reason.INVALID_URL),
        ("http://example.org:80:80/", Reason.INVALID_URL),
        ("http://[::1/", Reason.INVALID_URL),
        ("http://[fe80::1%25eth0]/", Reason.INVALID_URL),
        ("http://[example.org]/", Reason.INVALID_URL),
        ("http://example.org/a\tb", Reason.INVALID_URL),
        ("http://example.org/a\r\nHost: other", Reason.INVALID_URL),
        ("http://example.org/a\x00b", Reason.INVALID_URL),
        ("http://example.org/a\x85b", Reason.INVALID_URL),
        ("http://example.org/a\ud800b", Reason.INVALID_URL),
        ("http://example.org/\ufffd.jpg", Reason.INVALID_URL),
        (f"http://example.org/{'a' * 2048}", Reason.INVALID_URL),
        (f"http://example.org/{'ä' * 1000}", Reason.INVALID_URL),
        ("ftp://example.org/a.jpg", Reason.BLOCKED_SCHEME),
        ("file:///etc/passwd", Reason.BLOCKED_SCHEME),
        ("javascript:alert(1)", Reason.BLOCKED_SCHEME),
        ("data:image/png;base64,AAAA", Reason.BLOCKED_SCHEME),
        ("gopher://example.org/", Reason.BLOCKED_SCHEME),
        ("sample:stars/1", Reason.BLOCKED_SCHEME),
        ("http://example.org:0/", Reason.BLOCKED_PORT),
    ],
)
def test_an_address_that_is_not_fetched_says_why(given_url: str, reason: Reason) -> None:
    with pytest.raises(InvalidUrl) as caught:
        normalise(given_url)
    assert caught.value.reason is reason
    assert str(caught.value).endswith(".")


def test_different_resources_stay_different() -> None:
    urls = [
        "http://example.org/a",
        "https://example.org/a",
        "http://example.org/A",
        "http://example.org/a/",
        "http://example.org:8080/a",
        "http://example.org/a?x=1&y=2",
        "http://example.org/a?y=2&x=1",
        "http://example.org/a%2Fb",
        "http://example.org/a/b",
        "sample:stars/1",
        "sample:stars/2",
        "not an address",
        "",
    ]
    assert len({url_key(url) for url in urls}) == len(urls)


def test_the_key_of_a_local_address_is_of_the_string_itself() -> None:
    # sha256 of "sample:stars/1", its first 16 bytes
    assert url_key("sample:stars/1") == "6c0bc7a6066b4f26e62a714fba0b1a46"


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda tail: f"http://example.org/{tail}"))
def test_every_string_has_a_key_and_a_spelling_is_final(url: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", url_key(url))
    try:
        spelled = normalise(url)
    except InvalidUrl:
        return
    assert normalise(spelled) == spelled
    assert spelled.isascii()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.org/a:1", ("example.org", 80)),
        ("https://example.org/", ("example.org", 443)),
        ("http://127.0.0.1:9100/", ("127.0.0.1", 9100)),
        ("http://[::1]:9100/", ("[::1]", 9100)),
        ("https://[::1]/", ("[::1]", 443)),
    ],
)
def test_host_and_port_are_as_an_operator_writes_them(url: str, expected: tuple[str, int]) -> None:
    assert host_and_port(url) == expected


def test_a_bad_address_is_stored_as_a_bad_address() -> None:
    stored = as_listed(" http://example.org/a\x00b\ud800 ")
    assert stored == "http://example.org/a\ufffdb\ufffd"
    with pytest.raises(InvalidUrl):
        normalise(stored)
    with pytest.raises(InvalidUrl):
        normalise(as_listed(f"http://example.org/{'a' * 5000}"))
    assert as_listed(None) == as_listed(5) == ""


def test_a_listed_address_does_not_turn_text_around() -> None:
    stored = as_listed("http://example.org/\u202egpj.exe")

    assert stored == "http://example.org/%E2%80%AEgpj.exe"
    assert normalise(stored) == normalise("http://example.org/\u202egpj.exe")
