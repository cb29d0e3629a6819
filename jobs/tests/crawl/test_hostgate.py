"""How politely a host is asked."""

from dataclasses import dataclass

import pytest

from datasets.outcomes import Reason
from jobs.crawl.hostgate import Health, HostLimit, HostRules, LocalHostGate, Permit, Site, health_of


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("example.org", "example.org"),
        ("a.b.example.org", "example.org"),
        ("photos.example.co.uk", "example.co.uk"),
        ("someone.github.io", "someone.github.io"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
        ("93.184.215.14", "93.184.215.14"),
        ("[2606:4700::1111]", "[2606:4700::1111]"),
    ],
)
def test_a_site_is_what_somebody_registered(host: str, site: str) -> None:
    assert HostRules().site_of(host) == Site(site, HostLimit(2, 0.5))


def test_a_table_gives_some_hosts_limits_of_their_own() -> None:
    own = frozenset({"127.0.0.1:9100", "127.0.0.1:9200"})
    limits = {"example.org": HostLimit(4, 0.1), "img.example.org": HostLimit(1, 2), "127.0.0.1:9200": HostLimit(3, 1)}
    rules = HostRules(free_hosts=own, limits=limits)
    assert rules.site_of("www.example.org") == Site("example.org", HostLimit(4, 0.1))
    assert rules.site_of("img.example.org") == Site("img.example.org", HostLimit(1, 2))
    assert rules.site_of("127.0.0.1:9100") is None
    assert rules.site_of("127.0.0.1:9200") == Site("127.0.0.1:9200", HostLimit(3, 1))
    assert rules.site_of("upload.wikimedia.org") == Site("upload.wikimedia.org", HostLimit(2, 0.1))
    assert rules.site_of("commons.wikimedia.org") == Site("wikimedia.org", HostLimit(2, 0.5))


def test_an_address_may_be_asked_four_times_as_often_as_a_site() -> None:
    assert Site("example.org", HostLimit(2, 0.5)).address_limit == HostLimit(8, 0.125)


@pytest.mark.parametrize(
    ("reason", "is_answered", "health"),
    [
        (None, True, Health.ANSWERED),
        (Reason.HTTP_404, True, Health.ANSWERED),
        (Reason.INCOMPLETE_BODY, True, Health.ANSWERED),
        (Reason.HTTP_429, True, Health.STRUGGLED),
        (Reason.HTTP_5XX, True, Health.STRUGGLED),
        (Reason.TIMEOUT, False, Health.STRUGGLED),
        (Reason.TIMEOUT, True, Health.STRUGGLED),
        (Reason.CONNECT_ERROR, False, Health.STRUGGLED),
        (Reason.CONNECTION_RESET, False, Health.UNKNOWN),
        (Reason.DNS_ERROR, False, Health.UNKNOWN),
        (Reason.BLOCKED_ADDRESS, False, Health.UNKNOWN),
    ],
)
def test_overload_and_absence_are_signs_of_trouble(reason: Reason | None, is_answered: bool, health: Health) -> None:
    assert health_of(reason, is_answered=is_answered) is health


def test_without_the_others_starts_at_one_site_are_spaced(clock: Clock) -> None:
    gate = LocalHostGate(limit=HostLimit(9, 0.5), clock=clock)
    assert gate.try_acquire("a.example.org") == Permit(host="a.example.org")
    clock.now += 0.2
    assert gate.try_acquire("b.example.org") == pytest.approx(0.3)
    clock.now += 0.3
    assert isinstance(gate.try_acquire("b.example.org"), Permit)


def test_without_the_others_a_site_has_one_connection(clock: Clock) -> None:
    gate = LocalHostGate(clock=clock)
    permit = gate.try_acquire("a.example")
    assert isinstance(permit, Permit)
    clock.now += 10
    assert isinstance(gate.try_acquire("a.example"), float)
    gate.release(permit)
    assert isinstance(gate.try_acquire("a.example"), Permit)


def test_a_limit_that_is_wider_still_holds(clock: Clock) -> None:
    gate = LocalHostGate(rules=HostRules(limits={"a.example": HostLimit(1, 30)}), clock=clock)
    permit = gate.try_acquire("a.example")
    assert isinstance(permit, Permit)
    gate.release(permit)
    assert gate.try_acquire("a.example") == pytest.approx(30)


def test_patience_that_a_host_asks_for_is_given(clock: Clock) -> None:
    gate = LocalHostGate(clock=clock)
    permit = gate.try_acquire("a.example")
    assert isinstance(permit, Permit)
    gate.release(permit, health=Health.STRUGGLED, pause_s=60)
    assert gate.try_acquire("a.example") == pytest.approx(60)


def test_hosts_do_not_wait_for_one_another(clock: Clock) -> None:
    gate = LocalHostGate(clock=clock)
    assert isinstance(gate.try_acquire("a.example"), Permit)
    assert isinstance(gate.try_acquire("a.example"), float)
    assert isinstance(gate.try_acquire("b.example"), Permit)


def test_the_operators_own_hosts_are_not_held_back(clock: Clock) -> None:
    gate = LocalHostGate(rules=HostRules(free_hosts=frozenset({"127.0.0.1:9100"})), clock=clock)
    permits = [gate.try_acquire("127.0.0.1:9100") for _ in range(20)]
    for permit in permits:
        assert isinstance(permit, Permit)
        gate.release(permit, health=Health.STRUGGLED, pause_s=60)
    assert isinstance(gate.try_acquire("127.0.0.1:9100"), Permit)


def test_hosts_that_nobody_talks_to_are_forgotten_and_busy_ones_are_not(clock: Clock) -> None:
    gate = LocalHostGate(rules=HostRules(default=HostLimit(1, 0.0)), limit=HostLimit(1, 0.0), clock=clock)
    busy = gate.try_acquire("busy.example")
    assert isinstance(busy, Permit)
    for number in range(3_000):
        permit = gate.try_acquire(f"{number}.example")
        assert isinstance(permit, Permit)
        gate.release(permit)
    assert len(gate._sites) <= 1_000
    assert isinstance(gate.try_acquire("busy.example"), float)
    gate.release(busy)
    assert isinstance(gate.try_acquire("busy.example"), Permit)
