"""How many browsers watch a running job, and how often each may ask: many of them ask no more often than a few do.

A poll stands for the seconds since the one before it, which its address names. The seconds that all polls of a job
stood for in a window, divided by its length, are its watchers. What is forged or lost makes a page slower or faster.
"""

import time
from typing import Any, Final

from jobs.redis_store import RedisError, client

#: Seconds between two polls of one browser: at least, and at most.
LEAST_S, MOST_S = 2, 30

#: All who watch a job together ask so often, where they are not too many for MOST_S.
POLLS_PER_S: Final = 20

#: Short, since a page that is suddenly watched by many has them ask as often as one until a window has counted them.
_WINDOW_S: Final = 2


def note(pipe: Any, job_id: int, waited_s: int) -> None:
    """Counts a poll, as a part of what is asked anyway."""
    key = _key(job_id, _window())
    pipe.incrby(key, min(MOST_S, max(LEAST_S, waited_s)))
    pipe.expire(key, 3 * _WINDOW_S)


def poll_s(job_id: int) -> int:
    """Seconds until a page of the job asks again; the least where Redis is away."""
    now = _window()
    try:
        windows = client().mget(_key(job_id, now - 1), _key(job_id, now))
    except RedisError:
        return LEAST_S
    # The present window has not counted all yet, unless they have just come.
    watchers = max(int(waited_s or 0) for waited_s in windows) / _WINDOW_S
    return min(MOST_S, max(LEAST_S, round(watchers / POLLS_PER_S)))


def _window() -> int:
    return int(time.time() // _WINDOW_S)


def _key(job_id: int, window: int) -> str:
    return f"px:job:{job_id}:watched:{window}"
