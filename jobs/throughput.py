"""How many images all workers kept in each minute of the last hour, in Redis: for one small curve, never for counts.

One number per minute, each gone after an hour and a bit, so it stays small whatever is crawled. What a worker tells
twice or not at all moves the curve a little and nothing else.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.redis_store import RedisError, client

MINUTES = 60
_EXPIRES_S = (MINUTES + 5) * 60

#: The curve's drawing area, in the units of its viewBox.
WIDTH, HEIGHT = 260, 44


@dataclass(frozen=True, slots=True)
class Curve:
    """Images kept per second, by whole minutes, the oldest first."""

    per_s: Sequence[float]

    @property
    def now(self) -> float:
        return self.per_s[-1]

    @property
    def most(self) -> float:
        return max(self.per_s)

    @property
    def points(self) -> str:
        """The polyline of an SVG of WIDTH × HEIGHT."""
        step, top = WIDTH / (len(self.per_s) - 1), self.most or 1.0
        places = enumerate(self.per_s)
        return " ".join(f"{place * step:.1f},{HEIGHT - 3 - (HEIGHT - 8) * value / top:.1f}" for place, value in places)


def note(pipe: Any, kept: int) -> None:
    """Adds images to this minute, as a part of what is being written anyway."""
    if kept > 0:
        key = _key(_minute())
        pipe.incrby(key, kept)
        pipe.expire(key, _EXPIRES_S)


def last_hour() -> Curve | None:
    """The last whole minutes; None where nothing was kept in them, or Redis is away."""
    now = _minute()
    try:
        told = client().mget([_key(minute) for minute in range(now - MINUTES, now)])
    except RedisError:
        return None
    return Curve([int(kept or 0) / 60 for kept in told]) if any(told) else None


def _minute() -> int:
    return int(time.time() // 60)


def _key(minute: int) -> str:
    return f"px:kept:{minute}"
