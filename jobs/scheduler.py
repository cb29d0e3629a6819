"""Puts right what a fault left behind. One pass is `sweep`; `manage.py runscheduler` makes one every few seconds.

Every step is a guarded UPDATE, so that two schedulers at once do no harm.
"""

import itertools
import logging
from collections import Counter
from dataclasses import dataclass, fields
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from datasets import blobs, orphans
from datasets.counting import number_of
from jobs import activity, doorbell, health, kept, listing, planner, progress, source_health, wiring
from jobs.housekeeping import housekeeping
from jobs.models import OPEN, Chunk, Job, Level, Status
from jobs.setbacks import set_back

log = logging.getLogger(__name__)

#: A message that was sent so long ago, while the queue is empty, is gone.
_MESSAGE_LOST_AFTER = timedelta(seconds=10)

#: One that was sent so long ago may be gone, or wait behind many others: a second one does no harm.
_MESSAGE_OLD_AFTER = timedelta(minutes=5)

_prefixes = itertools.cycle(orphans.PREFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What one pass did, in numbers."""

    taken_back: int = 0
    cancelled: int = 0
    rung: int = 0
    settled: int = 0
    lists_given_up: int = 0
    progress_rebuilt: int = 0
    files_removed: int = 0
    results_removed: int = 0
    counts_asked: int = 0
    sources_noted: int = 0

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        return (
            f"{self.taken_back} chunks taken back from silent workers, {self.cancelled} cancelled, "
            f"{self.rung} messages sent, {self.settled} jobs settled, {self.lists_given_up} unfinished lists given up, "
            f"progress of {self.progress_rebuilt} jobs rebuilt, {self.files_removed} abandoned files removed, "
            f"{self.results_removed} old task states removed, {self.counts_asked} datasets to be counted, "
            f"the health of {self.sources_noted} sources noted"
        )


def sweep() -> SweepReport:
    """One pass over everything that a fault may have left behind, and over what has served its time.

    Each field of the report is a step. A step that takes long does a bounded part of its work in each pass.
    """
    health.note_scheduler_alive()
    return SweepReport(
        taken_back=_take_back_expired(),
        cancelled=_cancel_pending(),
        rung=_ring_undelivered(),
        settled=_settle_idle(),
        lists_given_up=listing.end_abandoned(),
        progress_rebuilt=_rebuild_stale_progress(),
        files_removed=_sweep_some_files(),
        results_removed=housekeeping(),
        counts_asked=kept.ask_for_due(),
        sources_noted=source_health.keep([info.name for info in wiring.source_infos()]),
    )


def _take_back_expired() -> int:
    expired = Chunk.objects.filter(status=Status.PROCESSING, lease_expires_at__lt=Now())
    return sum(
        set_back(chunk, token=chunk.lease_token, what="its worker fell silent", only_expired=True)
        for chunk in expired.order_by("lease_expires_at")[:200]
    )


def _cancel_pending() -> int:
    left = Chunk.objects.filter(status=Status.PENDING, job__cancel_requested_at__isnull=False)
    return sum(planner.finish_chunk(chunk, Status.CANCELLED) for chunk in left[:500])


def _ring_undelivered() -> int:
    """Sends what was never sent, what was sent to a queue that is empty by now, and what was sent long ago."""
    waiting = doorbell.queue_length()
    if waiting is None:
        return 0
    patience = _MESSAGE_OLD_AFTER if waiting else _MESSAGE_LOST_AFTER
    undelivered = Q(published_at__isnull=True) | Q(published_at__lt=Now() - patience)
    jobs = list(
        Job.objects.filter(
            undelivered, status=Status.PENDING, paused_at__isnull=True, list_lease_expires_at__isnull=True
        ).values_list("pk", flat=True)[:200]
    )
    rung = sum(doorbell.ring_job(job_id) for job_id in jobs)
    chunks = Chunk.objects.filter(
        undelivered,
        Q(not_before__isnull=True) | Q(not_before__lte=Now()),
        status=Status.PENDING,
        job__status=Status.PROCESSING,
        job__paused_at__isnull=True,
    )
    chosen = list(chunks.order_by("id").values_list("pk", "job_id", "published_at")[: doorbell.MAX_QUEUED])
    sent = doorbell.ring_chunks([chunk_id for chunk_id, _, _ in chosen])
    if not waiting:
        _tell_of_lost(Counter(job_id for _, job_id, published_at in chosen[:sent] if published_at is not None))
    return rung + sent


def _tell_of_lost(messages: Counter[int]) -> None:
    """`messages` counts by job what was on its way to the workers when the queue lost it."""
    for job_id, number in messages.items():
        lost = number_of(number, "message")
        sentence = f"The queue lost {lost} to the workers. That was sent again, and no work is lost."
        activity.log(job_id, sentence, level=Level.WARNING)


def _settle_idle() -> int:
    """Ends jobs whose chunks have all ended; a fault between a chunk's end and its job's can leave one."""
    open_chunks = Chunk.objects.filter(job=OuterRef("pk"), status__in=OPEN)
    idle = list(Job.objects.filter(~Exists(open_chunks), status=Status.PROCESSING).values_list("pk", flat=True)[:200])
    for job_id in idle:
        planner.settle(job_id)
    return len(idle)


def _rebuild_stale_progress() -> int:
    running = Job.objects.filter(status=Status.PROCESSING, paused_at__isnull=True).order_by("-id")
    return sum(progress.repair(job) for job in running[:50])


def _sweep_some_files() -> int:
    """One part of the media store each pass, so that a million files cost a moment."""
    if not blobs.can_be_swept():
        return 0
    try:
        swept = orphans.sweep_prefix(next(_prefixes))
    except blobs.BlobError as error:
        log.warning("The media store could not be swept: %s", error)
        return 0
    return swept.orphans + swept.unfinished
