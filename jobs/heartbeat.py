"""Keeps a worker's lease alive while it works, and hears of cancellation and pause."""

import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import DatabaseError, connection

from jobs import lifecycle
from jobs.lifecycle import Lease
from jobs.models import Job

log = logging.getLogger(__name__)

#: A cancelled job is to end within seconds, however long the lease.
_LONGEST_INTERVAL_S = 2.0


class Heartbeat:
    """Extends a lease from a thread of its own; the work looks at `lost`, `cancelled` and `paused` between its steps.

    A database that does not answer costs nothing until the lease would have run out; then the lease counts as lost,
    since another worker may have the chunk by then. Where the work does not stop soon after a cancel (a source keeps it
    waiting), the chunk is ended from here by `end_cancelled`: nobody who cancels waits for a stranger.
    """

    def __init__(self, lease: Lease, *, end_cancelled: Callable[[], object]) -> None:
        self._lease = lease
        self._end_cancelled = end_cancelled
        self._interval_s = min(settings.LEASE_S / 4, _LONGEST_INTERVAL_S)
        self._stop = threading.Event()
        # With the ids that this thread's log lines have.
        run = copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name=f"heartbeat-{lease.chunk_id}", daemon=True)
        self.lost = False
        self.cancelled = False
        self.paused = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    @property
    def should_stop(self) -> bool:
        return self.lost or self.cancelled or self.paused

    def _run(self) -> None:
        confirmed = time.monotonic()
        try:
            while not self._stop.wait(self._interval_s):
                asked = time.monotonic()
                try:
                    if not lifecycle.extend_lease(self._lease):
                        self.lost = True
                        return
                    if self.cancelled:
                        self._end_cancelled()
                        return
                    self.cancelled, self.paused = self._asked_to_stop()
                    confirmed = asked
                except DatabaseError as error:
                    connection.close()
                    log.warning("Chunk %s: the database does not answer (%s).", self._lease.chunk_id, error)
                if time.monotonic() - confirmed > settings.LEASE_S:
                    self.lost = True
                    return
        finally:
            connection.close()

    def _asked_to_stop(self) -> tuple[bool, bool]:
        """Whether the job was cancelled, and whether it was paused."""
        job = Job.objects.filter(chunks=self._lease.chunk_id).values_list("cancel_requested_at", "paused_at")
        cancelled_at, paused_at = job.first() or (None, None)
        return cancelled_at is not None, paused_at is not None
