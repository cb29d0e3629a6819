"""Cuts a crawl into chunks: hands out the labels' targets as quotas, until they are met or the sources end.

A label's target is shared by all its lanes (keyword × source). A chunk reserves a part of what is left and gives back
what it did not keep, so what one source cannot deliver is taken from where the others stopped, and the job never
keeps more than asked.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum

from datasets.counting import number_of
from datasets.outcomes import Outcome
from jobs import activity, lifecycle, outlook
from jobs.crawl.filtering import Keeper, remarks
from jobs.crawl.sources.base import SourceInfo
from jobs.crawl.sources.registry import registry
from jobs.models import Chunk, Finding, Job, LabelTarget, Status
from jobs.plans import strands
from jobs.plans.verdict import Verdict, chunk_counts
from jobs.spec import CrawlSpec, Lane

_BATCH = 500


def first_chunks(job: Job) -> None:
    """The first chunks, a batch of lanes or labels at a time: a job may have tens of thousands."""
    spec = _spec(job)
    for remark in remarks(spec.filters, _infos(spec)):
        activity.log(job.pk, remark)
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
        begun = strands.begun(job, {target.label: lanes_of[target.label] for target in batch_of_targets})
        chunks = []
        for target in batch_of_targets:
            shares = list(_split(target.wanted, begun[target.label]))
            target.reserved = sum(quota for _, quota in shares)
            chunks += [_chunk(job, lane, quota=quota, position=begun[target.label][lane]) for lane, quota in shares]
        LabelTarget.objects.bulk_update(batch_of_targets, ["reserved"])
        Chunk.objects.bulk_create(chunks, batch_size=_BATCH)


def chunk_ended(job: Job, chunk: Chunk, *, quota: int) -> list[int]:
    """Gives back what the chunk did not keep, and goes on with its label."""
    _target(job, chunk.label).update(reserved=F("reserved") - quota)
    return _advance(job, chunk.label, _spec(job).lanes_of(chunk.label))


def chunks_cancelled(job: Job, quotas: Mapping[str, int]) -> None:
    """Gives back what the chunks had reserved."""
    for label, quota in quotas.items():
        _target(job, label).update(reserved=F("reserved") - quota)


def retryable(job: Job) -> list[Chunk]:
    """Chunks that failed, were cancelled, or ended with failures that may pass at the next attempt.

    Where the retry is for some reasons only (`retry_reasons`), chunks that ended with failures for one of them.
    """
    with_failures = Q(Exists(_worth_retrying(job, OuterRef("pk"))), status=Status.COMPLETED)
    undone = Q(status__in=[Status.FAILED, Status.CANCELLED])
    chunks = job.chunks.filter(with_failures if job.retry_reasons else undone | with_failures)
    return list(chunks.order_by("id").defer("traceback", "error"))


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
        opened += lifecycle.reopen_chunk(chunk.pk, run=job.run, quota=quota)
    return opened


def go_on(job: Job) -> int:
    """Plans what follows for labels that a cancellation cut off; gives the number of chunks."""
    short = job.targets.filter(wanted__gt=F("kept") + F("reserved")).values_list("label", flat=True)
    lanes_of = _lanes_by_label(_spec(job)) if job.chunks.exists() else {}
    return sum(len(_advance(job, label, lanes_of[label])) for label in short if label in lanes_of)


def started_sentence(job: Job) -> str:
    """What is searched for."""
    spec = _spec(job)
    what = "Dry run" if job.dry_run else "Started"
    lanes = f"{len(spec.lanes):,} keyword × source"
    return f"{what}: {number_of(len(spec.labels), 'label')}, {lanes}, {number_of(spec.per_label, 'image')} per label."


def verdict(job: Job) -> Verdict:
    """A crawl that kept fewer than asked is completed and says why."""
    counts, spec = chunk_counts(job), _spec(job)
    if job.dry_run:
        return _verdict_of_dry_run(job, spec)
    not_kept = remarks(spec.filters, _infos(spec), only=Keeper.NOBODY)
    if job.kept >= job.wanted:
        told = f"Kept all that was asked for: {number_of(job.wanted, 'image')}."
        return Verdict(Status.COMPLETED, " ".join([told, *not_kept]))
    told = f"Kept {job.kept:,} of {job.wanted:,}."
    return Verdict(Status.COMPLETED, " ".join([told, *_why_fewer(job, counts), *not_kept]))


def _verdict_of_dry_run(job: Job, spec: CrawlSpec) -> Verdict:
    seen = outlook.of(job)
    listed = job.chunks.aggregate(n=Sum("listed", default=0))["n"]
    told = [f"Dry run: the sources list about {number_of(listed, 'picture')}. Nothing was kept."]
    if seen:
        told.append(f"A crawl would keep about {seen.images:,} of {seen.wanted:,}.")
    told += remarks(spec.filters, _infos(spec))
    return Verdict(Status.COMPLETED, " ".join(told), outlook=seen.to_json() if seen else None)


def cancelled_sentence(job: Job) -> str:
    """What was kept stays."""
    if job.dry_run:
        looked_at = job.chunks.filter(status=Status.COMPLETED).count()
        return f"Cancelled. {looked_at:,} keyword × source were looked at, and nothing was kept."
    return f"Cancelled. What was kept stays in the dataset: {number_of(job.kept, 'image')}."


def _why_fewer(job: Job, chunks: Mapping[str, int]) -> list[str]:
    """Sentences: what the sources gave, what was left out and why, what did not run."""
    if job.found == 0 and not chunks.get(Status.FAILED.value):
        return ["The sources list nothing for these keywords: try other words or add a source."]
    left = Counter(job.chunks.filter(position__ended__isnull=False).values_list("position__ended", "source"))
    no_more = "and have no more" if not left else "in all"
    told = [f"The sources listed {job.found:,} {no_more}."] if not chunks.get(Status.FAILED.value) else []
    told += [
        _ENDINGS[ending].format(keywords=number_of(n, "keyword"), source=source)
        for (ending, source), n in sorted(left.items())
    ]
    not_kept = job.findings.exclude(outcome=Outcome.KEPT.value)
    reasons = list(not_kept.values_list("reason").annotate(n=Count("pk")).order_by("-n"))
    left_out = [f"{n:,} {_LEFT_OUT.get(reason, reason)}" for reason, n in reasons[:_SHOWN_REASONS]]
    if others := sum(n for _, n in reasons[_SHOWN_REASONS:]):
        left_out.append(f"{others:,} for other reasons")
    if left_out:
        told.append(f"Left out: {'; '.join(left_out)}.")
    failed = chunks.get(Status.FAILED.value, 0)
    if failed:
        told.append(f"{failed:,} of {sum(chunks.values()):,} chunks failed; a retry runs only these.")
    return told


_ENDINGS = {
    "barren": "{source} was left for {keywords}, since page after page brought nothing new.",
    "cap": "{source} gives no more for {keywords}, although it has more: other words find other pictures.",
}
#: Reasons that are told of one by one; docs/outcomes.md explains those that have no words here under their code.
_SHOWN_REASONS: Final = 4
_LEFT_OUT = {
    "already_in_dataset": "in the dataset already",
    "duplicate_exact": "with the bytes of an image that was kept",
    "duplicate_url": "listed more than once",
    "too_small": "too small",
    "not_an_image": "that are no images",
    "invalid_url": "under addresses that are none",
    "license_not_allowed": "not under a licence that you asked for",
    "format_not_allowed": "not of the format that you asked for",
    "orientation_not_allowed": "not lying as you asked for",
    "date_not_allowed": "not of the days that you asked for",
    "mature": "marked as mature",
}


def _worth_retrying(job: Job, chunk: Any) -> QuerySet[Finding]:
    failed = Finding.objects.filter(chunk=chunk, candidate__isnull=False)
    return failed.filter(reason__in=job.retry_reasons) if job.retry_reasons else failed


def _advance(job: Job, label: str, lanes: Sequence[Lane]) -> list[int]:
    """The next chunks of a label, in those of its lanes that are free and not at their end; gives their ids."""
    if job.dry_run or job.cancel_requested_at is not None or job.retry_reasons:
        return []
    last = {Lane(c.label, c.keyword, c.source, c.strand): c for c in _last_chunks(job, label)}
    # The strands of a list all begin together, so that there is no new one among them.
    asked_for = set(lanes)
    going_on = [lane for lane, chunk in last.items() if lane._replace(strand=0) in asked_for and _may_go_on(job, chunk)]
    free = going_on + [lane for lane in lanes if lane not in last]
    chunks = [_chunk(job, lane, quota=quota, after=last.get(lane)) for lane, quota in _shares(job, label, free)]
    return [chunk.pk for chunk in Chunk.objects.bulk_create(chunks)]


def _last_chunks(job: Job, label: str) -> Iterable[Chunk]:
    """The newest chunk of each lane, found from its first one by a step along an index, however many lie between."""
    chunks = Chunk.objects.order_by().filter(job=job, label=label)
    lane = {name: OuterRef(name) for name in ("keyword", "source", "strand")}
    newest = chunks.filter(**lane).order_by("-window").values("pk")[:1]
    # A query of its own: within another one PostgreSQL takes it for many, and reads the whole table.
    ids = list(chunks.filter(window=0).values_list(Subquery(newest), flat=True))
    return Chunk.objects.filter(pk__in=ids)


def _may_go_on(job: Job, last: Chunk) -> bool:
    """Whether the lane has more. One that an earlier run cancelled was not opened again where places were few."""
    is_left = last.status == Status.CANCELLED and last.run < job.run
    return (last.status == Status.COMPLETED or is_left) and not last.exhausted


def _shares(job: Job, label: str, lanes: Sequence[Lane]) -> list[tuple[Lane, int]]:
    """Reserves what is left of a label's target and shares it among the lanes."""
    reserved = _reserve(job, label, settings.CHUNK_SIZE * len(lanes)) if lanes else 0
    return list(_split(reserved, lanes))


def _split(images: int, lanes: Collection[Lane]) -> Iterator[tuple[Lane, int]]:
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


def _chunk(
    job: Job, lane: Lane, *, quota: int, after: Chunk | None = None, position: Mapping[str, Any] | None = None
) -> Chunk:
    """The lane's next chunk `after` its last one, or its first one at a `position`."""
    return Chunk(
        job=job,
        run=job.run,
        label=lane.label,
        keyword=lane.keyword,
        source=lane.source,
        strand=lane.strand,
        quota=quota,
        window=after.window + 1 if after else 0,
        position=after.position if after else dict(position or {}),
    )


def _spec(job: Job) -> CrawlSpec:
    return CrawlSpec.from_json(job.spec)


def _infos(spec: CrawlSpec) -> list[SourceInfo]:
    """What the job's sources say of themselves; one whose package is gone says nothing."""
    return [module.INFO for name, module in registry().modules.items() if name in spec.sources]


def _lanes_by_label(spec: CrawlSpec) -> dict[str, list[Lane]]:
    lanes_of: dict[str, list[Lane]] = {}
    for lane in spec.lanes:
        lanes_of.setdefault(lane.label, []).append(lane)
    return lanes_of
