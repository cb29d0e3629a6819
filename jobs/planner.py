"""Moves jobs along: starts them, ends their chunks, opens what comes next, settles their totals, ends them.

How a kind of job is cut into chunks is the business of jobs.plans; here is what is the same for all of them.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now

from jobs import activity, doorbell, lifecycle, progress
from jobs.models import OPEN, Chunk, Job, Kind, Level, Status
from jobs.plans import crawl, export, repair, validation
from jobs.plans.base import Plan
from jobs.plans.verdict import Verdict, of_all_failed

_BATCH = 500

_PLANS: Final[Mapping[str, Plan]] = {
    Kind.CRAWL: crawl,
    Kind.VALIDATE: validation,
    Kind.REPAIR: repair,
    Kind.EXPORT: export,
}


def plan(job_id: int) -> bool:
    """Starts a pending job: its first chunks, or after a retry those opened again. False: nothing to start."""
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True).get(pk=job_id)
        if job.paused_at is not None or not job.has_whole_list:
            return False
        if not lifecycle.move_job(
            job_id, Status.PROCESSING, started_at=job.started_at or Now(), summary="", outlook=None
        ):
            return False
        if job.run == 1:
            _PLANS[job.kind].first_chunks(job)
        activity.log(job_id, _started_sentence(job))
        _settle(job)
        chunks = list(job.chunks.filter(status=Status.PENDING).values_list("pk", flat=True)[: doorbell.MAX_QUEUED])
        transaction.on_commit(lambda: doorbell.ring_chunks(chunks), robust=True)
    return True


def finish_chunk(
    chunk: Chunk, to: Status, *, token: uuid.UUID | None = None, only_expired: bool = False, **fields: Any
) -> bool:
    """Ends a chunk, gives back what it did not keep, and decides what comes next. False: it was not the caller's.

    The job's row is locked first: of two chunks that end at once, the later one sees that it is the last.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True).get(pk=chunk.job_id)
        held = Chunk.objects.select_for_update(no_key=True).filter(pk=chunk.pk)
        quota, *counters = held.values_list("quota", *progress.COUNTERS).get()
        if not lifecycle.move_chunk(chunk.pk, to, token=token, only_expired=only_expired, quota=0, **fields):
            return False
        opened = _PLANS[job.kind].chunk_ended(job, chunk, quota=quota)
        _settle(job, ended=counters)
        transaction.on_commit(lambda: doorbell.ring_chunks(opened), robust=True)
    return True


def give_up(job_id: int, sentence: str, *, traceback: str) -> None:
    """Fails a job that could not be planned; chunks that a retry had opened are closed again, for the next retry."""
    with transaction.atomic():
        Job.objects.select_for_update(no_key=True).get(pk=job_id)
        if lifecycle.move_job(job_id, Status.FAILED, summary=sentence):
            cancel_pending(job_id)
            activity.log(job_id, sentence, level=Level.ERROR, traceback=traceback)


def settle(job_id: int) -> None:
    """Brings a job's totals up to date and ends it if nothing of it is open any more."""
    with transaction.atomic():
        _settle(Job.objects.select_for_update(no_key=True).get(pk=job_id))


def retryable_chunks(job: Job) -> list[Chunk]:
    """Chunks that failed, were cancelled, or ended with failures that may pass at the next attempt.

    Where the retry is for some reasons only (`retry_reasons`), chunks that ended with failures for one of them.
    """
    return _PLANS[job.kind].retryable(job)


def reopen(job: Job, chunks: Sequence[Chunk]) -> int:
    """Opens ended chunks again for the job's new run; gives the number that had something to do.

    Runs in the caller's transaction.
    """
    return _PLANS[job.kind].reopen(job, chunks)


def go_on(job: Job) -> int:
    """Plans what should have come next, and was cut off by a cancellation; gives the number of chunks."""
    return _PLANS[job.kind].go_on(job)


def cancel_pending(job_id: int) -> None:
    """Ends the chunks that no worker has, and the job if no other is left. The caller holds the job's row."""
    pending = Chunk.objects.select_for_update(no_key=True).filter(job_id=job_id, status=Status.PENDING)
    quotas: Counter[str] = Counter()
    while rows := list(pending.order_by("pk").values_list("pk", "label", "quota")[:_BATCH]):
        for _, label, quota in rows:
            quotas[label] += quota
        lifecycle.cancel_chunks([chunk_id for chunk_id, _, _ in rows])
    job = Job.objects.get(pk=job_id)
    _PLANS[job.kind].chunks_cancelled(job, quotas)
    _settle(job)


def _settle(job: Job, *, ended: Sequence[int] | None = None) -> None:
    """Totals from the chunks; then the end, if nothing is open. The caller holds the job's row.

    Counters of the one chunk that has `ended` are added to those of the others, since a job may have 20,000. All are
    counted when a run begins, when chunks are cancelled, and when the job ends.
    """
    is_over = not job.chunks.filter(status__in=OPEN).exists()
    known = None
    if ended is not None and job.ended is not None and not is_over:
        known = [sum(pair) for pair in zip(job.ended, ended, strict=True)]
    seen = progress.look(job, ended=known)
    Job.objects.filter(pk=job.pk).update(**seen.totals, ended=seen.ended)
    transaction.on_commit(lambda: progress.show(job, seen), robust=True)
    if not is_over:
        return
    job.refresh_from_db()
    ending = _verdict(job)
    if not lifecycle.move_job(job.pk, ending.status, summary=ending.sentence, outlook=ending.outlook):
        return
    activity.log(job.pk, ending.sentence, level=Level.ERROR if ending.status == Status.FAILED else Level.INFO)
    if ending.status == Status.COMPLETED and job.dataset.validate_after_crawl and job.kind == Kind.CRAWL and job.kept:
        follower = validation.create(job.dataset, job.dataset.validate_after_crawl, by=job.created_by)
        activity.log(follower.pk, f"Follows job {job.pk}, as the dataset's rules ask for.")
        transaction.on_commit(lambda: doorbell.ring_job(follower.pk), robust=True)


def _verdict(job: Job) -> Verdict:
    """The verdict on a job none of whose chunks is open, from its rows."""
    if job.cancel_requested_at is not None:
        return Verdict(Status.CANCELLED, _PLANS[job.kind].cancelled_sentence(job))
    return of_all_failed(job) or _PLANS[job.kind].verdict(job)


def _started_sentence(job: Job) -> str:
    if job.run > 1:
        return f"Started again, run {job.run}: what was done already is not done again."
    return _PLANS[job.kind].started_sentence(job)
