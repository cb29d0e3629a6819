"""How a job ended: its final status, and the sentence that says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from jobs.models import Job, Status


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outlook` is what a dry run says of the crawl (jobs.outlook), None for other jobs."""

    status: Status
    sentence: str
    outlook: Mapping[str, Any] | None = None


def chunk_counts(job: Job) -> Mapping[str, int]:
    """How many of the job's chunks are in each status; statuses without any are left out."""
    return dict(job.chunks.order_by().values_list("status").annotate(n=Count("pk")))


def of_all_failed(job: Job) -> Verdict | None:
    """A job fails when every chunk failed, for whatever reason."""
    if set(chunk_counts(job)) != {Status.FAILED.value}:
        return None
    first = job.chunks.filter(status=Status.FAILED).order_by("id").values_list("error", flat=True).first()
    return Verdict(Status.FAILED, f"Every chunk failed, and a retry runs them all again. The first error: {first}")
