"""Does one chunk: claim, work on it (jobs.chunk_work, look_work, scan_work, duplicate_work, …), release.

The worker holds the chunk by a lease; everything it writes is fenced by the lease's token. What it has in hand when it
loses the lease, is cancelled or stops is dropped: the place in the source's list is written with the results, so
whoever goes on starts right behind what is recorded.
"""

import logging
import os
import socket
import traceback
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from datasets.blobs import BlobError
from jobs import activity, doorbell, lifecycle, log_context, planner, progress
from jobs.chunk_work import ChunkWork, PutOff
from jobs.crawl.sources.base import SourceError
from jobs.duplicate_work import DuplicateWork
from jobs.export_work import ExportFailed, ExportWork
from jobs.heartbeat import Heartbeat
from jobs.lifecycle import Lease
from jobs.look_work import LookWork
from jobs.models import DUPLICATES_PART, Chunk, Kind, Level, Status
from jobs.recorder import LeaseLost
from jobs.repair_work import RepairWork
from jobs.scan_work import ScanWork, ToBeContinued
from jobs.setbacks import set_back
from jobs.source_watch import SourceResting

log = logging.getLogger(__name__)

#: How the work on a chunk may break off without anything being broken.
_EXPECTED = (LeaseLost, PutOff, ToBeContinued, SourceError, BlobError, ExportFailed)

#: How often a source may refuse a chunk in one run before the chunk fails; it waits settings.SOURCE_WAIT_S in between,
#: doubled each time.
MAX_REFUSALS = 3
_LONGEST_WAIT_S = 300.0


def run_chunk(chunk_id: int, *, task_id: str = "") -> str:
    """Does the chunk if it is free; gives in a word what came of it, for the task's history."""
    lease = lifecycle.claim_chunk(chunk_id, worker=f"{socket.gethostname()}:{os.getpid()}", task_id=task_id)
    if lease is None:
        return "nothing to do"
    chunk = Chunk.objects.select_related("job", "job__dataset").get(pk=chunk_id)
    log_context.begin(job=chunk.job_id, chunk=chunk_id)
    progress.touch(chunk.job_id)
    try:
        return _work(chunk, lease)
    except (SoftTimeLimitExceeded, MemoryError) as error:
        connection.close()
        what = "its worker ran out of memory" if isinstance(error, MemoryError) else "it ran into the task's time limit"
        set_back(chunk, token=lease.token, what=what, trace=traceback.format_exc())
        raise
    except (SystemExit, KeyboardInterrupt):
        connection.close()
        _hand_back(chunk, lease, why="its worker is stopping")
        raise
    except (OperationalError, InterfaceError):
        connection.close()
        return _after_database_trouble(chunk, lease)
    except Exception as error:
        connection.close()
        _fail(chunk, lease, "internal_error", _unexpected(error), trace=traceback.format_exc())
        raise


def _work(chunk: Chunk, lease: Lease) -> str:
    """Works on a chunk that is ours, and ends it in one of the ways that are to be expected."""

    def end_cancelled() -> str:
        planner.finish_chunk(chunk, Status.CANCELLED, token=lease.token)
        return Status.CANCELLED.value

    heartbeat = Heartbeat(lease, end_cancelled=end_cancelled)
    try:
        with heartbeat:
            _work_of(chunk)(chunk, lease, should_stop=lambda: heartbeat.should_stop).run()
    except _EXPECTED as error:
        return end_cancelled() if heartbeat.cancelled else _broke_off(chunk, lease, error)
    if heartbeat.cancelled:
        return end_cancelled()
    if heartbeat.lost:
        return _lost(chunk)
    if heartbeat.paused:
        _hand_back(chunk, lease, why="the job was paused")
        return "paused"
    return _end(chunk, lease, Status.COMPLETED)


def _work_of(chunk: Chunk) -> type[ChunkWork | LookWork | ScanWork | DuplicateWork | RepairWork | ExportWork]:
    match chunk.job.kind:
        case Kind.VALIDATE:
            return DuplicateWork if chunk.source == DUPLICATES_PART else ScanWork
        case Kind.REPAIR:
            return RepairWork
        case Kind.EXPORT:
            return ExportWork
    return LookWork if chunk.job.dry_run else ChunkWork


def _broke_off(chunk: Chunk, lease: Lease, error: Exception) -> str:
    match error:
        case LeaseLost():
            return _lost(chunk)
        case ToBeContinued():
            return _continue_later(chunk, lease)
        case PutOff():
            return _put_off(chunk, lease, error.wait_s)
        case SourceResting():
            return _rests(chunk, lease, error)
        case SourceError():
            return _refused(chunk, lease, error)
        case BlobError():
            return _fail(chunk, lease, error.reason.value, str(error))
        case ExportFailed():
            return _fail(chunk, lease, error.code, str(error))
    raise error


def _end(chunk: Chunk, lease: Lease, to: Status) -> str:
    return to.value if planner.finish_chunk(chunk, to, token=lease.token) else _lost(chunk)


def _fail(chunk: Chunk, lease: Lease, code: str, sentence: str, *, trace: str = "") -> str:
    failed = planner.finish_chunk(
        chunk, Status.FAILED, token=lease.token, error_code=code, error=sentence, traceback=trace
    )
    if not failed:
        return _lost(chunk)
    activity.log(chunk.job_id, f"{chunk.title} stopped: {sentence}", level=Level.ERROR, chunk=chunk.pk)
    return f"failed: {code}"


def _refused(chunk: Chunk, lease: Lease, error: SourceError) -> str:
    """Puts the chunk off when the source may answer later, else fails it."""
    if not error.retryable or chunk.refusals + 1 >= MAX_REFUSALS:
        return _fail(chunk, lease, error.code, str(error))
    wait_s = min(_LONGEST_WAIT_S, max(error.retry_after_s or 0.0, settings.SOURCE_WAIT_S * 2**chunk.refusals))
    put_off = lifecycle.move_chunk(
        chunk.pk,
        Status.PENDING,
        token=lease.token,
        refusals=F("refusals") + 1,
        not_before=Now() + timedelta(seconds=wait_s),
        published_at=None,
        error_code=error.code,
        error=str(error),
    )
    if not put_off:
        return _lost(chunk)
    activity.log(
        chunk.job_id,
        f"{chunk.title} waits {wait_s:.0f} s: {error}",
        level=Level.WARNING,
        chunk=chunk.pk,
    )
    progress.touch(chunk.job_id)
    return "put off"


def _rests(chunk: Chunk, lease: Lease, error: SourceResting) -> str:
    """Puts the chunk off until the source is asked again; fails it where that goes on for too long."""
    waited_s = (timezone.now() - chunk.waits_since).total_seconds() if chunk.waits_since else 0.0
    if waited_s + error.wait_s > settings.SOURCE_PATIENCE_S:
        return _fail(chunk, lease, error.code, f"{error} Retry then; what other sources give is kept.")
    put_off = lifecycle.move_chunk(
        chunk.pk,
        Status.PENDING,
        token=lease.token,
        waits_since=Coalesce(F("waits_since"), Now()),
        not_before=Now() + timedelta(seconds=error.wait_s),
        published_at=None,
        error_code=error.code,
        error=str(error),
    )
    if not put_off:
        return _lost(chunk)
    if chunk.waits_since is None:
        # Said once: a chunk that waits long comes back many times.
        activity.log(chunk.job_id, f"{chunk.title} waits: {error}", level=Level.WARNING, chunk=chunk.pk)
    progress.touch(chunk.job_id)
    return "put off"


def _put_off(chunk: Chunk, lease: Lease, wait_s: float) -> str:
    """The chunk goes on when the first of the hosts that it waits for may be asked again."""
    not_before = Now() + timedelta(seconds=min(wait_s, _LONGEST_WAIT_S))
    if not lifecycle.move_chunk(chunk.pk, Status.PENDING, token=lease.token, not_before=not_before, published_at=None):
        return _lost(chunk)
    activity.log(
        chunk.job_id,
        f"{chunk.title} waits {wait_s:.0f} s: the sites that it still has to ask want to be left alone for so long.",
        chunk=chunk.pk,
    )
    progress.touch(chunk.job_id)
    return "put off"


def _continue_later(chunk: Chunk, lease: Lease) -> str:
    """Its time is up: other chunks have their turn before it goes on."""
    if not lifecycle.move_chunk(chunk.pk, Status.PENDING, token=lease.token, published_at=None):
        return _lost(chunk)
    doorbell.ring_chunks([chunk.pk])
    return "to be continued"


def _hand_back(chunk: Chunk, lease: Lease, *, why: str) -> None:
    """The worker stops with it: the chunk is free at once for another one."""
    if lifecycle.move_chunk(chunk.pk, Status.PENDING, token=lease.token, published_at=None):
        activity.log(chunk.job_id, f"{chunk.title} was handed back: {why}.")


def _after_database_trouble(chunk: Chunk, lease: Lease) -> str:
    """The database went away, or let us wait too long. Where it is back, the chunk goes to another worker at once.

    Where it is not, nothing can be written and nothing has to be: the lease runs out, the scheduler takes the chunk
    back, and whoever gets it goes on behind what is recorded. The error then goes on to the task's history.
    """
    if not lifecycle.extend_lease(lease):
        return _lost(chunk)
    set_back(chunk, token=lease.token, what="the database did not answer in time")
    return "set back"


def _lost(chunk: Chunk) -> str:
    activity.log(
        chunk.job_id,
        f"{chunk.title}: a worker that had fallen silent came back and wrote nothing; the chunk is in other hands.",
        level=Level.WARNING,
        chunk=chunk.pk,
    )
    return "lease lost"


def _unexpected(error: Exception) -> str:
    return f"Something unexpected broke ({type(error).__name__}: {error}). The traceback is on the chunk in the admin."
