"""Cuts a validation into chunks: ranges of images, each on its own, then one search for duplicates over all of them."""

# What a plan need not know it takes all the same (jobs.plans.base).
# ruff: noqa: ARG001

from collections.abc import Mapping, Sequence

from django.contrib.auth.models import User
from django.db.models import Count, Max, QuerySet

from datasets.counting import number_of
from datasets.models import Dataset, Image, ValidationLevel
from datasets.outcomes import Outcome
from jobs import lifecycle
from jobs.models import DUPLICATES_PART, IMAGES_PART, Chunk, Job, Kind, Status
from jobs.plans import ranges
from jobs.plans.verdict import Verdict, chunk_counts
from jobs.spec import ValidationSpec


def create(dataset: Dataset, level: str, *, by: User | None, submit_key: str | None = None) -> Job:
    """Stores a validation of all images that the dataset has now. Runs in the caller's transaction."""
    there = Image.objects.filter(dataset=dataset).aggregate(last=Max("pk"), n=Count("pk"))
    spec = ValidationSpec(level=ValidationLevel(level), last_image_id=there["last"] or 0, image_count=there["n"])
    return ranges.create_job(Kind.VALIDATE, dataset, spec, by=by, submit_key=submit_key)


def images_of(job: Job) -> QuerySet[Image]:
    """The images that the validation is about, in no order; those that came later are not."""
    spec = ValidationSpec.from_json(job.spec)
    return Image.objects.order_by().filter(dataset_id=job.dataset_id, pk__lte=spec.last_image_id)


def first_chunks(job: Job) -> None:
    ranges.create_chunks(job, images_of(job))


def chunks_cancelled(job: Job, quotas: Mapping[str, int]) -> None:
    """Nothing was reserved."""


def reopen(job: Job, chunks: Sequence[Chunk]) -> int:
    return ranges.reopen(job, chunks)


def chunk_ended(job: Job, chunk: Chunk, *, quota: int) -> list[int]:
    """After the last range of images the search for duplicates."""
    return _search_for_duplicates(job, again=True)


def retryable(job: Job) -> list[Chunk]:
    """What failed or was cancelled; the search for duplicates only where no range of images has to come before it."""
    undone = ranges.retryable(job)
    return [chunk for chunk in undone if chunk.source == IMAGES_PART] or undone


def go_on(job: Job) -> int:
    return len(_search_for_duplicates(job, again=False))


def started_sentence(job: Job) -> str:
    spec = ValidationSpec.from_json(job.spec)
    return f"Started: {number_of(spec.image_count, 'image')}, level {spec.level}."


def verdict(job: Job) -> Verdict:
    """A validation that ran is completed, whatever it found."""
    reasons = dict(
        job.findings.order_by()
        .exclude(outcome__in=[Outcome.KEPT.value, Outcome.DUPLICATE.value])
        .values_list("reason")
        .annotate(n=Count("pk"))
        .order_by("-n", "reason")
    )
    told = [f"Looked at {number_of(job.found, 'image')}: {job.kept:,} sound, {number_of(job.duplicate, 'duplicate')}."]
    damaged = job.rejected + job.failed
    if damaged:
        told.append(f"{damaged:,} damaged: {'; '.join(f'{n:,} {reason}' for reason, n in reasons.items())}.")
    if failed := chunk_counts(job).get(Status.FAILED.value, 0):
        told.append(f"{number_of(failed, 'part')} failed; a retry runs only what failed.")
    return Verdict(Status.COMPLETED, " ".join(told))


def cancelled_sentence(job: Job) -> str:
    return f"Cancelled. What was found about {number_of(job.found, 'image')} stays."


def _search_for_duplicates(job: Job, *, again: bool) -> list[int]:
    """Opens the search once every range of images has ended, if the level asks for it; gives its id.

    A search that an earlier run has done is only done `again` when this run looked at images once more.
    """
    scans = job.chunks.filter(source=IMAGES_PART)
    is_due = ValidationSpec.from_json(job.spec).finds_duplicates and job.cancel_requested_at is None
    if not is_due or scans.exclude(status__in=[Status.COMPLETED, Status.FAILED]).exists():
        return []
    if not scans.filter(status=Status.COMPLETED).exists():
        return []
    search = job.chunks.filter(source=DUPLICATES_PART).first()
    if search is None:
        return [Chunk.objects.create(job=job, run=job.run, label="", keyword="", source=DUPLICATES_PART).pk]
    is_stale = search.run < job.run and (again or search.status != Status.COMPLETED)
    if is_stale and lifecycle.reopen_chunk(search.pk, run=job.run):
        return [search.pk]
    return []
