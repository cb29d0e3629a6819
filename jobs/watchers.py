"""How many browsers watch a running job, and how often each may ask: many of them ask no more often than a few do.

A poll stands for the seconds since the one before it, which its address names. The seconds that all polls of a job
stood for in a window, divided by its length, are its watchers. What is forged or lost makes a page slower or faster.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

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


def ask(pipe: Any, job_id: int) -> None:
    """Asks how many there are, as a part of what is asked anyway."""
    now = _window()
    pipe.mget(_key(job_id, now - 1), _key(job_id, now))


def poll_s(answers: Iterator[Any]) -> int:
    """Seconds until a page of the job asks again, by the answer to `ask`, which comes next."""
    windows = next(answers)
    # The present window has not counted all yet, unless they have just come.
    watchers = max(int(waited_s or 0) for waited_s in windows) / _WINDOW_S
    return min(MOST_S, max(LEAST_S, round(watchers / POLLS_PER_S)))


def _window() -> int:
    return int(time.time() // _WINDOW_S)


def _key(job_id: int, window: int) -> str:
    return f"px:job:{job_id}:watched:{window}"
