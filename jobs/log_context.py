"""Which job and chunk this thread is at, for every line that is logged meanwhile.

Set where the work begins (jobs/tasks.py), never by hand in a call: a line of a library carries the ids as well.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_JOB: Final[ContextVar[int | None]] = ContextVar("job", default=None)
_CHUNK: Final[ContextVar[int | None]] = ContextVar("chunk", default=None)


def begin(*, job: int | None = None, chunk: int | None = None) -> None:
    """From now on this thread is at this job and chunk; what is left out is not known (yet), or is none."""
    _JOB.set(job)
    _CHUNK.set(chunk)


@contextmanager
def at(*, job: int) -> Iterator[None]:
    """For some lines about a job; within the work on one of its chunks the chunk stays."""
    before = _JOB.set(job)
    try:
        yield
    finally:
        _JOB.reset(before)


class Ids(logging.Filter):
    """Puts the ids on every record that passes: `job` and `chunk`, None where there is none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.job, record.chunk = _JOB.get(), _CHUNK.get()
        return True
