"""Breakers of sources: the rule in one process, the same over all workers on a real Valkey, and what is counted."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from conftest import wait_until
from jobs import pace, source_health
from jobs.crawl.breaker import BreakerRules, Go, LocalBreaker, Rest
from jobs.crawl.redaction import remember
from jobs.crawl.sources.base import Quota
from jobs.redis_store import client
from jobs.source_health import Kind, SharedBreaker
from jobs.source_models import SourceRecord

pytestmark = pytest.mark.django_db

RULES = BreakerRules(failures=3, first_s=10.0, longest_s=25.0, probe_s=5.0, while_probed_s=2.0)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def local() -> tuple[LocalBreaker, Clock]:
    clock = Clock()
    return LocalBreaker(rules=RULES, clock=clock), clock


def refuse(one: LocalBreaker, times: int = 1, *, pause_s: float = 0.0) -> None:
    for _ in range(times):
        one.failed("openverse", pause_s=pause_s)


def test_a_source_is_asked_until_it_failed_three_times_in_a_row() -> None:
    one, _ = local()
    refuse(one, 2)
    assert one.enter("openverse") == Go()
    one.succeeded("openverse")
    refuse(one, 2)
    assert one.enter("openverse") == Go()
    refuse(one)
    assert one.enter("openverse") == Rest(wait_s=10.0)
    assert one.enter("flickr") == Go()


def test_after_the_break_one_probe_goes_and_the_others_come_back_soon() -> None:
    one, clock = local()
    refuse(one, 3)
    clock.now += 10.0
    assert one.enter("openverse") == Go(is_probe=True)
    assert one.enter("openverse") == Rest(wait_s=2.0)
    one.succeeded("openverse")
    assert one.enter("openverse") == Go()


def test_each_failed_probe_doubles_the_break_up_to_the_longest() -> None:
    one, clock = local()
    refuse(one, 3)
    waits = []
    for _ in range(3):
        clock.now += 30.0
        assert one.enter("openverse") == Go(is_probe=True)
        refuse(one)
        waits.append(one.enter("openverse"))
    assert waits == [Rest(wait_s=20.0), Rest(wait_s=25.0), Rest(wait_s=25.0)]


def test_requests_that_were_under_way_when_it_opened_lengthen_nothing() -> None:
    one, _ = local()
    refuse(one, 9)
    assert one.enter("openverse") == Rest(wait_s=10.0)


def test_a_probe_that_says_nothing_is_taken_for_lost_and_one_that_was_not_sent_is_given_back() -> None:
    one, clock = local()
    refuse(one, 3)
    clock.now += 10.0
    assert one.enter("openverse") == Go(is_probe=True)
    clock.now += 5.0
    assert one.enter("openverse") == Go(is_probe=True)
    one.undecided("openverse")
    assert one.enter("openverse") == Go(is_probe=True)


def test_one_refusal_that_asks_for_patience_is_heeded_by_everybody_though_no_longer_than_a_break() -> None:
    one, clock = local()
    refuse(one, pause_s=4.0)
    assert one.enter("openverse") == Rest(wait_s=4.0)
    clock.now += 4.0
    assert one.enter("openverse") == Go()
    refuse(one, pause_s=86_400.0)
    assert one.enter("openverse") == Rest(wait_s=25.0)


# -- Over all workers ----------------------------------------------------------------------------------------------


def worker(**changes: float) -> SharedBreaker:
    """One worker's breaker: each call stands for another process."""
    rules = {"failures": 3, "first_s": 10.0, "longest_s": 25.0, "probe_s": 5.0, "while_probed_s": 2.0, **changes}
    return SharedBreaker(BreakerRules(**rules))  # type: ignore[arg-type]


def fail(one: SharedBreaker, times: int = 1, *, kind: Kind = Kind.RATE_LIMITED, pause_s: float = 0.0) -> None:
    for _ in range(times):
        one.note("openverse", kind, seconds=0.1, words="Openverse answered “too many requests”.", pause_s=pause_s)


def waits_s(leave: Go | Rest) -> float:
    assert isinstance(leave, Rest)
    return leave.wait_s


def test_failures_of_all_workers_count_together() -> None:
    one, other = worker(), worker()
    fail(one, 2)
    assert other.enter("openverse") == Go()
    fail(other)
    assert 9 < waits_s(one.enter("openverse")) <= 10
    assert one.enter("flickr") == Go()


def test_one_worker_of_all_probes_and_its_success_closes_the_breaker_for_all() -> None:
    one, other = worker(first_s=0.2), worker(first_s=0.2)
    fail(one, 3)
    wait_until(lambda: other.enter("openverse") == Go(is_probe=True), seconds=3)
    assert waits_s(one.enter("openverse")) == 2.0
    other.note("openverse", Kind.OK, seconds=0.1)
    assert one.enter("openverse") == Go()


def test_a_failed_probe_doubles_the_break_for_all() -> None:
    one = worker(first_s=0.2)
    fail(one, 3)
    wait_until(lambda: one.enter("openverse") == Go(is_probe=True), seconds=3)
    fail(one)
    assert 0.2 < waits_s(worker().enter("openverse")) <= 0.4


def test_a_probe_whose_worker_was_killed_is_over_by_itself() -> None:
    one = worker(first_s=0.1, probe_s=0.3)
    fail(one, 3)
    wait_until(lambda: one.enter("openverse") == Go(is_probe=True), seconds=3)
    wait_until(lambda: worker().enter("openverse") == Go(is_probe=True), seconds=3)


def test_patience_that_a_source_asks_for_is_kept_by_all() -> None:
    fail(worker(), pause_s=7.0)
    assert 6 < waits_s(worker().enter("openverse")) <= 7


@pytest.mark.parametrize(
    ("kind", "is_asked"), [(Kind.REFUSED, True), (Kind.SHAPE_CHANGED, True), (Kind.RATE_LIMITED, False)]
)
def test_a_retry_asks_at_once_where_somebody_may_have_mended_it_and_keeps_patience_that_was_asked_for(
    kind: Kind, is_asked: bool
) -> None:
    one = worker()
    fail(one, 3, kind=kind)
    one.ask_again(["openverse", "flickr"])
    assert (one.enter("openverse") == Go(is_probe=True)) is is_asked


@pytest.mark.usefixtures("dead_redis")
def test_without_redis_each_process_has_a_breaker_of_its_own_and_nothing_breaks() -> None:
    one, other = worker(), worker()
    fail(one, 3)
    assert waits_s(one.enter("openverse")) > 0
    assert other.enter("openverse") == Go()
    assert source_health.version() == ""


@pytest.mark.usefixtures("dead_redis")
def test_without_redis_the_page_shows_what_the_rows_have() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    SourceRecord.objects.create(
        source="openverse", last_success_at=at, last_failure_at=at, last_failure_kind="captcha", last_failure="Words."
    )
    state = source_health.states(["openverse"])["openverse"]
    assert (state.last_success_at, state.last_failure_kind, state.error_rate) == (at, "captcha", None)


# -- What is counted -----------------------------------------------------------------------------------------------


def state() -> source_health.SourceState:
    return source_health.states(["openverse"])["openverse"]


def test_the_state_tells_rate_latency_and_the_last_of_each() -> None:
    one = worker()
    for seconds in (0.2, 0.4, 0.9):
        one.note("openverse", Kind.OK, seconds=seconds, host="api.openverse.org")
    fail(one, kind=Kind.SHAPE_CHANGED)

    told = state()
    assert (told.answers, told.error_rate) == (4, 0.25)
    assert told.median_latency_s == pytest.approx(0.3)
    assert (told.last_failure_kind, told.last_failure) == ("shape_changed", "Openverse answered “too many requests”.")
    assert told.host == "api.openverse.org"
    assert told.last_success_at is not None
    assert told.last_failure_at is not None
    assert abs(told.last_failure_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert not told.is_open


def test_an_open_breaker_is_told_with_its_end_and_its_beginning() -> None:
    before = datetime.now(UTC)
    fail(worker(), 3)
    told = state()
    assert told.is_open
    assert told.rests
    assert told.rests_until is not None
    assert timedelta(seconds=8) < told.rests_until - before < timedelta(seconds=12)
    assert told.failing_since is not None
    assert told.failing_since < told.rests_until


def test_answers_older_than_the_window_do_not_count() -> None:
    fail(worker())
    old_ms = int((time.time() - source_health.WINDOW_S - 5) * 1000)
    client().rpush("px:source:openverse:answers", f"{old_ms} ok 100")
    assert state().answers == 1


def test_every_answer_changes_the_version() -> None:
    seen = {source_health.version()}
    for kind in (Kind.OK, Kind.CAPTCHA):
        worker().note("openverse", kind, seconds=0.1)
        assert source_health.version() not in seen
        seen.add(source_health.version())


def test_a_key_that_a_service_repeats_is_not_kept() -> None:
    remember("flickr-secret-8841")
    worker().note("flickr", Kind.REFUSED, seconds=0.1, words="Invalid key flickr-secret-8841.")
    assert "8841" not in str(client().hgetall("px:source:flickr"))


def test_rows_keep_the_last_success_and_failure_when_redis_forgets() -> None:
    worker().note("openverse", Kind.OK, seconds=0.1)
    fail(worker(), kind=Kind.CAPTCHA)
    before = state()
    assert source_health.keep(["openverse", "flickr"]) == 1

    client().flushdb()
    after = state()
    assert after.last_success_at == before.last_success_at
    assert (after.last_failure_at, after.last_failure_kind) == (before.last_failure_at, "captcha")
    assert not after.is_open
    # Nothing new is written over them.
    assert source_health.keep(["openverse", "flickr"]) == 0
    pace.make_due("source-records")
    assert source_health.keep(["openverse", "flickr"]) == 0


def test_the_tightest_quota_is_told_until_its_window_is_over() -> None:
    burst = Quota(name="burst", remaining=3, limit=20, resets_in_s=60.0)
    day, untold = Quota(name="day", remaining=180, limit=200), Quota(name="month", remaining=None, limit=9_000)
    source_health.note_quotas("openverse", [day, burst, untold])
    told = state()
    assert told.quota == Quota(name="burst", remaining=3, limit=20)
    assert told.quota_resets_at is not None
    source_health.note_quotas("openverse", [Quota(name="burst", remaining=0, limit=20, resets_in_s=-1.0)])
    assert state().quota is None
