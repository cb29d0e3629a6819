"""The only writer of any `status`: one table of allowed moves for jobs, one for chunks, and guarded UPDATEs.

A move is one UPDATE that names the states it may start from (and, for a chunk that a worker holds, the lease token);
it happened if and only if one row changed. Times are the database's, so that the clocks of hosts do not matter.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from jobs import notice_plan
from jobs.crawl.redaction import redacted_deeply
from jobs.models import TERMINAL, Chunk, Job, Status

Transitions = Mapping[Status, frozenset[Status]]

JOB_TRANSITIONS: Final[Transitions] = {
    Status.PENDING: frozenset({Status.PROCESSING, Status.FAILED, Status.CANCELLED}),
    Status.PROCESSING: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset({Status.PENDING}),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.CANCELLED: frozenset({Status.PENDING}),
}

CHUNK_TRANSITIONS: Final[Transitions] = {
    Status.PENDING: frozenset({Status.PROCESSING, Status.FAILED, Status.CANCELLED}),
    Status.PROCESSING: frozenset({Status.PENDING, Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset({Status.PENDING}),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.CANCELLED: frozenset({Status.PENDING}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A worker's hold on a chunk: whoever has the token may write, until it expires or is taken back."""

    chunk_id: int
    token: uuid.UUID


def can_retry(job: Job) -> bool:
    """Whether a retry may start from the job's state; a job whose URL list never became whole has nothing to run."""
    return Status.PENDING in JOB_TRANSITIONS[Status(job.status)] and job.has_whole_list


def can_cancel(job: Job) -> bool:
    """Whether the job may still be cancelled."""
    return Status.CANCELLED in JOB_TRANSITIONS[Status(job.status)] and job.cancel_requested_at is None


def can_pause(job: Job) -> bool:
    """Whether the job goes on and may be told to wait."""
    return can_cancel(job) and job.paused_at is None


def can_resume(job: Job) -> bool:
    """Whether the job was told to wait and may go on."""
    return can_cancel(job) and job.paused_at is not None


def origins(transitions: Transitions, to: Status) -> list[Status]:
    """The states from which `to` may be reached."""
    return [state for state, targets in transitions.items() if to in targets]


def move_job(job_id: int, to: Status, **fields: Any) -> bool:
    """Moves the job if its state allows it; `fields` are written with it. False: it was not moved.

    With its end go the notices of it, in one transaction.
    """
    changes = {"status": to, "finished_at": Now() if to in TERMINAL else None, **redacted_deeply(fields)}
    with transaction.atomic():
        if Job.objects.filter(pk=job_id, status__in=origins(JOB_TRANSITIONS, to)).update(**changes) != 1:
            return False
        if to in TERMINAL:
            notice_plan.plan(job_id)
    return True


def move_chunk(
    chunk_id: int, to: Status, *, token: uuid.UUID | None = None, only_expired: bool = False, **fields: Any
) -> bool:
    """Moves the chunk if its state allows it. False: it was not moved.

    With a `token` only while that lease holds the chunk; with `only_expired` only if the lease has run out.
    """
    changes = {
        "status": to,
        "finished_at": Now() if to in TERMINAL else None,
        "lease_token": None,
        "lease_expires_at": None,
        **redacted_deeply(fields),
    }
    chunks = Chunk.objects.filter(pk=chunk_id, status__in=origins(CHUNK_TRANSITIONS, to))
    if token is not None:
        chunks = chunks.filter(lease_token=token)
    if only_expired:
        chunks = chunks.filter(lease_expires_at__lt=Now())
    return chunks.update(**changes) == 1


def reopen_chunk(chunk_id: int, *, run: int, quota: int = 0) -> bool:
    """Opens an ended chunk for another run, with nothing held against it. False: it was not moved."""
    return move_chunk(
        chunk_id,
        Status.PENDING,
        run=run,
        quota=quota,
        published_at=None,
        not_before=None,
        attempts=0,
        lost_attempts=0,
        refusals=0,
        waits_since=None,
        error_code="",
        error="",
        traceback="",
    )


def cancel_chunks(chunk_ids: Collection[int]) -> int:
    """Cancels chunks that no worker has, their quotas given back by the caller; gives how many."""
    pending = Chunk.objects.filter(pk__in=chunk_ids, status=Status.PENDING)
    return pending.update(status=Status.CANCELLED, finished_at=Now(), quota=0)


def claim_chunk(chunk_id: int, *, worker: str, task_id: str) -> Lease | None:
    """Takes a pending chunk of a running job for this worker, or None: somebody else has it, or it is not due."""
    token = uuid.uuid4()
    running = Job.objects.filter(
        pk=OuterRef("job_id"), status=Status.PROCESSING, cancel_requested_at__isnull=True, paused_at__isnull=True
    )
    claimed = (
        Chunk.objects.filter(Exists(running), pk=chunk_id, status__in=origins(CHUNK_TRANSITIONS, Status.PROCESSING))
        .filter(Q(not_before__isnull=True) | Q(not_before__lte=Now()))
        .update(
            status=Status.PROCESSING,
            lease_token=token,
            lease_expires_at=_lease_end(),
            attempts=F("attempts") + 1,
            started_at=Now(),
            worker=worker[:120],
            task_id=task_id,
        )
    )
    return Lease(chunk_id=chunk_id, token=token) if claimed else None


def extend_lease(lease: Lease) -> bool:
    """Holds the chunk for another lease. False: it is no longer ours, and nothing may be written for it."""
    held = Chunk.objects.filter(pk=lease.chunk_id, lease_token=lease.token, status=Status.PROCESSING)
    return held.update(lease_expires_at=_lease_end()) == 1


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.LEASE_S)
