"""One politeness for all workers: permits and pauses of hosts lie in Redis, on Redis' clock.

A permit is a lease in a sorted set, scored by the moment at which it ends: what a killed worker held is free again by
itself. Each question is one script and one round trip. Why it is done so: docs/decisions/0006.
"""

import logging
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from jobs.crawl.hostgate import SHORTEST_WAIT_S, Health, HostLimit, HostRules, LocalHostGate, Permit
from jobs.redis_store import RedisError, client

log = logging.getLogger(__name__)

#: Redis that did not answer is asked again after so long; until then each process is polite by itself.
_ABSENCE_S = 5.0

#: Failures in a row after which a host is left alone; how long at first (doubled each time), and at the longest.
BREAKER_FAILURES = 20
_FIRST_BREAK_S = 15.0
_LONGEST_BREAK_S = 60.0

#: What is known of a host is forgotten after so long without a request.
_MEMORY_S = 3600

#: The last address of so many hosts is remembered.
_REMEMBERED_ADDRESSES = 5_000

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

#: Takes a permit of every bucket, or of none. A pause further off than any that is set here comes from a clock that
#: was put back, and does not count.
_ACQUIRE = (
    _NOW
    + """
local token, memory = ARGV[1], ARGV[5]
local lease, when_full, longest = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function left(moment)
  local ms = tonumber(moment or 0) - now
  return ms <= longest and ms or 0
end
local wait, probe = 0, 0
for i = 1, #KEYS, 2 do
  local connections = tonumber(ARGV[i + 5])
  local state = redis.call('HMGET', KEYS[i], 'next', 'until', 'breaks')
  if state[3] then connections, probe = 1, 1 end
  redis.call('ZREMRANGEBYSCORE', KEYS[i + 1], '-inf', now)
  if redis.call('ZCARD', KEYS[i + 1]) >= connections then wait = math.max(wait, when_full) end
  wait = math.max(wait, left(state[1]), left(state[2]))
end
if wait > 0 then return {0, wait} end
for i = 1, #KEYS, 2 do
  redis.call('HSET', KEYS[i], 'next', now + tonumber(ARGV[i + 6]))
  redis.call('EXPIRE', KEYS[i], memory)
  redis.call('ZADD', KEYS[i + 1], now + lease, token)
  redis.call('PEXPIRE', KEYS[i + 1], lease)
end
return {1, probe}
"""
)

#: Gives a permit back and notes what the host's answer says: a pause, or that it struggles. While a host pauses,
#: requests that had begun before do not lengthen the pause.
_RELEASE = (
    _NOW
    + """
for i = 2, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
local health, pause = ARGV[2], tonumber(ARGV[3])
if health == 'answered' then redis.call('HDEL', KEYS[1], 'failures', 'breaks') end
local paused_until = tonumber(redis.call('HGET', KEYS[1], 'until') or 0)
local resumes_at = now + pause
if health == 'struggled' then
  local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  local breaks = tonumber(redis.call('HGET', KEYS[1], 'breaks') or 0)
  if (breaks > 0 or failures >= tonumber(ARGV[4])) and paused_until <= now then
    resumes_at = math.max(resumes_at, now + math.min(tonumber(ARGV[5]) * 2 ^ breaks, tonumber(ARGV[6])))
    redis.call('HINCRBY', KEYS[1], 'breaks', 1)
  end
end
if resumes_at > math.max(now, paused_until) then redis.call('HSET', KEYS[1], 'until', resumes_at) end
redis.call('EXPIRE', KEYS[1], ARGV[7])
"""
)


@dataclass(slots=True, kw_only=True)
class SharedHostGate:
    """The gate of all workers. `lease_s` is how long a request takes at the most; a permit ends by itself after that.

    The address that a host leads to is known when it is dialled; the next permit for the host asks for both at once.
    Without Redis it is as strict as `alone` is, and takes no notice of the other processes.
    """

    rules: HostRules
    lease_s: float
    alone: LocalHostGate
    first_break_s: float = _FIRST_BREAK_S
    longest_break_s: float = _LONGEST_BREAK_S
    longest_pause_s: float = 300.0
    _away_until: float = 0.0
    _addresses: dict[str, str] = field(default_factory=dict)
    _held: dict[str, list[str]] = field(default_factory=dict)
    _acquire: Any = field(init=False)
    _release: Any = field(init=False)

    def __post_init__(self) -> None:
        self._acquire = client().register_script(_ACQUIRE)
        self._release = client().register_script(_RELEASE)

    def try_acquire(self, host: str) -> Permit | float:
        site = self.rules.site_of(host)
        if site is None:
            return Permit(host=host)
        buckets = [(site.name, site.limit)]
        if host in self._addresses:
            buckets.append((f"@{self._addresses[host]}", site.address_limit))
        token = uuid.uuid4().hex
        answer = self._ask(token, buckets)
        if answer is None:
            return self.alone.try_acquire(host)
        granted, value = answer
        if not granted:
            return value / 1000
        self._held[token] = [name for name, _ in buckets]
        return Permit(host=host, token=token, is_probe=bool(value))

    def try_dial(self, permit: Permit, address: str) -> float:
        site = self.rules.site_of(permit.host)
        bucket = f"@{address}"
        if site is None or not permit.token or bucket in self._held[permit.token]:
            return 0.0
        self._remember(permit.host, address)
        granted, value = self._ask(permit.token, [(bucket, site.address_limit)]) or (1, 0)
        if not granted:
            return value / 1000
        self._held[permit.token].append(bucket)
        return 0.0

    def release(self, permit: Permit, *, health: Health = Health.UNKNOWN, pause_s: float = 0.0) -> None:
        site = self.rules.site_of(permit.host)
        if site is None:
            return
        if not permit.token:
            self.alone.release(permit, health=health, pause_s=pause_s)
            return
        keys = [_state_key(site.name), *map(_held_key, self._held.pop(permit.token))]
        breaker = (BREAKER_FAILURES, _ms(self.first_break_s), _ms(self.longest_break_s))
        self._call(self._release, keys, [permit.token, health.value, _ms(pause_s), *breaker, _MEMORY_S])

    def _ask(self, token: str, buckets: list[tuple[str, HostLimit]]) -> list[int] | None:
        """What the script says; None where Redis is away."""
        longest_s = max(self.longest_pause_s, self.longest_break_s, *(limit.spacing_s for _, limit in buckets))
        keys, arguments = [], [token, *map(_ms, (self.lease_s, SHORTEST_WAIT_S, longest_s)), _MEMORY_S]
        for name, limit in buckets:
            keys += [_state_key(name), _held_key(name)]
            arguments += [limit.connections, _ms(limit.spacing_s)]
        answer: list[int] | None = self._call(self._acquire, keys, arguments)
        return answer

    def _call(self, script: Any, keys: list[str], arguments: list[Any]) -> Any:
        if time.monotonic() < self._away_until:
            return None
        try:
            return script(keys=keys, args=arguments)
        except RedisError as error:
            self._away_until = time.monotonic() + _ABSENCE_S
            log.warning("Redis does not answer (%s): each worker process is polite by itself for now.", error)
            return None

    def _remember(self, host: str, address: str) -> None:
        if len(self._addresses) >= _REMEMBERED_ADDRESSES:
            self._addresses.clear()
        self._addresses[host] = address


def _state_key(name: str) -> str:
    return f"px:gate:{name}"


def _held_key(name: str) -> str:
    return f"px:gate:{name}:held"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
