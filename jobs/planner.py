"""Decides what is crawled next: hands out the labels' targets as quotas of chunks, until met or the sources end.

A label's target is shared by all its lanes (keyword × source). A chunk reserves a part of what is left and gives back
what it did not keep, so what one source cannot deliver is taken from where the others stopped, and the job never
keeps more than asked.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from jobs import activity, doorbell, lifecycle, progress, verdict
from jobs.models import Chunk, Finding, Job, LabelTarget, Level, Status
from jobs.spec import CrawlSpec, Lane

OPEN = (Status.PENDING, Status.PROCESSING)
_BATCH = 500


def plan(job_id: int) -> bool:
    """Starts a pending job: its first chunks, or after a retry those opened again. False: nothing to start."""
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True).get(pk=job_id)
        if job.paused_at is not None or not job.has_whole_list:
            return False
        if not lifecycle.move_job(job_id, Status.PROCESSING, started_at=job.started_at or Now(), summary=""):
            return False
        if job.run == 1:
            _plan_first(job)
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
        quota = Chunk.objects.select_for_update(no_key=True).values_list("quota", flat=True).get(pk=chunk.pk)
        if not lifecycle.move_chunk(chunk.pk, to, token=token, only_expired=only_expired, quota=0, **fields):
            return False
        _target(job, chunk.label).update(reserved=F("reserved") - quota)
        opened = _advance(job, chunk.label, _spec(job).lanes_of(chunk.label))
        _settle(job)
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


def reopen(job: Job, chunks: Sequence[Chunk]) -> int:
    """Opens ended chunks again for the job's new run, each with a quota; gives the number that had something to do.

    What is left of a label's target is shared by its chunks; one whose target is met meanwhile stays as it is. Runs in
    the caller's transaction.
    """
    opened = 0
    sharing = Counter(chunk.label for chunk in chunks)
    for chunk in chunks:
        wanted = _worth_retrying(job, chunk).count() if chunk.status == Status.COMPLETED else settings.CHUNK_SIZE
        share = -(-_left(job, chunk.label) // sharing[chunk.label])
        sharing[chunk.label] -= 1
        quota = 0 if job.dry_run else _reserve(job, chunk.label, min(wanted, share))
        if quota == 0 and not job.dry_run:
            continue
        opened += lifecycle.move_chunk(
            chunk.pk,
            Status.PENDING,
            run=job.run,
            quota=quota,
            published_at=None,
            not_before=None,
            attempts=0,
            lost_attempts=0,
            refusals=0,
            error_code="",
            error="",
            traceback="",
        )
    return opened


def search_on(job: Job) -> int:
    """Plans what follows for labels that a cancellation cut off; gives the number of chunks."""
    short = job.targets.filter(wanted__gt=F("kept") + F("reserved")).values_list("label", flat=True)
    lanes_of = _lanes_by_label(_spec(job)) if job.chunks.exists() else {}
    return sum(len(_advance(job, label, lanes_of[label])) for label in short if label in lanes_of)


def cancel_pending(job_id: int) -> None:
    """Ends the chunks that no worker has, and the job if no other is left. The caller holds the job's row."""
    pending = Chunk.objects.select_for_update(no_key=True).filter(job_id=job_id, status=Status.PENDING)
    quotas: Counter[str] = Counter()
    while rows := list(pending.order_by("pk").values_list("pk", "label", "quota")[:_BATCH]):
        for _, label, quota in rows:
            quotas[label] += quota
        lifecycle.cancel_chunks([chunk_id for chunk_id, _, _ in rows])
    for label, quota in quotas.items():
        LabelTarget.objects.filter(job_id=job_id, label=label).update(reserved=F("reserved") - quota)
    _settle(Job.objects.get(pk=job_id))


def retryable_chunks(job: Job) -> list[Chunk]:
    """Chunks that failed, were cancelled, or ended with failures that may pass at the next attempt.

    Where the retry is for some reasons only (`retry_reasons`), chunks that ended with failures for one of them.
    """
    with_failures = Q(Exists(_worth_retrying(job, OuterRef("pk"))), status=Status.COMPLETED)
    undone = Q(status__in=[Status.FAILED, Status.CANCELLED])
    chunks = job.chunks.filter(with_failures if job.retry_reasons else undone | with_failures)
    return list(chunks.order_by("id").defer("traceback", "error"))


def _worth_retrying(job: Job, chunk: Any) -> QuerySet[Finding]:
    failed = Finding.objects.filter(chunk=chunk, candidate__isnull=False)
    return failed.filter(reason__in=job.retry_reasons) if job.retry_reasons else failed


def _plan_first(job: Job) -> None:
    """The first chunks, a batch of lanes or labels at a time: a job may have tens of thousands."""
    spec = _spec(job)
    if job.dry_run:
        lanes = iter(spec.lanes)
        while batch := list(islice(lanes, _BATCH)):
            Chunk.objects.bulk_create([_chunk(job, lane, quota=0) for lane in batch])
        return
    lanes_of = _lanes_by_label(spec)
    targets = job.targets.order_by("pk")
    last_id = 0
    # Nobody else knows of these targets yet, so they are reserved all at once.
    while batch_of_targets := list(targets.filter(pk__gt=last_id)[:_BATCH]):
        last_id = batch_of_targets[-1].pk
        chunks = []
        for target in batch_of_targets:
            shares = list(_split(target.wanted, lanes_of[target.label]))
            target.reserved = sum(quota for _, quota in shares)
            chunks += [_chunk(job, lane, quota=quota) for lane, quota in shares]
        LabelTarget.objects.bulk_update(batch_of_targets, ["reserved"])
        Chunk.objects.bulk_create(chunks, batch_size=_BATCH)


def _advance(job: Job, label: str, lanes: Sequence[Lane]) -> list[int]:
    """The next chunks of a label, in those of its lanes that are free and not at their end; gives their ids."""
    if job.dry_run or job.cancel_requested_at is not None or job.retry_reasons:
        return []
    last = {Lane(c.label, c.keyword, c.source): c for c in _last_chunks(job, label)}
    free = [lane for lane in lanes if lane not in last or _may_go_on(last[lane])]
    chunks = [_chunk(job, lane, quota=quota, after=last.get(lane)) for lane, quota in _shares(job, label, free)]
    return [chunk.pk for chunk in Chunk.objects.bulk_create(chunks)]


def _last_chunks(job: Job, label: str) -> Iterable[Chunk]:
    """The newest chunk of each lane: one look along an index, however many chunks the lanes have."""
    lanes = Chunk.objects.order_by().filter(job=job, label=label).values("keyword", "source")
    return Chunk.objects.filter(pk__in=lanes.annotate(newest=Max("pk")).values("newest"))


def _may_go_on(last: Chunk) -> bool:
    return last.status == Status.COMPLETED and not last.exhausted


def _shares(job: Job, label: str, lanes: Sequence[Lane]) -> list[tuple[Lane, int]]:
    """Reserves what is left of a label's target and shares it among the lanes."""
    reserved = _reserve(job, label, settings.CHUNK_SIZE * len(lanes)) if lanes else 0
    return list(_split(reserved, lanes))


def _split(images: int, lanes: Sequence[Lane]) -> Iterator[tuple[Lane, int]]:
    """Equal shares of at most a chunk's size, until nothing is left."""
    share = min(settings.CHUNK_SIZE, -(-images // max(1, len(lanes))))
    for lane in lanes:
        quota = min(share, images)
        if quota == 0:
            return
        yield lane, quota
        images -= quota


def _reserve(job: Job, label: str, wanted: int) -> int:
    """Reserves up to `wanted` images of a label's target by a guarded UPDATE; gives how many it got."""
    while True:
        quota = min(wanted, _left(job, label))
        if quota <= 0:
            return 0
        room = _target(job, label).filter(wanted__gte=F("kept") + F("reserved") + quota)
        if room.update(reserved=F("reserved") + quota):
            return quota


def _left(job: Job, label: str) -> int:
    target: LabelTarget = _target(job, label).get()
    return target.wanted - target.kept - target.reserved


def _target(job: Job, label: str) -> Any:
    return LabelTarget.objects.filter(job=job, label=label)


def _chunk(job: Job, lane: Lane, *, quota: int, after: Chunk | None = None) -> Chunk:
    return Chunk(
        job=job,
        run=job.run,
        label=lane.label,
        keyword=lane.keyword,
        source=lane.source,
        quota=quota,
        window=after.window + 1 if after else 0,
        position=after.position if after else {},
    )


def _settle(job: Job) -> None:
    """Totals from the chunks; then the end, if nothing is open. The caller holds the job's row."""
    seen = progress.look(job)
    Job.objects.filter(pk=job.pk).update(**seen.totals)
    transaction.on_commit(lambda: progress.show(job, seen), robust=True)
    if job.chunks.filter(status__in=OPEN).exists():
        return
    job.refresh_from_db()
    ending = verdict.of(job)
    if lifecycle.move_job(job.pk, ending.status, summary=ending.sentence):
        activity.log(job.pk, ending.sentence, level=Level.ERROR if ending.status == Status.FAILED else Level.INFO)


def _spec(job: Job) -> CrawlSpec:
    return CrawlSpec.from_json(job.spec)


def _lanes_by_label(spec: CrawlSpec) -> dict[str, list[Lane]]:
    lanes_of: dict[str, list[Lane]] = {}
    for lane in spec.lanes:
        lanes_of.setdefault(lane.label, []).append(lane)
    return lanes_of


def _started_sentence(job: Job) -> str:
    spec = _spec(job)
    if job.run > 1:
        return f"Started again, run {job.run}: what is there already is not downloaded again."
    what = "Dry run" if job.dry_run else "Started"
    lanes = f"{len(spec.lanes):,} keyword × source"
    return f"{what}: {len(spec.labels):,} labels, {lanes}, {spec.per_label:,} images per label."
