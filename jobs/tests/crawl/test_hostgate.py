"""How politely a host is asked."""

from dataclasses import dataclass

import pytest

from jobs.crawl.hostgate import LocalHostGate, Permit


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_starts_at_one_host_are_spaced(clock: Clock) -> None:
    gate = LocalHostGate(connections=9, spacing_s=0.5, clock=clock)
    assert gate.try_acquire("a.example") == Permit(host="a.example")
    clock.now += 0.2
    assert gate.try_acquire("a.example") == pytest.approx(0.3)
    clock.now += 0.3
    assert isinstance(gate.try_acquire("a.example"), Permit)


def test_a_host_has_so_many_connections_and_no_more(clock: Clock) -> None:
    gate = LocalHostGate(connections=2, spacing_s=0.5, clock=clock)
    permits = []
    for _ in range(10):
        permit = gate.try_acquire("a.example")
        if isinstance(permit, Permit):
            permits.append(permit)
        clock.now += 1.0
    assert len(permits) == 2
    gate.release(permits.pop())
    assert isinstance(gate.try_acquire("a.example"), Permit)
    assert isinstance(gate.try_acquire("a.example"), float)


def test_hosts_do_not_wait_for_one_another(clock: Clock) -> None:
    gate = LocalHostGate(connections=1, clock=clock)
    assert isinstance(gate.try_acquire("a.example"), Permit)
    assert isinstance(gate.try_acquire("a.example"), float)
    assert isinstance(gate.try_acquire("b.example"), Permit)


def test_the_operators_own_hosts_are_not_held_back(clock: Clock) -> None:
    gate = LocalHostGate(connections=1, free_hosts=frozenset({"127.0.0.1:9100"}), clock=clock)
    permits = [gate.try_acquire("127.0.0.1:9100") for _ in range(20)]
    for permit in permits:
        assert isinstance(permit, Permit)
        gate.release(permit)


def test_hosts_that_nobody_talks_to_are_forgotten_and_busy_ones_are_not(clock: Clock) -> None:
    gate = LocalHostGate(connections=1, spacing_s=0.0, clock=clock)
    busy = gate.try_acquire("busy.example")
    assert isinstance(busy, Permit)
    for number in range(3_000):
        permit = gate.try_acquire(f"{number}.example")
        assert isinstance(permit, Permit)
        gate.release(permit)
    assert len(gate._hosts) <= 1_000
    assert isinstance(gate.try_acquire("busy.example"), float)
    gate.release(busy)
    assert isinstance(gate.try_acquire("busy.example"), Permit)
