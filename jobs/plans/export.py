"""Cuts an export into three parts that run one after the other: freeze the version, write its files, read them back."""

# What a plan need not know it takes all the same (jobs.plans.base).
# ruff: noqa: ARG001

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from django.contrib.auth.models import User

from datasets.counting import number_of
from datasets.models import Dataset
from datasets.version_models import DatasetVersion
from jobs import lifecycle
from jobs.export_models import Export
from jobs.models import CHECK_PART, FILES_PART, VERSION_PART, Chunk, Job, Kind, Status
from jobs.plans import ranges
from jobs.plans.verdict import Verdict
from jobs.spec import ExportSpec

_NEXT: Final = {VERSION_PART: FILES_PART, FILES_PART: CHECK_PART}


def create(
    dataset: Dataset,
    spec: ExportSpec,
    *,
    version: DatasetVersion | None,
    image_count: int,
    by: User | None,
    submit_key: str | None = None,
) -> Job:
    """Stores an export of about `image_count` images. Runs in the caller's transaction."""
    job = Job.objects.create(
        kind=Kind.EXPORT,
        dataset=dataset,
        created_by=by,
        spec=spec.to_json(),
        wanted=image_count,
        submit_key=submit_key,
    )
    # Numbers of jobs come again with another database; what lies in an old folder must not be gone on with.
    folder = f"{job.pk}-{secrets.token_hex(4)}"
    Export.objects.create(job=job, format=spec.format, version=version, folder=folder)
    return job


def first_chunks(job: Job) -> None:
    _open(job, FILES_PART if job.export.version_id else VERSION_PART)


def chunk_ended(job: Job, chunk: Chunk, *, quota: int) -> list[int]:
    """After a part that is done the next one."""
    is_done = job.chunks.filter(pk=chunk.pk, status=Status.COMPLETED).exists()
    if not is_done or job.cancel_requested_at is not None or chunk.source not in _NEXT:
        return []
    return _open(job, _NEXT[chunk.source])


def chunks_cancelled(job: Job, quotas: Mapping[str, int]) -> None:
    """Nothing was reserved."""


def retryable(job: Job) -> list[Chunk]:
    """The part that is undone; files that were found damaged are written again before they are read back."""
    undone = ranges.retryable(job)
    if undone and undone[0].source == CHECK_PART:
        return list(job.chunks.filter(source=FILES_PART))
    return undone[:1]


def reopen(job: Job, chunks: Sequence[Chunk]) -> int:
    return ranges.reopen(job, chunks)


def go_on(job: Job) -> int:
    """A cancellation may have come between two parts."""
    last = job.chunks.order_by("-pk").first()
    if last is None or last.status != Status.COMPLETED or last.source not in _NEXT:
        return 0
    return len(_open(job, _NEXT[last.source]))


def started_sentence(job: Job) -> str:
    return f"Started: {number_of(job.wanted, 'image')} as {job.export.format}."


def verdict(job: Job) -> Verdict:
    export = Export.objects.select_related("version").get(job=job)
    if export.ready_at is None or export.version is None:
        error = job.chunks.exclude(error="").order_by("-pk").values_list("error", flat=True).first()
        return Verdict(Status.FAILED, f"There is no export: {error or 'a part of it was not done. Retry it.'}")
    told = [f"Exported {number_of(export.pictures, 'image')} of version {export.version.number} as {export.format}"]
    told.append(f"in {number_of(len(export.files), 'file')}; read back and found sound.")
    told += [f"{number:,} stayed out. {sentence}" for sentence, number in export.left_out.items()]
    return Verdict(Status.COMPLETED, " ".join(told))


def cancelled_sentence(job: Job) -> str:
    return "Cancelled. What was written so far is kept for three days: a retry goes on there."


def _open(job: Job, part: str) -> list[int]:
    """Makes the part's chunk, or opens it again in a later run; gives its id."""
    chunk = job.chunks.filter(source=part).first()
    if chunk is None:
        return [Chunk.objects.create(job=job, run=job.run, label="", keyword="", source=part).pk]
    return [chunk.pk] if lifecycle.reopen_chunk(chunk.pk, run=job.run) else []
