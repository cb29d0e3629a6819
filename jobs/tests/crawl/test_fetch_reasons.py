"""Every fault that a site can have, and the reason that it gets."""

import gzip
import socket

from datasets.outcomes import Reason
from jobs.crawl.types import FetchFailure
from jobs.tests.crawl.faultweb import (
    Behaviour,
    FaultWeb,
    answer,
    declared_length,
    drip,
    drip_headers,
    endless_chunks,
    endless_headers,
    gzipped,
    raw,
    redirect,
    reset,
    stall,
    stall_in_body,
    without_length,
)
from jobs.tests.crawl.fetching import LIMITS, code, fetch, fetcher_for

BODY = bytes(range(256)) * 40
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

#: What the site does, and what becomes of the candidate ("ok": its bytes).
FAULTS: dict[str, tuple[Behaviour, Reason | str]] = {
    "sound": (answer(BODY), "ok"),
    "as large as allowed": (answer(b"x" * LIMITS.max_body_bytes), "ok"),
    "without a length": (without_length(BODY), "ok"),
    "after an interim answer": (raw(b"HTTP/1.1 103 Early\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok"), "ok"),
    "compressed all the same": (gzipped(BODY), "ok"),
    "wrong type": (answer(BODY, headers={"Content-Type": "text/html"}), "ok"),
    "not compressed as it says": (answer(BODY, headers={"Content-Encoding": "gzip"}), Reason.BAD_CONTENT_ENCODING),
    "unknown compression": (answer(BODY, headers={"Content-Encoding": "magic"}), Reason.BAD_CONTENT_ENCODING),
    "compression bomb": (gzipped(b"\0" * 5_000_000), Reason.TOO_LARGE),
    "one byte too large": (answer(b"x" * (LIMITS.max_body_bytes + 1)), Reason.TOO_LARGE),
    "declares too much": (declared_length(BODY, declared=10**12), Reason.TOO_LARGE),
    "too large without a length": (without_length(b"x" * 100_000), Reason.TOO_LARGE),
    "endless chunks": (endless_chunks(), Reason.TOO_LARGE),
    "endless headers": (endless_headers(), Reason.HEADERS_TOO_LARGE),
    "one huge header": (raw(HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n"), Reason.HEADERS_TOO_LARGE),
    "empty": (answer(), Reason.EMPTY_BODY),
    "less than declared": (declared_length(BODY, declared=len(BODY) + 1), Reason.INCOMPLETE_BODY),
    "chunks cut off": (raw(CHUNKED + b"10\r\nabc"), Reason.INCOMPLETE_BODY),
    "chunks without sizes": (raw(CHUNKED + b"zz\r\nabc\r\n"), Reason.PROTOCOL_ERROR),
    "negative length": (raw(HEAD + b"Content-Length: -5\r\n\r\nabc"), Reason.PROTOCOL_ERROR),
    "NUL in a header": (raw(HEAD + b"X: a\0b\r\nContent-Length: 2\r\n\r\nok"), Reason.PROTOCOL_ERROR),
    "not HTTP": (raw(b"220 ready for mail\r\n\r\n"), Reason.PROTOCOL_ERROR),
    "no answer": (raw(b""), Reason.CONNECTION_RESET),
    "reset at once": (reset(), Reason.CONNECTION_RESET),
    "reset in the body": (reset(HEAD + b"Content-Length: 50\r\n\r\nok"), Reason.CONNECTION_RESET),
    "silent": (stall(), Reason.TIMEOUT),
    "silent in the body": (stall_in_body(BODY, declared=60_000), Reason.TIMEOUT),
    "headers for ever": (drip_headers(interval_s=0.1), Reason.TIMEOUT),
    "longer than the deadline": (drip(interval_s=0.1, data=b"x" * 1000), Reason.TIMEOUT),
    "drip": (drip(interval_s=0.1), Reason.TOO_SLOW),
    "401": (answer(status=401), Reason.HTTP_401),
    "403": (answer(BODY, status=403), Reason.HTTP_403),
    "404": (answer(BODY, status=404), Reason.HTTP_404),
    "404 with an endless page": (answer(b"x" * 500_000, status=404), Reason.HTTP_404),
    "410": (answer(status=410), Reason.HTTP_410),
    "418": (answer(status=418), Reason.HTTP_4XX),
    "451": (answer(status=451), Reason.HTTP_4XX),
    "429": (answer(status=429), Reason.HTTP_429),
    "500": (answer(BODY, status=500), Reason.HTTP_5XX),
    "503 cut off": (declared_length(b"x", declared=100), Reason.INCOMPLETE_BODY),
    "599": (answer(status=599), Reason.HTTP_5XX),
    "204": (answer(status=204), Reason.HTTP_UNEXPECTED),
    "206": (answer(BODY, status=206), Reason.HTTP_UNEXPECTED),
    "304": (answer(status=304), Reason.HTTP_UNEXPECTED),
    "999": (answer(status=999), Reason.HTTP_UNEXPECTED),
    "redirect to nowhere": (answer(status=302), Reason.BAD_REDIRECT),
    "redirect to an unreadable address": (redirect("http://[::1/"), Reason.BAD_REDIRECT),
    "redirect with a password": (redirect("http://user:pw@example.org/"), Reason.BAD_REDIRECT),
    "redirect to a file": (redirect("file:///etc/passwd"), Reason.BLOCKED_SCHEME),
    "redirect to a script": (redirect("javascript:alert(1)"), Reason.BLOCKED_SCHEME),
    "redirect to ftp": (redirect("ftp://example.org/a.jpg"), Reason.BLOCKED_SCHEME),
    "redirect to another port": (redirect("http://example.org:22/"), Reason.BLOCKED_PORT),
    "redirect to no port": (redirect("http://example.org:0/"), Reason.BLOCKED_PORT),
    "redirect to a cloud's metadata": (redirect("http://169.254.169.254/latest/"), Reason.BLOCKED_ADDRESS),
    "redirect to a private network": (redirect("http://10.0.0.1/"), Reason.BLOCKED_ADDRESS),
    "redirect to itself": (redirect("?"), Reason.TOO_MANY_REDIRECTS),
}  # fmt: skip


def test_every_fault_has_its_reason(web: FaultWeb) -> None:
    expected = {}
    for number, (name, (behaviour, reason)) in enumerate(FAULTS.items()):
        expected[web.on(f"/{number}", behaviour)] = (name, str(reason))
    results = fetch(fetcher_for(web), *expected)
    actual = {url: (expected[url][0], code(result)) for url, result in results.items()}
    assert actual == expected


def test_every_failure_is_told_in_a_sentence(web: FaultWeb) -> None:
    urls = [web.on(f"/{name}", FAULTS[name][0]) for name in ("empty", "404", "429", "sound")]
    for result in fetch(fetcher_for(web), *urls).values():
        if isinstance(result, FetchFailure):
            assert result.detail[0].isupper()
            assert result.detail.endswith(".")


#: Ways to write "this machine" or a neighbour of it; {port} is the internal service's.
INTERNAL = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://１２７.0.0.1:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
]


def test_no_spelling_and_no_redirect_reaches_an_internal_service(web: FaultWeb, canary: FaultWeb) -> None:
    targets = [spelling.format(port=canary.port) for spelling in INTERNAL]
    hops = [web.on(f"/hop/{number}", redirect(target)) for number, target in enumerate(targets)]
    fetcher = fetcher_for(web, ports=(80, 443, canary.port))
    results = fetch(fetcher, *targets, *hops)
    assert {url: code(result) for url, result in results.items()} == dict.fromkeys(
        [*targets, *hops], Reason.BLOCKED_ADDRESS.value
    )
    assert canary.connections == 0
    for result in results.values():
        assert isinstance(result, FetchFailure)
        assert "127" not in result.detail


def test_an_address_that_is_not_accepted_is_never_asked_for(canary: FaultWeb) -> None:
    fetcher = fetcher_for()
    results = fetch(fetcher, canary.url(), "ftp://example.org/", "nonsense", "http://u:p@example.org/")
    assert [code(result) for result in results.values()] == [
        Reason.BLOCKED_PORT, Reason.BLOCKED_SCHEME, Reason.INVALID_URL, Reason.INVALID_URL,
    ]  # fmt: skip
    assert [result.attempts for result in results.values()] == [0, 0, 0, 0]
    assert canary.connections == 0


def test_a_host_that_is_not_there_has_its_reason(web: FaultWeb) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = FaultWeb()
        gone.close()
    own = fetcher_for(web, gone)
    assert code(fetch(own, gone.url("/a"))[gone.url("/a")]) == Reason.CONNECT_ERROR
    assert closed.fileno() == -1
    assert code(fetch(own, "http://host.invalid/a")["http://host.invalid/a"]) == Reason.DNS_ERROR


def test_a_host_that_does_not_speak_tls_has_its_reason(web: FaultWeb) -> None:
    url = web.url("/a").replace("http:", "https:")
    assert code(fetch(fetcher_for(web), url)[url]) == Reason.TLS_ERROR


def test_a_compressed_body_is_counted_and_kept_unpacked(web: FaultWeb) -> None:
    assert len(gzip.compress(b"\0" * 5_000_000)) < LIMITS.max_body_bytes
    url = web.on("/a", gzipped(BODY))
    result = fetch(fetcher_for(web), url)[url]
    assert getattr(result, "body", None) == BODY
    assert web.seen_headers["/a"]["accept-encoding"] == "identity"
