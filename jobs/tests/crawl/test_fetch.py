"""How downloads run: many at once, politely, again where it helps, and not a moment longer than asked."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path

import pytest

from datasets.outcomes import Reason
from jobs.crawl.fetch import Arrival, Idle
from jobs.crawl.hostgate import Health, HostLimit, HostRules, LocalHostGate, Permit
from jobs.crawl.types import Fetched, FetchFailure
from jobs.tests.crawl.faultweb import FaultWeb, answer, in_turn, raw, redirect, slow, stall, stall_in_body
from jobs.tests.crawl.fetching import candidates, code, fetch, fetch_one, fetcher_for


@dataclass
class CountingGate:
    """Lets everything through and remembers what it lent, and what it was told at the end."""

    hosts: list[str] = field(default_factory=list)
    lent: list[Permit] = field(default_factory=list)
    dialled: list[tuple[str, str]] = field(default_factory=list)
    ended: list[tuple[Health, float]] = field(default_factory=list)

    def try_acquire(self, host: str) -> Permit | float:
        self.hosts.append(host)
        permit = Permit(host=host, token=str(len(self.hosts)))
        self.lent.append(permit)
        return permit

    def try_dial(self, permit: Permit, address: str) -> float:
        self.dialled.append((permit.host, address))
        return 0.0

    def release(self, permit: Permit, *, health: Health = Health.UNKNOWN, pause_s: float = 0.0) -> None:
        self.lent.remove(permit)
        self.ended.append((health, pause_s))


def test_a_picture_comes_as_it_is(web: FaultWeb) -> None:
    body = bytes(range(256)) * 100
    url = web.on("/a.jpg", answer(body, headers={"Content-Type": "image/png"}))
    result = fetch_one(fetcher_for(web), url)
    assert isinstance(result, Fetched)
    assert result.body == body
    assert (result.final_url, result.content_type, result.attempts) == (url, "image/png", 1)
    assert result.seconds > 0
    assert web.requests["/a.jpg"] == 1


def test_the_headers_of_an_interim_answer_are_not_those_of_the_answer(web: FaultWeb) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nContent-Type: text/html\r\n\r\n"
    url = web.on("/a", raw(interim + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    result = fetch_one(fetcher_for(web), url)
    assert isinstance(result, Fetched)
    assert (result.body, result.content_type) == (b"ok", "")


def test_a_site_is_told_who_asks(web: FaultWeb) -> None:
    fetch_one(fetcher_for(web), web.on("/a", answer(b"x")))
    headers = web.seen_headers["/a"]
    assert headers["user-agent"] == "PixCrawler/test (+https://example.org/contact)"
    assert headers["accept"].startswith("image/*")
    assert not {"cookie", "referer", "authorization"} & headers.keys()


def test_redirects_are_followed_to_the_end(web: FaultWeb) -> None:
    web.on("/1", redirect("/2", status=301))
    web.on("/2", redirect("3?a=1", status=307))
    web.on("/3", redirect(web.url("/bild-ü.jpg#top"), status=308))
    web.on("/bild-%C3%BC.jpg", answer(b"picture"))
    result = fetch_one(fetcher_for(web), web.url("/1"))
    assert isinstance(result, Fetched)
    assert result.final_url == web.url("/bild-%C3%BC.jpg")
    assert result.attempts == 1


def test_a_redirect_may_lead_to_another_host(web: FaultWeb) -> None:
    with FaultWeb() as other:
        url = web.on("/a", redirect(other.on("/b", answer(b"picture"))))
        assert code(fetch_one(fetcher_for(web, other), url)) == "ok"


@pytest.mark.parametrize(("hops", "expected"), [(5, "ok"), (6, Reason.TOO_MANY_REDIRECTS)])
def test_five_redirects_are_followed_and_no_more(web: FaultWeb, hops: int, expected: str) -> None:
    for hop in range(hops):
        web.on(f"/{hop}", redirect(f"/{hop + 1}"))
    web.on(f"/{hops}", answer(b"picture"))
    assert code(fetch_one(fetcher_for(web), web.url("/0"))) == expected


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_reason_that_may_pass_is_tried_again(web: FaultWeb, status: int) -> None:
    url = web.on("/a", in_turn(answer(status=status), answer(status=status), answer(b"picture")))
    result = fetch_one(fetcher_for(web, max_attempts=3), url)
    assert (code(result), result.attempts, web.requests["/a"]) == ("ok", 3, 3)


def test_an_attempt_too_many_is_not_made(web: FaultWeb) -> None:
    url = web.on("/a", answer(status=503))
    result = fetch_one(fetcher_for(web, max_attempts=3), url)
    assert (code(result), result.attempts, web.requests["/a"]) == (Reason.HTTP_5XX, 3, 3)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 418, 204])
def test_a_reason_that_stays_is_not_tried_again(web: FaultWeb, status: int) -> None:
    url = web.on("/a", answer(status=status))
    assert fetch_one(fetcher_for(web, max_attempts=3), url).attempts == 1
    assert web.requests["/a"] == 1


def test_the_next_attempt_begins_at_the_first_address(web: FaultWeb) -> None:
    url = web.on("/a", redirect("/b"))
    web.on("/b", in_turn(answer(status=503), answer(b"picture")))
    assert code(fetch_one(fetcher_for(web, max_attempts=2), url)) == "ok"
    assert web.requests == {"/a": 2, "/b": 2}


def test_retry_after_in_seconds_is_waited_for(web: FaultWeb) -> None:
    url = web.on("/a", in_turn(answer(status=429, headers={"Retry-After": "1"}), answer(b"picture")))
    started = time.monotonic()
    result = fetch_one(fetcher_for(web, max_attempts=2), url)
    waited_s = time.monotonic() - started
    assert code(result) == "ok"
    assert waited_s >= 1.0
    assert result.seconds < waited_s - 0.9, "waiting is no transfer time"


def test_retry_after_as_a_date_is_waited_for(web: FaultWeb) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    url = web.on("/a", in_turn(answer(status=503, headers={"Retry-After": date}), answer(b"picture")))
    started = time.monotonic()
    assert code(fetch_one(fetcher_for(web, max_attempts=2), url)) == "ok"
    assert time.monotonic() - started >= 0.9


def test_a_host_that_asks_for_too_much_patience_is_given_up(web: FaultWeb) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    urls = [
        web.on("/seconds", answer(status=429, headers={"Retry-After": "301"})),
        web.on("/date", answer(status=503, headers={"Retry-After": later})),
    ]
    for result in fetch(fetcher_for(web, max_attempts=3), *urls).values():
        assert isinstance(result, FetchFailure)
        assert result.attempts == 1


def test_who_waits_for_a_retry_holds_up_nobody(web: FaultWeb) -> None:
    waiting = web.on("/waits", in_turn(answer(status=429, headers={"Retry-After": "1"}), answer(b"picture")))
    others = [web.on(f"/{number}", answer(b"picture")) for number in range(10)]
    results = fetch(fetcher_for(web, max_attempts=2, max_in_flight=1), waiting, *others)
    assert set(map(code, results.values())) == {"ok"}
    assert list(results)[-1] == waiting


def test_a_slow_host_is_asked_gently_and_holds_up_nobody(web: FaultWeb) -> None:
    with FaultWeb() as fast:
        slow_urls = [web.on(f"/{number}", slow(b"picture", seconds=0.2)) for number in range(8)]
        fast_urls = [fast.on(f"/{number}", answer(b"picture")) for number in range(30)]
        rules = HostRules(default=HostLimit(2, 0.01), free_hosts=frozenset({fast.host_port}))
        gate = LocalHostGate(rules=rules, limit=HostLimit(2, 0.01))
        results = fetch(fetcher_for(web, fast, gate=gate, max_in_flight=8), *slow_urls, *fast_urls)
    assert len(results) == 38
    assert set(map(code, results.values())) == {"ok"}
    assert web.most_at_once == 2
    assert set(list(results)[-4:]) <= set(slow_urls)


def test_no_more_than_allowed_are_under_way_at_once(web: FaultWeb) -> None:
    urls = [web.on(f"/{number}", slow(b"picture", seconds=0.1)) for number in range(12)]
    assert set(map(code, fetch(fetcher_for(web, max_in_flight=3), *urls).values())) == {"ok"}
    assert web.most_at_once == 3


def test_a_public_host_is_one_host_on_all_its_ports_and_an_own_one_is_named_with_its_port(web: FaultWeb) -> None:
    gate = CountingGate()
    own = web.on("/a", answer(b"picture"))
    fetch(fetcher_for(web, gate=gate), "http://127.0.0.9/a", "https://127.0.0.9/a", own)
    assert gate.hosts == ["127.0.0.9", "127.0.0.9", web.host_port]
    assert gate.lent == []


def test_connections_are_used_again_from_call_to_call(web: FaultWeb) -> None:
    fetcher = fetcher_for(web, max_in_flight=1)
    for call in range(3):
        urls = [web.on(f"/{call}/{number}", answer(b"picture")) for number in range(5)]
        assert set(map(code, fetch(fetcher, *urls).values())) == {"ok"}
    assert web.connections == 1
    assert sum(web.requests.values()) == 15


def test_it_stops_when_told_and_gives_every_permit_back(web: FaultWeb) -> None:
    gate = CountingGate()
    asked_at: list[float] = []
    urls = [web.on(f"/{number}", stall()) for number in range(4)]

    def should_stop() -> bool:
        asked_at.append(time.monotonic())
        return asked_at[-1] - asked_at[0] > 1.0

    fetcher = fetcher_for(web, gate=gate, idle_timeout_s=20, total_timeout_s=20, speed_window_s=20)
    assert fetch(fetcher, *urls, should_stop=should_stop) == {}
    assert max(after - before for before, after in pairwise(asked_at)) <= 0.5
    assert gate.hosts == [web.host_port] * 4
    assert gate.lent == []


def test_after_a_stop_nothing_more_is_yielded(web: FaultWeb) -> None:
    urls = [web.on(f"/{number}", answer(b"picture")) for number in range(20)]
    seen: list[str] = []
    for arrival in fetcher_for(web).fetch_many(candidates(*urls), should_stop=lambda: bool(seen)):
        if not isinstance(arrival, Idle):
            seen.append(arrival[0].url)
    assert len(seen) == 1


def next_url(arrivals: Iterator[Arrival | Idle]) -> str:
    return next(arrival[0].url for arrival in arrivals if not isinstance(arrival, Idle))


def test_an_abandoned_call_leaves_nothing_to_the_next(web: FaultWeb) -> None:
    gate = CountingGate()
    fetcher = fetcher_for(web, gate=gate)
    quick, silent, later = (web.on("/quick", answer(b"1")), web.on("/silent", stall()), web.on("/later", answer(b"2")))
    abandoned = fetcher.fetch_many(candidates(quick, silent))
    assert next_url(abandoned) == quick
    under_way = web.on("/under-way", slow(b"3", seconds=0.3))
    following = fetcher.fetch_many(candidates(later, under_way))
    assert next_url(following) == later
    abandoned.close()
    assert [(one[0].url, code(one[1])) for one in following if not isinstance(one, Idle)] == [(under_way, "ok")]
    assert gate.lent == []


def test_nothing_of_the_environment_is_used(
    web: FaultWeb, canary: FaultWeb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, canary.url())
    (tmp_path / ".netrc").write_text(f"machine {web.host} login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert code(fetch_one(fetcher_for(web), web.on("/a", answer(b"picture")))) == "ok"
    assert "authorization" not in web.seen_headers["/a"]
    assert canary.connections == 0


def test_no_cookie_is_kept(web: FaultWeb) -> None:
    fetcher = fetcher_for(web)
    fetch_one(fetcher, web.on("/a", answer(b"picture", headers={"Set-Cookie": "id=1"})))
    fetch_one(fetcher, web.on("/b", answer(b"picture")))
    assert "cookie" not in web.seen_headers["/b"]


def test_a_host_that_falls_silent_is_left_long_before_the_deadline(web: FaultWeb) -> None:
    fetcher = fetcher_for(web, idle_timeout_s=0.4, total_timeout_s=20, speed_window_s=20)
    urls = [web.on("/a", stall()), web.on("/b", stall_in_body(b"x" * 100, declared=200))]
    for result in fetch(fetcher, *urls).values():
        assert code(result) == Reason.TIMEOUT
        assert 0.3 < result.seconds < 10


def test_the_seconds_are_those_of_the_transfer(web: FaultWeb) -> None:
    answered = fetch_one(fetcher_for(web), web.on("/a", slow(b"picture", seconds=0.3)))
    silent = fetch_one(fetcher_for(web), web.on("/b", stall()))
    assert answered.seconds >= 0.3
    assert silent.seconds >= 0.5


def test_the_gate_hears_how_a_host_is_and_how_much_patience_it_asks_for(web: FaultWeb) -> None:
    behaviours = [
        (answer(b"picture"), (Health.ANSWERED, 0.0)),
        (answer(status=404), (Health.ANSWERED, 0.0)),
        (redirect("ftp://example.org/"), (Health.ANSWERED, 0.0)),
        (raw(b""), (Health.UNKNOWN, 0.0)),
        (stall(), (Health.STRUGGLED, 0.0)),
        (answer(status=500), (Health.STRUGGLED, 0.0)),
        (answer(status=429), (Health.STRUGGLED, 10.0)),
        (answer(status=503, headers={"Retry-After": "20"}), (Health.STRUGGLED, 20.0)),
        (answer(status=429, headers={"Retry-After": "9000"}), (Health.STRUGGLED, 300.0)),
    ]
    for number, (behaviour, expected) in enumerate(behaviours):
        gate = CountingGate()
        fetch_one(fetcher_for(web, gate=gate), web.on(f"/{number}", behaviour))
        assert gate.ended == [expected]
    assert gate.dialled == [(web.host_port, web.host)]


def test_a_host_that_asks_for_too_much_patience_is_named_with_it(web: FaultWeb) -> None:
    url = web.on("/a", answer(status=429, headers={"Retry-After": "301"}))
    result = fetch_one(fetcher_for(web, max_attempts=3), url)
    assert isinstance(result, FetchFailure)
    assert (result.reason, result.attempts) == (Reason.HTTP_429, 1)
    assert result.detail == "The host asks for 301 s of patience; we wait 300 s at most."


@dataclass
class BusyAddressGate(CountingGate):
    """Has no connection to spare for the address at first."""

    refusals: int = 3

    def try_dial(self, permit: Permit, address: str) -> float:
        super().try_dial(permit, address)
        self.refusals -= 1
        return 0.05 if self.refusals >= 0 else 0.0


def test_an_address_that_is_busy_is_waited_for_and_costs_no_attempt(web: FaultWeb) -> None:
    gate = BusyAddressGate()
    result = fetch_one(fetcher_for(web, gate=gate), web.on("/a", answer(b"picture")))
    assert (code(result), result.attempts, web.connections) == ("ok", 1, 1)
    assert gate.ended == [(Health.UNKNOWN, 0.0)] * 3 + [(Health.ANSWERED, 0.0)]


@dataclass
class ProbingGate(CountingGate):
    """A host that was given up for a while."""

    def try_acquire(self, host: str) -> Permit | float:
        permit = super().try_acquire(host)
        assert isinstance(permit, Permit)
        self.lent[-1] = replace(permit, is_probe=True)
        return self.lent[-1]


def test_a_probe_is_not_tried_again(web: FaultWeb) -> None:
    result = fetch_one(fetcher_for(web, gate=ProbingGate(), max_attempts=3), web.on("/a", answer(status=503)))
    assert (code(result), result.attempts, web.requests["/a"]) == (Reason.HTTP_5XX, 1, 1)


def test_a_connection_under_a_lent_permit_ends_with_it(web: FaultWeb) -> None:
    urls = [web.on(f"/{number}", answer(b"picture")) for number in range(3)]
    fetch(fetcher_for(web, gate=CountingGate(), max_in_flight=1), *urls)
    assert web.connections == 3


def test_no_more_begin_than_there_is_room_for(web: FaultWeb) -> None:
    queue = candidates(*(web.on(f"/{number}", slow(b"picture", seconds=0.1)) for number in range(6)))
    arrivals = list(fetcher_for(web).fetch_many(queue, room=lambda: 2))
    assert len([arrival for arrival in arrivals if not isinstance(arrival, Idle)]) == 6
    assert web.most_at_once == 2


def test_the_queue_may_be_filled_up_while_a_slow_one_is_under_way(web: FaultWeb) -> None:
    first = web.on("/first", slow(b"picture", seconds=0.5))
    more = [web.on(f"/{number}", answer(b"picture")) for number in range(5)]
    queue = candidates(first)
    came = []
    for arrival in fetcher_for(web).fetch_many(queue):
        if not isinstance(arrival, Idle):
            came.append(arrival[0].url)
        elif more:
            queue.extend(candidates(more.pop()))
    assert len(came) == 6
    assert came[-1] == first


def test_who_waits_is_told_for_how_long(web: FaultWeb) -> None:
    url = web.on("/a", answer(status=429, headers={"Retry-After": "60"}))
    attempts: dict[str, int] = {}
    arrivals = fetcher_for(web, max_attempts=3).fetch_many(candidates(url), attempts=attempts)
    idle = next(one for one in arrivals if isinstance(one, Idle) and not one.under_way and one.wait_s > 1)
    assert 50 < idle.wait_s < 61
    assert idle.waiting == 1
    assert attempts == {url: 1}
