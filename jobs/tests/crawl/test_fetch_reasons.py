"""Every fault that a site can have, and the reason that it gets."""

import gzip
import socket

import pycurl

from datasets.outcomes import Reason
from jobs.crawl.fetch import Fetcher
from jobs.crawl.netguard import AddressPolicy
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
from jobs.tests.crawl.fetching import LIMITS, code, fetch, fetch_one, fetcher_for, open_gate

BODY = bytes(range(256)) * 40
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def named(file_name: bytes) -> Behaviour:
    disposition = b'Content-Disposition: attachment; filename="' + file_name + b'"\r\n'
    return raw(HEAD + disposition + b"Content-Length: 2\r\n\r\nok")


#: What the site does, and what becomes of the candidate ("ok": its bytes).
FAULTS: dict[str, tuple[Behaviour, Reason | str]] = {
    "sound": (answer(BODY), "ok"),
    "as large as allowed": (answer(b"x" * LIMITS.max_body_bytes), "ok"),
    "without a length": (without_length(BODY), "ok"),
    "after an interim answer": (raw(b"HTTP/1.1 103 Early\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok"), "ok"),
    "compressed all the same": (gzipped(BODY), "ok"),
    "wrong type": (answer(BODY, headers={"Content-Type": "text/html"}), "ok"),
    "no type": (raw(HEAD + b"Content-Length: 2\r\n\r\nok"), "ok"),
    "a page that calls itself a picture": (answer(b"<html>"), "ok"),
    "a name that climbs": (named(b"../../../etc/passwd"), "ok"),
    "a name of 300 characters": (named(b"x" * 300 + b".jpg"), "ok"),
    "a name in wrong UTF-8": (named(b"\xff\xfe\x80.jpg"), "ok"),
    "a name with NUL": (named(b"a\0.jpg"), Reason.PROTOCOL_ERROR),
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
    "more than declared": (declared_length(BODY, declared=len(BODY) - 1), "ok"),
    "two lengths": (raw(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"), Reason.PROTOCOL_ERROR),
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
    "drip": (drip(interval_s=0.1), Reason.TOO_SLOW),
    "401": (answer(status=401), Reason.HTTP_401),
    "403": (answer(BODY, status=403), Reason.HTTP_403),
    "404": (answer(BODY, status=404), Reason.HTTP_404),
    "404 with an endless page": (answer(b"x" * 500_000, status=404), Reason.HTTP_404),
    "410": (answer(status=410), Reason.HTTP_410),
    "400": (answer(status=400), Reason.HTTP_4XX),
    "402": (answer(status=402), Reason.HTTP_4XX),
    "405": (answer(status=405), Reason.HTTP_4XX),
    "406": (answer(status=406), Reason.HTTP_4XX),
    "408": (answer(status=408), Reason.HTTP_4XX),
    "416": (answer(status=416), Reason.HTTP_4XX),
    "418": (answer(status=418), Reason.HTTP_4XX),
    "451": (answer(status=451), Reason.HTTP_4XX),
    "429": (answer(status=429), Reason.HTTP_429),
    "500": (answer(BODY, status=500), Reason.HTTP_5XX),
    "503 cut off": (declared_length(b"x", declared=100), Reason.INCOMPLETE_BODY),
    "501": (answer(status=501), Reason.HTTP_5XX),
    "502": (answer(status=502), Reason.HTTP_5XX),
    "504": (answer(status=504), Reason.HTTP_5XX),
    "507": (answer(status=507), Reason.HTTP_5XX),
    "599": (answer(status=599), Reason.HTTP_5XX),
    "201": (answer(BODY, status=201), Reason.HTTP_UNEXPECTED),
    "203": (answer(BODY, status=203), Reason.HTTP_UNEXPECTED),
    "204": (answer(status=204), Reason.HTTP_UNEXPECTED),
    "206": (answer(BODY, status=206), Reason.HTTP_UNEXPECTED),
    "304": (answer(status=304), Reason.HTTP_UNEXPECTED),
    "300 without a place": (answer(status=300), Reason.BAD_REDIRECT),
    "600": (answer(status=600), Reason.HTTP_UNEXPECTED),
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
    "redirect to this machine": (redirect("http://127.0.0.1/"), Reason.BLOCKED_ADDRESS),
    "redirect to this machine by IPv6": (redirect("http://[::1]/"), Reason.BLOCKED_ADDRESS),
    "redirect to a neighbour by IPv6": (redirect("http://[fe80::1]/"), Reason.BLOCKED_ADDRESS),
    "redirect to data": (redirect("data:image/png;base64,AAAA"), Reason.BLOCKED_SCHEME),
    "redirect to itself": (redirect("?"), Reason.TOO_MANY_REDIRECTS),
    "asks for an hour": (answer(status=429, headers={"Retry-After": "3600"}), Reason.HTTP_429),
    "asks for a date in years": (
        answer(status=503, headers={"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}), Reason.HTTP_5XX
    ),
}  # fmt: skip


def test_every_fault_has_its_reason(web: FaultWeb) -> None:
    expected = {}
    for number, (name, (behaviour, reason)) in enumerate(FAULTS.items()):
        expected[web.on(f"/{number}", behaviour)] = (name, str(reason))
    results = fetch(fetcher_for(web), *expected)
    actual = {url: (expected[url][0], code(result)) for url, result in results.items()}
    assert actual == expected


def test_a_body_that_is_quick_enough_still_ends_at_the_deadline(web: FaultWeb) -> None:
    url = web.on("/drip", drip(interval_s=0.1, data=b"x" * 1000))
    # No floor of speed can be met first, however busy the machine.
    assert code(fetch_one(fetcher_for(web, speed_window_s=60), url)) == Reason.TIMEOUT


def test_every_failure_is_told_in_a_sentence(web: FaultWeb) -> None:
    urls = [web.on(f"/{name}", FAULTS[name][0]) for name in ("empty", "404", "429", "sound")]
    for result in fetch(fetcher_for(web), *urls).values():
        if isinstance(result, FetchFailure):
            assert result.detail[0].isupper()
            assert result.detail.endswith(".")


#: Ways to write "this machine" or a neighbour of it, which lead to an address that is not dialled.
REFUSED_SPELLINGS = [
    # the plain form, short forms, one number, octal, hexadecimal, and mixtures
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "017700000001", "0x7f000001", "0X7F000001",
    "0177.0.0.1", "0177.0.0.01", "0177.1", "0x7f.0.0.1", "0x7f.1", "0x7f.0x0.0x0.0x1", "127.0x1", "127.0.0.0x1",
    "0", "0.0.0.0", "00.00.00.00", "0x0",
    # by name, by case, with the dot at the end
    "localhost", "LOCALHOST", "localhost.", "LocalHost.", "127.0.0.1.", "0x7f.1.",
    # other digits and other dots
    "１２７.０.０.１", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "①②⑦.⓪.⓪.①", "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    "ｌｏｃａｌｈｏｓｔ", "ⓛocalhost",
    # IPv6: itself, IPv4 mapped, compatible, translated and tunnelled
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::]", "[::ffff:127.0.0.1]",
    "[::FFFF:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::127.0.0.1]", "[::7f00:1]",
    "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2002:7f00:1::1]", "[2001:0:7f00:1::]", "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]",
    # neighbours
    "10.0.0.1", "012.0.0.1", "0xa000001", "172.16.0.1", "192.168.0.1", "3232235521", "0xc0a80001", "169.254.169.254",
    "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "100.64.0.1", "168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255",
]  # fmt: skip

#: What no host is called: the address is not even looked up.
INVALID_SPELLINGS = [
    "%31%32%37.0.0.1", "127.0.0.1%00.example.org", "127%2e0%2e0%2e1", "localhost%2e", "%6cocalhost", "127.0.0.1%20",
    "me@127.0.0.1", "me:secret@127.0.0.1", "example.org@127.0.0.1", "127.0.0.1@example.org", "example.org%40127.0.0.1",
    "@127.0.0.1", "example.org\\@127.0.0.1", "127.0.0.1\\.example.org", "localhost..", "127..1", ".127.0.0.1",
    "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1", "::1", "[127.0.0.1]", "[::1]example.org", "[::ffff:127.0.0.1%25lo]",
    "xn--\u00e9", "xn--a\u0327", "127.0.0.1\u202e", "local\u0000host", "exa mple.org", "127.0.0.1:80:80",
]  # fmt: skip


def test_no_spelling_and_no_redirect_reaches_an_internal_service(web: FaultWeb, canary: FaultWeb) -> None:
    targets = [f"http://{spelling}:{canary.port}/" for spelling in REFUSED_SPELLINGS]
    hops = [web.on(f"/hop/{number}", redirect(target)) for number, target in enumerate(targets)]
    results = fetch(fetcher_for(web, ports=(80, 443, canary.port)), *targets, *hops)
    assert {url: code(result) for url, result in results.items()} == dict.fromkeys(
        [*targets, *hops], Reason.BLOCKED_ADDRESS.value
    )
    assert canary.connections == 0
    # Nobody is told where an address led to.
    details = {result.detail for result in results.values() if isinstance(result, FetchFailure)}
    assert details == {"The address does not lead to the public internet."}


def test_what_no_host_is_called_is_not_looked_up(web: FaultWeb, canary: FaultWeb) -> None:
    targets = [f"http://{spelling}:{canary.port}/" for spelling in INVALID_SPELLINGS]
    hops = [web.on(f"/hop/{number}", redirect(target)) for number, target in enumerate(targets)]
    results = fetch(fetcher_for(web, ports=(80, 443, canary.port)), *targets, *hops)
    assert {url: code(results[url]) for url in targets} == dict.fromkeys(targets, Reason.INVALID_URL.value)
    assert {code(results[url]) for url in hops} <= {Reason.BAD_REDIRECT.value, Reason.PROTOCOL_ERROR.value}
    assert canary.connections == 0


def test_the_tables_are_as_long_as_they_should_be() -> None:
    assert len(set(REFUSED_SPELLINGS)) >= 60


class StandInPolicy(AddressPolicy):
    """Takes two addresses of this machine for public ones."""

    def allows_address(self, host: str, port: int, address: str) -> bool:
        return address in ("127.0.0.3", "127.0.0.4") or super().allows_address(host, port, address)


def test_a_name_that_leads_elsewhere_on_the_second_look_is_refused(canary: FaultWeb) -> None:
    with FaultWeb("127.0.0.3", port=canary.port) as web:
        web.on("/a", answer(BODY, headers={"Connection": "close"}))
        policy = StandInPolicy(allowed_ports=frozenset({canary.port}))
        fetcher = Fetcher(limits=LIMITS, policy=policy, user_agent="test", gate=open_gate())
        url = f"http://rebind.example:{canary.port}/a"
        answers = {}
        for addresses in ("127.0.0.3", "127.0.0.1", "127.0.0.4,127.0.0.1", "127.0.0.1,127.0.0.3"):
            known = fetcher._same_for_all
            fetcher._same_for_all += ((pycurl.RESOLVE, [f"rebind.example:{canary.port}:{addresses}"]),)
            answers[addresses] = code(fetch(fetcher, url)[url])
            fetcher._same_for_all = known
    assert answers == {
        "127.0.0.3": "ok",
        "127.0.0.1": Reason.BLOCKED_ADDRESS,
        "127.0.0.4,127.0.0.1": Reason.CONNECT_ERROR,
        "127.0.0.1,127.0.0.3": "ok",
    }
    assert canary.connections == 0


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
