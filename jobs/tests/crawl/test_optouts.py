"""What sites and files say against machine use is found in every form, and before a picture's bytes come."""

import zlib
from collections.abc import Mapping
from datetime import datetime

import pytest

from datasets.outcomes import Reason
from datasets.tests.pictures import encoded, noisy, with_png_chunk
from jobs.crawl import optouts
from jobs.crawl.admission import Admission
from jobs.crawl.fetch import Fetcher, Idle
from jobs.crawl.optouts import NO_RULES, OptOutRules
from jobs.crawl.robots import MAX_BYTES, Robots, RobotsTxt
from jobs.crawl.types import Fetched, FetchFailure, Refusal
from jobs.tests.crawl.faultweb import (
    Behaviour,
    FaultWeb,
    answer,
    declared_length,
    gzipped,
    in_turn,
    raw,
    redirect,
    reset,
    slow,
    stall,
)
from jobs.tests.crawl.fetching import candidates, code, fetcher_for

BODY = encoded(noisy(40, 40))
BODY_PNG = encoded(noisy(8, 8), "PNG")
PROHIBITED = b"<plus:DataMining>DMI-PROHIBITED</plus:DataMining>"
PLUS = "http://ns.useplus.org/ldf/vocab/"
OBEY = OptOutRules()


def fetch(
    fetcher: Fetcher, *urls: str, rules: OptOutRules = OBEY, robots: Robots | None = None
) -> dict[str, Fetched | FetchFailure]:
    admission = Admission(rules=rules, robots=robots or Robots())
    arrivals = fetcher.fetch_many(candidates(*urls), admission=admission)
    return {arrival[0].url: arrival[1] for arrival in arrivals if not isinstance(arrival, Idle)}


def fetch_one(web: FaultWeb, url: str, **options: object) -> Fetched | FetchFailure:
    return fetch(fetcher_for(web), url, **options)[url]  # type: ignore[arg-type]


def xmp(text: str) -> bytes:
    packet = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/">{text}</rdf:RDF>'
    )
    return packet.encode()


def jpeg_with(packet: bytes) -> bytes:
    data = b"http://ns.adobe.com/xap/1.0/\0" + packet
    return BODY[:2] + b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data + BODY[2:]


def png_with(packet: bytes, *, compressed: bool) -> bytes:
    body = encoded(noisy(40, 40), "PNG")
    text = zlib.compress(packet) if compressed else packet
    data = b"XML:com.adobe.xmp\0" + bytes([compressed]) + b"\0\0\0" + text
    chunk = len(data).to_bytes(4, "big") + b"iTXt" + data + zlib.crc32(b"iTXt" + data).to_bytes(4, "big")
    return body[:33] + chunk + body[33:]


# robots.txt

RULES: dict[str, tuple[Behaviour, str]] = {
    "nothing for us": (answer(b"User-agent: other\nDisallow: /"), "ok"),
    "everybody out": (answer(b"User-agent: *\nDisallow: /"), Reason.ROBOTS_DISALLOWED),
    "us by name": (answer(b"User-agent: pixcrawler\nDisallow: /private/"), Reason.ROBOTS_DISALLOWED),
    "ours before everybody's": (answer(b"User-agent: *\nDisallow: /\n\nUser-agent: PixCrawler\nDisallow:"), "ok"),
    "the longer rule wins": (answer(b"User-agent: *\nDisallow: /\nAllow: /private/a"), "ok"),
    "a wildcard": (answer(b"User-agent: *\nDisallow: /*.jpg$"), Reason.ROBOTS_DISALLOWED),
    "a byte order mark": (answer(b"\xef\xbb\xbfUser-agent: *\nDisallow: /"), Reason.ROBOTS_DISALLOWED),
    "wrong UTF-8": (answer(b"# \xff\xfe\nUser-agent: *\nDisallow: /"), Reason.ROBOTS_DISALLOWED),
    "a web page": (answer(b"<html>no robots here</html>"), "ok"),
    "empty": (answer(b""), "ok"),
    "compressed": (gzipped(b"User-agent: *\nDisallow: /"), Reason.ROBOTS_DISALLOWED),
    "401": (answer(status=401), "ok"),
    "403": (answer(status=403), "ok"),
    "404": (answer(status=404), "ok"),
    "410": (answer(status=410), "ok"),
    "429": (answer(status=429), "ok"),
    "500": (answer(status=500), Reason.ROBOTS_DISALLOWED),
    "503": (answer(status=503), Reason.ROBOTS_DISALLOWED),
    "not HTTP": (raw(b"220 ready\r\n\r\n"), Reason.ROBOTS_DISALLOWED),
    "silent": (stall(), Reason.TIMEOUT),
    "reset": (reset(), Reason.CONNECTION_RESET),
    "cut off": (declared_length(b"User-agent: *", declared=500), Reason.INCOMPLETE_BODY),
    "round and round": (redirect("/robots.txt"), "ok"),
    "to a private network": (redirect("http://169.254.169.254/robots.txt"), Reason.BLOCKED_ADDRESS),
}


@pytest.mark.parametrize("name", RULES)
def test_what_robots_txt_says_is_done(web: FaultWeb, name: str) -> None:
    behaviour, expected = RULES[name]
    web.on("/robots.txt", behaviour)
    url = web.on("/private/a.jpg", answer(BODY))

    result = fetch_one(web, url)

    assert code(result) == expected
    assert web.requests["/private/a.jpg"] == (expected == "ok")


def test_a_refusal_says_what_was_read_and_how_it_failed(web: FaultWeb) -> None:
    web.on("/robots.txt", answer(status=503))

    result = fetch_one(web, web.on("/a.jpg", answer(BODY)))

    assert isinstance(result, FetchFailure)
    assert f"http://{web.host_port}/robots.txt could not be read" in result.detail
    assert "503" in result.detail


def test_robots_txt_is_read_once_for_all_pictures_of_an_origin(web: FaultWeb) -> None:
    web.on("/robots.txt", slow(b"User-agent: *\nDisallow: /no", seconds=0.1))
    urls = [web.on(f"/{n}.jpg", answer(BODY)) for n in range(5)]
    refused = web.on("/no/a.jpg", answer(BODY))
    robots, fetcher = Robots(), fetcher_for(web)

    first = fetch(fetcher, *urls, refused, robots=robots)
    second = fetch(fetcher, *urls, robots=robots)

    assert [code(first[url]) for url in urls] == ["ok"] * 5
    assert code(first[refused]) == Reason.ROBOTS_DISALLOWED
    assert [code(second[url]) for url in urls] == ["ok"] * 5
    assert web.requests["/robots.txt"] == 1


def test_a_slow_robots_txt_holds_up_no_other_site(web: FaultWeb) -> None:
    with FaultWeb() as other:
        web.on("/robots.txt", slow(b"User-agent: *\nAllow: /", seconds=0.4))
        late = web.on("/late.jpg", answer(BODY))
        early = other.on("/early.jpg", answer(BODY))

        assert list(fetch(fetcher_for(web, other), late, early)) == [early, late]


def test_robots_txt_may_be_somewhere_else(web: FaultWeb) -> None:
    web.on("/robots.txt", redirect("/rules"))
    web.on("/rules", answer(b"User-agent: *\nDisallow: /"))

    assert code(fetch_one(web, web.on("/a.jpg", answer(BODY)))) == Reason.ROBOTS_DISALLOWED


def test_a_redirect_is_held_to_the_rules_of_where_it_leads(web: FaultWeb) -> None:
    with FaultWeb() as other:
        other.on("/robots.txt", answer(b"User-agent: *\nDisallow: /"))
        url = web.on("/a.jpg", redirect(other.on("/b.jpg", answer(BODY))))

        assert code(fetch(fetcher_for(web, other), url)[url]) == Reason.ROBOTS_DISALLOWED
        assert other.requests == {"/robots.txt": 1}


def test_of_an_endless_robots_txt_the_beginning_holds(web: FaultWeb) -> None:
    filler = b"# nothing\n" * (MAX_BYTES // 10)
    web.on("/robots.txt", answer(b"User-agent: *\nDisallow: /a\n" + filler + b"Disallow: /b\n"))
    first, second = web.on("/a.jpg", answer(BODY)), web.on("/b.jpg", answer(BODY))

    results = fetch(fetcher_for(web), first, second)

    assert (code(results[first]), code(results[second])) == (Reason.ROBOTS_DISALLOWED, "ok")


def test_an_address_that_is_refused_gets_no_robots_txt_asked_for(canary: FaultWeb) -> None:
    with FaultWeb() as web:
        url = f"http://localhost:{canary.port}/a.jpg"

        assert code(fetch(fetcher_for(web, ports=(canary.port,)), url)[url]) == Reason.BLOCKED_ADDRESS
        assert canary.connections == 0


def test_each_picture_of_a_host_that_is_out_of_reach_has_its_own_attempts(web: FaultWeb) -> None:
    web.on("/robots.txt", in_turn(reset(), reset(), answer(status=404)))
    urls = [web.on(f"/{n}.jpg", answer(BODY)) for n in range(4)]

    results = fetch(fetcher_for(web), *urls)

    assert sorted(map(code, results.values())) == ["connection_reset", "connection_reset", "ok", "ok"]
    assert web.requests["/robots.txt"] == 3


class Shelf:
    """A store as workers share it."""

    def __init__(self) -> None:
        self.kept: dict[str, RobotsTxt] = {}

    def get(self, origin: str) -> RobotsTxt | None:
        return self.kept.get(origin)

    def put(self, origin: str, robots: RobotsTxt) -> None:
        self.kept[origin] = robots


def test_what_one_process_read_holds_for_the_others_until_it_is_old(web: FaultWeb) -> None:
    web.on("/robots.txt", in_turn(answer(b"User-agent: *\nDisallow: /"), answer(status=404)))
    url = web.on("/a.jpg", answer(BODY))
    shelf, now = Shelf(), [1_000_000.0]

    codes = []
    for later_s in (0.0, 23 * 3600.0, 2 * 3600.0):
        now[0] += later_s
        codes.append(code(fetch_one(web, url, robots=Robots(store=shelf, clock=lambda: now[0]))))

    assert codes == [Reason.ROBOTS_DISALLOWED, Reason.ROBOTS_DISALLOWED, "ok"]
    assert web.requests["/robots.txt"] == 2


def test_trouble_is_looked_at_again_soon(web: FaultWeb) -> None:
    web.on("/robots.txt", in_turn(answer(status=500), answer(status=404)))
    url, now = web.on("/a.jpg", answer(BODY)), [1_000_000.0]
    robots = Robots(clock=lambda: now[0])

    before = code(fetch_one(web, url, robots=robots))
    now[0] += 61

    assert (before, code(fetch_one(web, url, robots=robots))) == (Reason.ROBOTS_DISALLOWED, "ok")


# Headers

TAGS: dict[str, tuple[list[str], bool]] = {
    "none at all": ([], False),
    "noai": (["noai"], True),
    "noimageai": (["noimageai"], True),
    "noindex": (["noindex"], True),
    "noimageindex": (["NoImageIndex"], True),
    "none means noindex": (["none"], True),
    "all": (["all"], False),
    "nofollow": (["nofollow, noarchive"], False),
    "in a list": (["nofollow, noai"], True),
    "in the second header": (["nofollow", "noai"], True),
    "for everybody": (["*: noai"], True),
    "for us": (["pixcrawler: noai"], True),
    "for us with a version": (["PixCrawler/1.0: noindex"], True),
    "for another bot": (["otherbot: noai"], False),
    "a list for another bot": (["otherbot: noindex, noai"], False),
    "another bot's header and ours": (["otherbot: noindex", "noai"], True),
    "another bot, then us": (["otherbot: noindex, pixcrawler: noai"], True),
    "us, then another bot": (["pixcrawler: nofollow, otherbot: noindex"], False),
    "a value with a colon": (["unavailable_after: 25 Jun 2030 15:00:00 GMT, noai"], True),
    "a value with a number": (["max-snippet: 5, noimageai"], True),
    "rubbish": ([":::, ,;, noaix"], False),
}


def _with_headers(name: str, values: list[str], body: bytes = BODY) -> Behaviour:
    lines = "".join(f"{name}: {value}\r\n" for value in values)
    return raw(f"HTTP/1.1 200 OK\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)


@pytest.mark.parametrize("name", TAGS)
def test_x_robots_tag_is_read_in_every_form(web: FaultWeb, name: str) -> None:
    values, is_opt_out = TAGS[name]

    result = fetch_one(web, web.on("/a.jpg", _with_headers("X-Robots-Tag", values)))

    assert code(result) == (Reason.OPTOUT_HEADER if is_opt_out else "ok")


@pytest.mark.parametrize(
    ("values", "is_opt_out"), [(["1"], True), (["0"], False), (["0", "1"], True), (["yes"], False), ([], False)]
)
def test_a_reservation_of_text_and_data_mining_is_obeyed(web: FaultWeb, values: list[str], is_opt_out: bool) -> None:
    result = fetch_one(web, web.on("/a.jpg", _with_headers("TDM-Reservation", values)))

    assert code(result) == (Reason.OPTOUT_HEADER if is_opt_out else "ok")


def test_the_body_of_an_answer_that_opts_out_is_not_downloaded(web: FaultWeb) -> None:
    sent: list[int] = []

    def endless(exchange: object) -> None:
        exchange.head(200, {"X-Robots-Tag": "noai", "Content-Length": "60000000"})  # type: ignore[attr-defined]
        while not exchange.stopped.is_set() and len(sent) < 10_000:  # type: ignore[attr-defined]
            exchange.send(b"x" * 6000)  # type: ignore[attr-defined]
            sent.append(6000)

    result = fetch(fetcher_for(web, max_body_bytes=100_000_000), url := web.on("/a.jpg", endless))[url]

    assert isinstance(result, FetchFailure)
    assert (result.reason, result.detail) == (Reason.OPTOUT_HEADER, "X-Robots-Tag: noai")
    assert len(sent) < 10_000


def test_an_interim_answer_and_an_error_page_opt_nothing_out(web: FaultWeb) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nX-Robots-Tag: noai\r\n\r\n"
    early = web.on("/a", raw(interim + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    gone = web.on("/b", answer(b"gone", status=404, headers={"X-Robots-Tag": "noindex"}))

    results = fetch(fetcher_for(web), early, gone)

    assert (code(results[early]), code(results[gone])) == ("ok", Reason.HTTP_404)


# In the file

FILES: dict[str, tuple[bytes, bool]] = {
    "no metadata": (BODY, False),
    "prohibited": (jpeg_with(xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED</plus:DataMining>")), True),
    "as an attribute": (jpeg_with(xmp(f'<rdf:Description plus:DataMining="{PLUS}DMI-PROHIBITED"/>')), True),
    "as a resource": (jpeg_with(xmp(f'<plus:DataMining rdf:resource="{PLUS}DMI-PROHIBITED"/>')), True),
    "under another prefix": (jpeg_with(xmp("<p:DataMining>DMI-PROHIBITED-AIMLTRAINING</p:DataMining>")), True),
    "for generative models": (jpeg_with(xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED-GENAIMLTRAINING<")), True),
    "but for search": (jpeg_with(xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING<")), True),
    "see constraint": (jpeg_with(xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED-SEECONSTRAINT<")), True),
    "allowed": (jpeg_with(xmp(f"<plus:DataMining>{PLUS}DMI-ALLOWED</plus:DataMining>")), False),
    "unspecified": (jpeg_with(xmp(f"<plus:DataMining>{PLUS}DMI-UNSPECIFIED</plus:DataMining>")), False),
    "words in a title": (jpeg_with(xmp("<dc:title>DataMining is DMI-PROHIBITED here</dc:title>")), False),
    "reserved": (
        jpeg_with(xmp('<r xmlns:tdm="http://www.w3.org/ns/tdmrep#"><tdm:reservation>1</tdm:reservation>')),
        True,
    ),
    "not reserved": (jpeg_with(xmp('<r xmlns:tdm="http://www.w3.org/ns/tdmrep#" tdm:reservation="0"/>')), False),
    "in a PNG": (png_with(xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED<"), compressed=False), True),
    "compressed in a PNG": (png_with(xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED<"), compressed=True), True),
    "a compression bomb": (png_with(b" " * 50_000_000, compressed=True), False),
    "a cut PNG": (png_with(xmp("x"), compressed=True)[:60], False),
    "in a WebP": (encoded(noisy(40, 40), "WEBP", xmp=xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED<")), True),
    "in a TIFF": (encoded(noisy(40, 40), "TIFF", tiffinfo={700: xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED<")}), True),
    "in an AVIF": (encoded(noisy(40, 40), "AVIF", xmp=xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED<")), True),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_says_of_data_mining_is_read(web: FaultWeb, name: str) -> None:
    body, is_opt_out = FILES[name]

    result = fetch_one(web, web.on("/a.jpg", answer(body)))

    assert code(result) == (Reason.OPTOUT_HEADER if is_opt_out else "ok")


# Switches and evidence

OPT_OUTS: Mapping[str, Behaviour] = {
    "robots_tag": answer(BODY, headers={"X-Robots-Tag": "noai"}),
    "tdm_reservation": answer(BODY, headers={"TDM-Reservation": "1"}),
    "embedded": answer(jpeg_with(xmp(f"<plus:DataMining>{PLUS}DMI-PROHIBITED</plus:DataMining>"))),
}


@pytest.mark.parametrize("rule", ["robots_txt", *OPT_OUTS])
def test_each_rule_can_be_switched_off_by_itself(web: FaultWeb, rule: str) -> None:
    web.on("/robots.txt", answer(b"User-agent: *\nDisallow: /robots_txt"))
    urls = {name: web.on(f"/{name}", behaviour) for name, behaviour in OPT_OUTS.items()}
    urls["robots_txt"] = web.on("/robots_txt", answer(BODY))

    results = fetch(fetcher_for(web), *urls.values(), rules=OptOutRules(**{rule: False}))

    assert {name for name, url in urls.items() if code(results[url]) == "ok"} == {rule}


def test_the_evidence_says_what_was_asked_and_what_it_said(web: FaultWeb) -> None:
    web.on("/robots.txt", answer(b"User-agent: *\nAllow: /"))
    url = web.on("/a.jpg", answer(BODY, headers={"X-Robots-Tag": "nofollow", "TDM-Reservation": "0"}))

    result = fetch_one(web, url, rules=OptOutRules(tdm_reservation=False))

    assert isinstance(result, Fetched)
    assert datetime.fromisoformat(result.evidence["checked_at"]).tzinfo is not None
    assert result.evidence["robots_txt"]["said"].startswith("allows (read ")
    assert result.evidence["robots_tag"] == {"obeyed": True, "said": "nofollow"}
    assert result.evidence["tdm_reservation"] == {"obeyed": False, "said": "0"}
    assert result.evidence["embedded"] == {"obeyed": True, "said": ""}


def test_a_site_that_is_not_asked_is_not_asked_for_its_robots_txt(web: FaultWeb) -> None:
    result = fetch_one(web, web.on("/a.jpg", answer(BODY)), rules=NO_RULES)

    assert isinstance(result, Fetched)
    assert result.evidence["robots_txt"] == {"obeyed": False, "said": ""}
    assert web.requests["/robots.txt"] == 0


def test_what_a_header_says_is_clean_when_it_is_told() -> None:
    said = optouts.robots_tag({"x-robots-tag": "noai \u202e" + "x" * 500}).said

    assert "\u202e" not in said
    assert len(said) == 300


def test_a_hop_that_is_left_out_is_not_taken(web: FaultWeb) -> None:
    url = web.on("/a.jpg", redirect("/b.jpg"))
    admission = Admission(refuses_hop=lambda hop: Refusal(Reason.TAKEDOWN, f"{hop} is left out."))

    arrivals = fetcher_for(web).fetch_many(candidates(url), admission=admission)

    assert [code(arrival[1]) for arrival in arrivals if not isinstance(arrival, Idle)] == [Reason.TAKEDOWN]
    assert web.requests == {"/a.jpg": 1}


def test_of_a_file_that_is_made_of_statements_the_first_hundred_mentions_are_read() -> None:
    hidden = b"<x:xmpmeta>" + b":DataMining " * 99 + b" " * 400 + b":DataMining DMI-PROHIBITED"
    assert optouts.embedded(hidden).is_opt_out
    assert not optouts.embedded(b":DataMining " + hidden).is_opt_out
    reserved = b"www.w3.org/ns/tdmrep" + b":reservation " * 99 + b" " * 40 + b':reservation="1"'
    assert optouts.embedded(reserved).is_opt_out
    assert not optouts.embedded(b":reservation " + reserved).is_opt_out


def test_of_many_packed_statements_one_is_unpacked() -> None:
    png = BODY_PNG
    for text in (b" " * 2**20, *[PROHIBITED] * 50):
        png = with_png_chunk(png, b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + zlib.compress(text))
    assert optouts.embedded(png).is_opt_out
    first = with_png_chunk(png, b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + zlib.compress(b" " * 2**20))
    assert not optouts.embedded(first).is_opt_out
