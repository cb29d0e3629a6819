"""Chunks that are ranges of a dataset's images: what validation and repair have in common."""

from collections.abc import Iterator, Sequence

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet

from datasets.models import Dataset, Image
from jobs import lifecycle
from jobs.models import IMAGES_PART, Chunk, Job, Kind, Status
from jobs.spec import RepairSpec, ValidationSpec

_BATCH = 500


def create_job(
    kind: Kind, dataset: Dataset, spec: ValidationSpec | RepairSpec, *, by: User | None, submit_key: str | None
) -> Job:
    """Stores a job that goes through images of the dataset. Runs in the caller's transaction."""
    return Job.objects.create(
        kind=kind,
        dataset=dataset,
        created_by=by,
        spec=spec.to_json(),
        wanted=spec.image_count,
        submit_key=submit_key,
    )


def create_chunks(job: Job, images: QuerySet[Image]) -> None:
    """A chunk for every settings.VALIDATION_CHUNK_SIZE of the images: those after one id, up to another."""
    chunks: list[Chunk] = []
    for window, (after, until) in enumerate(_ranges(images)):
        chunks.append(
            Chunk(
                job=job,
                run=job.run,
                label="",
                keyword="",
                source=IMAGES_PART,
                window=window,
                position={"after": after, "until": until},
            )
        )
    Chunk.objects.bulk_create(chunks, batch_size=_BATCH)


def retryable(job: Job) -> list[Chunk]:
    """Chunks that failed or were cancelled."""
    if job.retry_reasons:
        return []
    undone = job.chunks.filter(status__in=[Status.FAILED, Status.CANCELLED])
    return list(undone.order_by("id").defer("traceback", "error"))


def reopen(job: Job, chunks: Sequence[Chunk]) -> int:
    """Opens the chunks again; each goes on where it stopped."""
    return sum(lifecycle.reopen_chunk(chunk.pk, run=job.run) for chunk in chunks)


def _ranges(images: QuerySet[Image]) -> Iterator[tuple[int, int]]:
    """(after, until) of ids; the database skips along its index, so that a million images are no list in memory."""
    size = settings.VALIDATION_CHUNK_SIZE
    ids = images.order_by("pk").values_list("pk", flat=True)
    after = 0
    while True:
        left = ids.filter(pk__gt=after)
        until = left[size - 1 : size].first() or ids.filter(pk__gt=after).last()
        if until is None:
            return
        yield after, until
        after = until
