"""Cuts a repair into chunks: ranges of the images whose stored bytes are damaged or missing."""

# What a plan need not know it takes all the same (jobs.plans.base).
# ruff: noqa: ARG001

from collections.abc import Mapping, Sequence

from django.contrib.auth.models import User
from django.db.models import QuerySet

from datasets.counting import number_of
from datasets.models import Dataset, Image
from datasets.models import Verdict as Decided
from jobs.models import Chunk, Job, Kind, Status
from jobs.plans import ranges
from jobs.plans.verdict import Verdict
from jobs.spec import RepairSpec


def create(dataset: Dataset, *, image_id: int | None, by: User | None, submit_key: str | None = None) -> Job:
    """Stores a repair of one damaged image, or of all. Runs in the caller's transaction."""
    count = damaged(dataset.pk, image_id).count()
    spec = RepairSpec(image_id=image_id, image_count=count)
    return ranges.create_job(Kind.REPAIR, dataset, spec, by=by, submit_key=submit_key)


def damaged(dataset_id: int, image_id: int | None) -> QuerySet[Image]:
    """The image, or all that nobody excluded, if validations found them damaged; in no order."""
    found = Image.objects.order_by().filter(dataset_id=dataset_id).exclude(damage="")
    return found.exclude(review=Decided.EXCLUDED) if image_id is None else found.filter(pk=image_id)


def images_of(job: Job) -> QuerySet[Image]:
    """The images that are damaged now and that the repair is about, in no order."""
    return damaged(job.dataset_id, RepairSpec.from_json(job.spec).image_id)


def first_chunks(job: Job) -> None:
    ranges.create_chunks(job, images_of(job))


def chunks_cancelled(job: Job, quotas: Mapping[str, int]) -> None:
    """Nothing was reserved."""


def retryable(job: Job) -> list[Chunk]:
    return ranges.retryable(job)


def reopen(job: Job, chunks: Sequence[Chunk]) -> int:
    return ranges.reopen(job, chunks)


def chunk_ended(job: Job, chunk: Chunk, *, quota: int) -> list[int]:
    """Nothing comes after the ranges."""
    return []


def go_on(job: Job) -> int:
    return 0


def started_sentence(job: Job) -> str:
    return f"Started: fetches {number_of(RepairSpec.from_json(job.spec).image_count, 'damaged image')} again."


def verdict(job: Job) -> Verdict:
    told = [f"Brought back {job.kept:,} of {number_of(job.found, 'damaged image')}."]
    if job.rejected:
        told.append(f"{job.rejected:,} gave something else than before; that was not taken.")
    if job.failed:
        told.append(f"{job.failed:,} could not be fetched.")
    return Verdict(Status.COMPLETED, " ".join(told))


def cancelled_sentence(job: Job) -> str:
    return f"Cancelled. What was brought back stays: {number_of(job.kept, 'image')}."
