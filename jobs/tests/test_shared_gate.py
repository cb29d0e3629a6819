"""Politeness that all workers share: permits, pauses and their end, on a real Valkey and on its clock."""

import multiprocessing
import time
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier

import pytest
from pytest_django import Settings

from conftest import wait_until
from jobs.crawl.hostgate import Health, HostLimit, HostRules, LocalHostGate, Permit
from jobs.redis_store import client
from jobs.shared_gate import BREAKER_FAILURES, SharedHostGate

HOST = "photos.example.org"
OWN = "127.0.0.1:9100"


def gate(
    *,
    limit: HostLimit = HostLimit(2, 0.0),
    lease_s: float = 30.0,
    first_break_s: float = 15.0,
    longest_break_s: float = 60.0,
) -> SharedHostGate:
    """One worker's gate: each call stands for another process."""
    rules = HostRules(default=limit, free_hosts=frozenset({OWN}))
    return SharedHostGate(
        rules=rules,
        lease_s=lease_s,
        alone=LocalHostGate(rules=rules),
        first_break_s=first_break_s,
        longest_break_s=longest_break_s,
    )


def lent(answer: Permit | float) -> Permit:
    assert isinstance(answer, Permit), f"to wait {answer} s"
    return answer


def waits_s(answer: Permit | float) -> float:
    assert isinstance(answer, float), "not held back"
    return answer


def fail(one: SharedHostGate, *, times: int = 1, pause_s: float = 0.0) -> None:
    for _ in range(times):
        one.release(lent(one.try_acquire(HOST)), health=Health.STRUGGLED, pause_s=pause_s)


def test_a_site_has_so_many_connections_over_all_workers() -> None:
    one, other = gate(), gate()
    first = lent(one.try_acquire("a.example.org"))
    lent(other.try_acquire("b.example.org"))
    assert waits_s(other.try_acquire("c.example.org")) == pytest.approx(0.1)
    assert waits_s(one.try_acquire("a.example.org")) > 0
    lent(other.try_acquire("example.net"))
    one.release(first)
    lent(other.try_acquire("c.example.org"))


def test_requests_to_a_site_are_spaced_over_all_workers() -> None:
    one, other = gate(limit=HostLimit(9, 0.3)), gate(limit=HostLimit(9, 0.3))
    one.release(lent(one.try_acquire(HOST)))
    assert 0 < waits_s(other.try_acquire(HOST)) <= 0.3
    wait_until(lambda: isinstance(other.try_acquire(HOST), Permit), seconds=2)


def test_a_host_may_be_asked_as_seldom_as_the_operator_likes() -> None:
    one = gate(limit=HostLimit(1, 3000.0))
    one.release(lent(one.try_acquire(HOST)))
    assert waits_s(one.try_acquire(HOST)) > 2900


def test_a_killed_worker_leaks_no_permit() -> None:
    killed = gate(limit=HostLimit(1, 0.0), lease_s=0.8)
    killed.try_dial(lent(killed.try_acquire(HOST)), "203.0.113.7")
    other = gate(limit=HostLimit(1, 0.0))
    assert waits_s(other.try_acquire(HOST)) > 0
    wait_until(lambda: isinstance(other.try_acquire(HOST), Permit), seconds=2)
    assert client().ttl("px:gate:example.org") > 0


def test_an_address_has_four_times_the_connections_of_a_site() -> None:
    workers = [gate(), gate()]
    for number in range(8):
        one = workers[number % 2]
        assert one.try_dial(lent(one.try_acquire(f"{number}.example")), "203.0.113.7") == 0.0
    permit = lent(workers[0].try_acquire("9.example"))
    assert workers[0].try_dial(permit, "203.0.113.7") > 0
    assert workers[0].try_dial(permit, "203.0.113.8") == 0.0


def test_an_address_that_is_known_is_asked_for_with_the_permit() -> None:
    one = gate()
    first = lent(one.try_acquire("a.example"))
    one.try_dial(first, "203.0.113.7")
    one.release(first)
    assert client().zcard("px:gate:@203.0.113.7:held") == 0
    again = lent(one.try_acquire("a.example"))
    assert client().zcard("px:gate:@203.0.113.7:held") == 1
    assert one.try_dial(again, "203.0.113.7") == 0.0
    one.release(again)
    assert client().zcard("px:gate:@203.0.113.7:held") == 0


def test_patience_that_a_host_asks_of_one_worker_is_given_by_all() -> None:
    one, other = gate(), gate()
    one.release(lent(one.try_acquire("a.example.org")), health=Health.STRUGGLED, pause_s=120)
    assert 110 < waits_s(other.try_acquire("b.example.org")) <= 120
    lent(other.try_acquire("example.net"))


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    one = gate()
    early, late = lent(one.try_acquire(HOST)), lent(one.try_acquire(HOST))
    one.release(early, health=Health.STRUGGLED, pause_s=120)
    one.release(late, health=Health.STRUGGLED, pause_s=5)
    assert waits_s(one.try_acquire(HOST)) > 110


def test_a_host_that_fails_in_a_row_is_left_alone_and_then_probed_by_one() -> None:
    one, other = gate(first_break_s=0.6), gate(first_break_s=0.6)
    fail(one, times=BREAKER_FAILURES - 1)
    fail(other)
    assert 0 < waits_s(one.try_acquire(HOST)) <= 0.6
    probe = wait_for_permit(one)
    assert probe.is_probe
    assert waits_s(other.try_acquire(HOST)) > 0
    one.release(probe, health=Health.ANSWERED)
    assert not lent(one.try_acquire(HOST)).is_probe
    assert not lent(other.try_acquire(HOST)).is_probe


def test_a_break_grows_with_each_probe_that_fails_and_is_bounded() -> None:
    one = gate(first_break_s=5, longest_break_s=20)
    fail(one, times=BREAKER_FAILURES)
    breaks = []
    for _ in range(4):
        breaks.append(waits_s(one.try_acquire(HOST)))
        # The break is over; the probe fails too.
        client().hdel("px:gate:example.org", "until")
        fail(one)
    assert breaks == pytest.approx([5, 10, 20, 20], abs=2)


def test_an_answer_ends_the_row_of_failures_and_a_broken_line_does_not_count() -> None:
    one = gate()
    fail(one, times=BREAKER_FAILURES - 1)
    one.release(lent(one.try_acquire(HOST)), health=Health.ANSWERED)
    fail(one, times=BREAKER_FAILURES - 1)
    one.release(lent(one.try_acquire(HOST)), health=Health.UNKNOWN)
    lent(one.try_acquire(HOST))


def test_requests_that_were_under_way_when_the_break_began_do_not_lengthen_it() -> None:
    one = gate(first_break_s=10, longest_break_s=60)
    fail(one, times=BREAKER_FAILURES - 1)
    first, second = lent(one.try_acquire(HOST)), lent(one.try_acquire(HOST))
    one.release(first, health=Health.STRUGGLED)
    one.release(second, health=Health.STRUGGLED)
    assert waits_s(one.try_acquire(HOST)) <= 10
    assert client().hget("px:gate:example.org", "breaks") == "1"


def test_the_operators_own_hosts_cost_no_question_and_are_never_held_back(dead_redis: None) -> None:
    one = gate()
    for _ in range(BREAKER_FAILURES + 1):
        permit = lent(one.try_acquire(OWN))
        assert one.try_dial(permit, "127.0.0.1") == 0.0
        one.release(permit, health=Health.STRUGGLED, pause_s=60)
    assert one._away_until == 0.0, "Redis was not asked"


def test_without_redis_a_process_is_stricter_by_itself(dead_redis: None) -> None:
    one = gate(limit=HostLimit(2, 0.1))
    permit = lent(one.try_acquire(HOST))
    assert (permit.token, one.try_dial(permit, "203.0.113.7")) == ("", 0.0)
    assert waits_s(one.try_acquire(HOST)) > 1
    one.release(permit, health=Health.ANSWERED)
    assert 1 < waits_s(one.try_acquire(HOST)) <= 2


def test_a_redis_that_was_away_is_asked_again_after_a_while_and_not_before(settings: Settings) -> None:
    sound_url = settings.REDIS_URL
    settings.REDIS_URL = "unix:///nowhere/valkey.sock?db=1"
    client.cache_clear()
    one = gate()
    one._acquire.registered_client = one._release.registered_client = client()
    lent(one.try_acquire("a.example"))
    settings.REDIS_URL = sound_url
    client.cache_clear()
    one._acquire.registered_client = one._release.registered_client = client()
    assert lent(one.try_acquire("b.example")).token == ""
    one._away_until = time.monotonic()
    assert lent(one.try_acquire("c.example")).token


def test_a_redis_that_forgot_everything_lends_again() -> None:
    one = gate()
    permits = [lent(one.try_acquire(HOST)), lent(one.try_acquire(HOST))]
    client().flushall()
    client().script_flush()
    again = lent(one.try_acquire(HOST))
    for permit in (*permits, again):
        one.release(permit, health=Health.ANSWERED)
    assert client().zcard("px:gate:example.org:held") == 0


def test_a_pause_set_by_a_clock_that_was_put_back_does_not_count() -> None:
    one = gate()
    an_hour_ms = 3_600_000
    client().hset("px:gate:example.org", "until", int(time.time() * 1000) + an_hour_ms)
    lent(one.try_acquire(HOST))


def wait_for_permit(one: SharedHostGate) -> Permit:
    answers: list[Permit | float] = []

    def is_lent() -> bool:
        answers.append(one.try_acquire(HOST))
        return isinstance(answers[-1], Permit)

    wait_until(is_lent, seconds=10)
    return lent(answers[-1])


def _hammer(start: Barrier, most: "Synchronized[int]", rounds: int) -> None:
    """Takes and gives back `rounds` permits as fast as it can, counted in Valkey; notes the most seen at once."""
    one, redis = gate(), client()
    start.wait(timeout=20)
    for _ in range(rounds):
        while not isinstance(permit := one.try_acquire(HOST), Permit):
            time.sleep(0.001)
        seen = int(redis.incr("test:under-way"))
        # Held for a moment, so that others meet it on the busiest machine.
        time.sleep(0.01)
        redis.decr("test:under-way")
        one.release(permit)
        with most.get_lock():
            most.value = max(most.value, seen)


def test_processes_that_race_never_get_more_than_allowed() -> None:
    fork = multiprocessing.get_context("fork")
    start, most = fork.Barrier(3), fork.Value("i", 0)
    racers = [fork.Process(target=_hammer, args=(start, most, 40)) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(timeout=30)
    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    assert most.value == 2
