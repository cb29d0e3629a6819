"""How sources are doing, over all workers: who is left alone, and what their answers were like.

Breakers and the newest answers lie in Redis, on Redis' clock; every change is one script and one round trip. What must
outlive Redis (the last success and the last failure of each source) is copied into rows by the scheduler. Without Redis
each process keeps breakers of its own, and nothing is counted.
"""

import json
import logging
import math
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from statistics import median
from typing import Any

from django.conf import settings

from jobs import pace
from jobs.crawl.breaker import BreakerRules, Go, LocalBreaker, Rest
from jobs.crawl.redaction import redacted
from jobs.crawl.sources.base import Quota
from jobs.redis_store import RedisError, client
from jobs.source_models import SourceRecord

log = logging.getLogger(__name__)

#: Answers are counted over so long a window, and over so many of the newest ones at most.
WINDOW_S = 3_600
NEWEST_ANSWERS = 300

#: What is known of a source that nobody asks is forgotten by Redis after so long; rows keep the last success.
_MEMORY_S = 7 * 86_400
_KEEP_EVERY_S = 60.0
_LONGEST_WORDS = 500

#: Replaced with every answer: a page that shows sources asks it whether anything changed.
_ANY = "px:sources"


class Kind(StrEnum):
    """How an answer of a source was. Each failure is another thing, and has words of its own in jobs/words.py."""

    OK = "ok"
    CAPTCHA = "captcha"
    SHAPE_CHANGED = "shape_changed"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


#: What somebody has to mend. Patience and outages end by themselves.
NEEDS_A_PERSON = (Kind.CAPTCHA, Kind.SHAPE_CHANGED, Kind.REFUSED)

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

#: KEYS: the source. ARGV: milliseconds of a probe, and for which others wait meanwhile. Gives 1 (ask), 2 (ask, as a
#: probe), or 0 and how long to wait.
_ENTER = (
    _NOW
    + """
local state = redis.call('HMGET', KEYS[1], 'until', 'probe', 'breaks')
local free, probe = tonumber(state[1] or 0), tonumber(state[2] or 0)
if now < free then return {0, free - now} end
if now < probe then return {0, math.min(probe - now, tonumber(ARGV[2]))} end
if tonumber(state[3] or 0) == 0 then return {1, 0} end
redis.call('HSET', KEYS[1], 'probe', now + tonumber(ARGV[1]))
return {2, 0}
"""
)

#: KEYS: the source, its answers, the token of all. ARGV: kind, latency, words, pause, failures, first break, longest
#: break, memory, answers kept, a new token, host.
_NOTE = (
    _NOW
    + """
local kind, pause = ARGV[1], tonumber(ARGV[4])
redis.call('HDEL', KEYS[1], 'probe')
if ARGV[11] ~= '' then redis.call('HSET', KEYS[1], 'host', ARGV[11]) end
if kind == 'ok' then
  redis.call('HDEL', KEYS[1], 'failures', 'breaks', 'until', 'since')
  redis.call('HSET', KEYS[1], 'ok_at', now)
else
  local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  local breaks = tonumber(redis.call('HGET', KEYS[1], 'breaks') or 0)
  local longest = tonumber(ARGV[7])
  local free = tonumber(redis.call('HGET', KEYS[1], 'until') or 0)
  local is_over = free <= now
  redis.call('HSETNX', KEYS[1], 'since', now)
  free = math.max(free, now + math.min(pause, longest))
  if is_over and (breaks > 0 or failures >= tonumber(ARGV[5])) then
    free = math.max(free, now + math.min(tonumber(ARGV[6]) * 2 ^ breaks, longest))
    redis.call('HINCRBY', KEYS[1], 'breaks', 1)
  end
  redis.call('HSET', KEYS[1], 'until', string.format('%d', free), 'bad_at', now, 'bad_kind', kind, 'bad_words', ARGV[3])
end
redis.call('LPUSH', KEYS[2], now .. ' ' .. kind .. ' ' .. ARGV[2])
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[9]) - 1)
redis.call('EXPIRE', KEYS[1], ARGV[8])
redis.call('EXPIRE', KEYS[2], ARGV[8])
redis.call('SET', KEYS[3], ARGV[10], 'EX', ARGV[8])
return 1
"""
)


#: KEYS: the source. ARGV: kinds of trouble after which it is asked again at once.
_ASK_AGAIN = """
local kind = redis.call('HGET', KEYS[1], 'bad_kind')
for i = 1, #ARGV do
  if kind == ARGV[i] then redis.call('HDEL', KEYS[1], 'until', 'probe') end
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """How a source is doing. A rate, a latency or a moment is None where nothing is known of it.

    `answers` counts those of the last WINDOW_S seconds, `error_rate` is the share of failures among them.
    `is_open`: the breaker is open, and the source is left alone until `rests_until` (also without a breaker, where it
    asked for patience); `failing_since` is when its failures in a row began.
    """

    host: str = ""
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_failure_kind: str = ""
    last_failure: str = ""
    answers: int = 0
    error_rate: float | None = None
    median_latency_s: float | None = None
    quota: Quota | None = None
    quota_resets_at: datetime | None = None
    is_open: bool = False
    rests_until: datetime | None = None
    failing_since: datetime | None = None

    @property
    def rests(self) -> bool:
        """Whether nobody asks it now."""
        return self.rests_until is not None and self.rests_until > datetime.now(UTC)


@dataclass(slots=True)
class SharedBreaker:
    """The breaker of all workers."""

    rules: BreakerRules
    alone: LocalBreaker = field(init=False)

    def __post_init__(self) -> None:
        self.alone = LocalBreaker(rules=self.rules)

    def enter(self, source: str) -> Go | Rest:
        try:
            spans = [_ms(self.rules.probe_s), _ms(self.rules.while_probed_s)]
            go, wait_ms = _scripts().enter(keys=[_key(source)], args=spans)
        except RedisError:
            return self.alone.enter(source)
        return Go(is_probe=go == 2) if go else Rest(wait_s=wait_ms / 1000)

    def undecided(self, source: str) -> None:
        self.alone.undecided(source)
        try:
            client().hdel(_key(source), "probe")
        except RedisError:
            return

    def ask_again(self, sources: Collection[str]) -> None:
        """Lets a probe go at once to sources whose trouble does not pass by itself: people mended it, or think so."""
        for source in sources:
            self.alone.succeeded(source)
        try:
            with client().pipeline(transaction=False) as pipe:
                for source in sources:
                    _scripts().ask_again(keys=[_key(source)], args=list(NEEDS_A_PERSON), client=pipe)
                pipe.execute()
        except RedisError:
            return

    def note(
        self, source: str, kind: Kind, *, seconds: float, words: str = "", pause_s: float = 0.0, host: str = ""
    ) -> None:
        """Counts an answer that took `seconds`; `words` say what was wrong with it."""
        if kind is Kind.OK:
            self.alone.succeeded(source)
        else:
            self.alone.failed(source, pause_s=pause_s)
        rules = self.rules
        limits = (rules.failures, _ms(rules.first_s), _ms(rules.longest_s), _MEMORY_S, NEWEST_ANSWERS)
        said = redacted(words)[:_LONGEST_WORDS]
        try:
            _scripts().note(
                keys=[_key(source), _answers_key(source), _ANY],
                args=[kind.value, _ms(seconds), said, _ms(pause_s), *limits, secrets.token_hex(4), host],
            )
        except RedisError as error:
            log.debug("How %s answered was not counted: %s", source, error)


@cache
def breaker() -> SharedBreaker:
    """The process's door to the breakers of all."""
    rules = BreakerRules(failures=settings.SOURCE_FAILURES, first_s=settings.SOURCE_BREAK_S)
    return SharedBreaker(rules)


def note_quotas(source: str, quotas: Collection[Quota]) -> None:
    """What a service said that it may still be asked: the tightest is kept. Redis being away costs nothing."""
    told = [quota for quota in quotas if quota.remaining is not None]
    quota = min(told, key=lambda one: one.remaining or 0, default=None)
    if quota is None:
        return
    resets_at = None if quota.resets_in_s is None else time.time() + quota.resets_in_s
    try:
        client().hset(_key(source), "quota", json.dumps([quota.name, quota.remaining, quota.limit, resets_at]))
    except RedisError:
        return


def version() -> str:
    """Names what is known of all sources; "": Redis has nothing, or is away."""
    try:
        return client().get(_ANY) or ""
    except RedisError:
        return ""


def states(sources: Collection[str]) -> dict[str, SourceState]:
    """How each source is doing, by one round trip to Redis and one query."""
    rows = {row.source: row for row in SourceRecord.objects.filter(source__in=sources)}
    try:
        with client().pipeline(transaction=False) as pipe:
            for source in sources:
                pipe.hgetall(_key(source))
                pipe.lrange(_answers_key(source), 0, NEWEST_ANSWERS - 1)
            told = pipe.execute()
    except RedisError:
        told = [{}, []] * len(sources)
    return {
        source: _state(told[2 * index], told[2 * index + 1], rows.get(source)) for index, source in enumerate(sources)
    }


def ask(pipe: Any, sources: Collection[str]) -> None:
    """Asks how they are doing, as a part of what is asked anyway."""
    for source in sources:
        pipe.hgetall(_key(source))


def left_alone(sources: Collection[str], answers: Iterator[Any]) -> dict[str, SourceState]:
    """Those that are not asked now, or only once to find out whether they are back, by the answers to `ask`, which
    come next.
    """
    found = {source: _state(facts, (), None) for source, facts in zip(sources, answers, strict=False) if facts}
    return {source: state for source, state in found.items() if state.rests or state.is_open}


def keep(sources: Collection[str]) -> int:
    """Copies into rows what must outlive Redis, once a minute over all schedulers; gives how many rows changed."""
    if not pace.is_due("source-records", every_s=_KEEP_EVERY_S):
        return 0
    changed = 0
    before = {row.source: row for row in SourceRecord.objects.filter(source__in=sources)}
    for source, state in states(sources).items():
        values = {
            "last_success_at": state.last_success_at,
            "last_failure_at": state.last_failure_at,
            "last_failure_kind": state.last_failure_kind,
            "last_failure": state.last_failure,
        }
        row = before.get(source)
        old = {name: getattr(row, name) for name in values} if row else dict.fromkeys(values)
        if any(values.values()) and values != old:
            SourceRecord.objects.update_or_create(source=source, defaults=values)
            changed += 1
    return changed


def _state(told: Mapping[str, str], answers: Collection[str], row: SourceRecord | None) -> SourceState:
    counted = _counted(answers)
    quota, quota_resets_at = _quota(told.get("quota", ""))
    success, failure = _moment(told.get("ok_at")), _moment(told.get("bad_at"))
    is_newer = failure is not None or row is None
    return SourceState(
        host=told.get("host", ""),
        last_success_at=success or (row.last_success_at if row else None),
        last_failure_at=failure if is_newer else row.last_failure_at if row else None,
        last_failure_kind=told.get("bad_kind", "") if is_newer else row.last_failure_kind if row else "",
        last_failure=told.get("bad_words", "") if is_newer else row.last_failure if row else "",
        answers=len(counted),
        error_rate=sum(kind != Kind.OK for kind, _ in counted) / len(counted) if counted else None,
        median_latency_s=median(seconds for _, seconds in counted) if counted else None,
        quota=quota,
        quota_resets_at=quota_resets_at,
        is_open=int(told.get("breaks", 0)) > 0,
        rests_until=_moment(told.get("until")),
        failing_since=_moment(told.get("since")),
    )


def _counted(answers: Collection[str]) -> list[tuple[str, float]]:
    """(kind, seconds) of the answers within the window."""
    oldest_ms = (time.time() - WINDOW_S) * 1000
    parts = (answer.split() for answer in answers)
    return [(kind, int(ms) / 1000) for at_ms, kind, ms in parts if float(at_ms) >= oldest_ms]


def _quota(told: str) -> tuple[Quota | None, datetime | None]:
    if not told:
        return None, None
    name, remaining, limit, resets_at = json.loads(told)
    if resets_at is not None and resets_at < time.time():
        # The window that this was said of is over.
        return None, None
    return Quota(name=name, remaining=remaining, limit=limit), _moment(None if resets_at is None else resets_at * 1000)


def _moment(ms: Any) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=float(ms))


@dataclass(frozen=True, slots=True)
class _Scripts:
    enter: Any
    note: Any
    ask_again: Any


def _scripts() -> _Scripts:
    # Of the client as it is now: tests put another server in its place.
    redis = client()
    return _Scripts(*(redis.register_script(text) for text in (_ENTER, _NOTE, _ASK_AGAIN)))


def _key(source: str) -> str:
    return f"px:source:{source}"


def _answers_key(source: str) -> str:
    return f"px:source:{source}:answers"


def _ms(seconds: float) -> int:
    return math.ceil(seconds * 1000)
