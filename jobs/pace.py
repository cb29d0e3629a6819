"""Spaces what all processes do together, by a slot in Redis; without Redis, within this process."""

import math
import time
from collections.abc import Callable
from contextlib import suppress

from jobs.redis_store import RedisError, client

#: Looked at so often: short enough to leave soon, long enough to cost nothing.
_NAP_S = 0.1

_last_request: dict[str, float] = {}


class StoppedWaiting(Exception):
    """The work is to stop; the request is not sent."""


def wait_for_turn(source: str, *, per_minute: float, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Returns when the next request to the source may be sent; at once where `per_minute` is 0 (no limit).

    Raises StoppedWaiting when `should_stop` says so first.
    """
    if per_minute <= 0:
        return
    interval_s = 60.0 / per_minute
    while (wait_s := _try_slot(source, interval_s)) > 0:
        if should_stop():
            raise StoppedWaiting
        time.sleep(min(wait_s, _NAP_S))


def is_due(name: str, *, every_s: float) -> bool:
    """Whether it is this process's turn to do what all processes together do once in so many seconds."""
    return _try_slot(name, every_s) == 0.0


def make_due(name: str) -> None:
    """Gives the turn back: the next who asks has it."""
    _last_request.pop(name, None)
    with suppress(RedisError):
        client().delete(_key(name))


def _key(name: str) -> str:
    return f"px:pace:{name}"


def _try_slot(source: str, interval_s: float) -> float:
    """0 if the slot is ours now, else the seconds to wait before asking again."""
    key = _key(source)
    try:
        if client().set(key, "1", nx=True, px=max(1, int(interval_s * 1000))):
            return 0.0
        return max(0.001, float(client().pttl(key)) / 1000)
    except RedisError:
        now = time.monotonic()
        due = _last_request.get(source, -math.inf) + interval_s
        if now >= due:
            _last_request[source] = now
            return 0.0
        return due - now
