"""What the API lists of jobs: jobs, their chunks, what became of candidates, the log; and which sources there are.

Nothing here writes. Lists go on by a cursor: `next` of an answer is the `after` of the next request, and null behind
the last row.
"""

# ninja calls every operation with the request.
# ruff: noqa: ARG001

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from django.db.models import Model, Q, QuerySet, Subquery
from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from datasets.access import seen_by
from datasets.models import Dataset
from datasets.outcomes import Outcome, Reason
from jobs import queries
from jobs.api_requests import LOOK_PROBLEMS, caller, job_of
from jobs.api_schemas import MAX_ID, After, Text
from jobs.models import Activity, Chunk, Finding
from jobs.models import Status as JobStatus
from jobs.progress import OUTCOME_COUNTERS
from jobs.source_lines import source_lines

router = Router()

_PAGE = 100


class JobFilters(Schema):
    """Which jobs are listed; without any all that the caller sees."""

    after: After = None
    status: JobStatus | None = None
    dataset: Annotated[Text, Field(max_length=140, description="The slug of its dataset.")] | None = None


class FindingFilters(Schema):
    """Which findings are listed."""

    after: After = None
    outcome: Outcome | None = None
    reason: Reason | None = None
    chunk: Annotated[int, Field(ge=1, le=MAX_ID, description="Of this chunk alone.")] | None = None


class ChunkFilters(Schema):
    """Which chunks are listed."""

    after: After = None
    status: JobStatus | None = None


class JobLine(Schema):
    """A job in a list; its own address has the rest."""

    job: int
    kind: str
    dataset: str
    status: str
    wanted: int
    kept: int
    created_at: datetime
    summary: str


class JobLines(Schema):
    items: list[JobLine]
    next: int | None


class ChunkLine(Schema):
    """A part of a job, as one worker does it; `error` says what went wrong where it failed."""

    chunk: int
    status: str
    title: str
    label: str
    keyword: str
    source: str
    strand: int
    run: int
    attempts: int
    found: int
    kept: int
    duplicate: int
    rejected: int
    failed: int
    skipped: int
    error_code: str
    error: str


class ChunkLines(Schema):
    items: list[ChunkLine]
    next: int | None


class FindingLine(Schema):
    """What became of one candidate. `finding` is its number: `after` goes on behind it."""

    finding: int
    chunk: int
    url: str
    outcome: str
    reason: str
    detail: str
    sha256: str
    image: int | None
    size_bytes: int


class FindingLines(Schema):
    items: list[FindingLine]
    next: int | None


class ActivityLine(Schema):
    """A line of the job's log."""

    at: datetime
    level: str
    sentence: str


class ActivityLines(Schema):
    items: list[ActivityLine]
    next: int | None


class SourceKeyLine(Schema):
    """Where a key of a source is: environment, database, or nowhere; never the key."""

    name: str
    is_required: bool
    where: str


class SourceLine(Schema):
    """A source that a crawl may name, and how it is doing; docs/configuration.md explains it."""

    name: str
    title: str
    hint: str
    word: str
    obstacle: str
    limits: list[str]
    terms_url: str
    terms_confirmed: str
    keys: list[SourceKeyLine]
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_failure_kind: str
    last_failure: str
    answers: int
    error_rate: float | None
    median_latency_s: float | None
    quota_remaining: int | None
    quota_limit: int | None
    quota_resets_at: datetime | None
    breaker: str
    rests_until: datetime | None


def job_lines(request: HttpRequest, filters: JobFilters) -> dict[str, Any]:
    """The jobs on datasets that the caller sees, newest first."""
    seen = seen_by(caller(request), "dataset__")
    if filters.status is not None:
        seen &= Q(status=filters.status)
    if filters.dataset is not None:
        # By its number, so that the jobs are read along the index of one dataset.
        seen &= Q(dataset=Subquery(Dataset.objects.order_by().filter(slug=filters.dataset).values("pk")))
    jobs, next_after = queries.jobs_page(seen, tab="all", search="", after=filters.after)
    items = [
        {
            "job": job.pk, "kind": job.kind, "dataset": job.dataset.slug, "status": job.status, "wanted": job.wanted,
            "kept": job.kept, "created_at": job.created_at, "summary": job.summary,
        }
        for job in jobs
    ]  # fmt: skip
    return {"items": items, "next": next_after}


@router.get(
    "/jobs/{int:job_id}/chunks",
    response={200: ChunkLines, **LOOK_PROBLEMS},
    url_name="job-chunks",
    operation_id="list_chunks",
)
def list_chunks(request: HttpRequest, job_id: int, filters: Query[ChunkFilters]) -> Status[dict[str, Any]]:
    """The chunks of a job in the order in which they were planned."""
    chunks = Chunk.objects.filter(job=job_of(request, job_id))
    if filters.status is not None:
        chunks = chunks.filter(status=filters.status)
    return page_of(chunks, filters.after, _chunk)


@router.get(
    "/jobs/{int:job_id}/findings",
    response={200: FindingLines, **LOOK_PROBLEMS},
    url_name="job-findings",
    operation_id="list_findings",
)
def list_findings(request: HttpRequest, job_id: int, filters: Query[FindingFilters]) -> Status[dict[str, Any]]:
    """What became of every candidate, in the order in which it was recorded."""
    chosen = {
        name: value
        for name, value in (("outcome", filters.outcome), ("reason", filters.reason), ("chunk_id", filters.chunk))
        if value is not None
    }
    return page_of(Finding.objects.filter(job=job_of(request, job_id), **chosen), filters.after, _finding)


@router.get(
    "/jobs/{int:job_id}/activity",
    response={200: ActivityLines, **LOOK_PROBLEMS},
    url_name="job-activity",
    operation_id="list_activity",
)
def list_activity(request: HttpRequest, job_id: int, after: After = None) -> Status[dict[str, Any]]:
    """The job's log as its user reads it, the first line first."""
    return page_of(Activity.objects.filter(job=job_of(request, job_id)), after, _activity)


@router.get(
    "/sources", response={200: list[SourceLine], **LOOK_PROBLEMS}, url_name="sources", operation_id="list_sources"
)
def list_sources(request: HttpRequest) -> Status[list[dict[str, Any]]]:
    """The sources that a crawl may name, and how each is doing."""
    return Status(HTTPStatus.OK, [line.to_json() for line in source_lines()])


def page_of(rows: "QuerySet[Any]", after: int | None, line: Callable[[Any], dict[str, Any]]) -> Status[dict[str, Any]]:
    """One page of rows, the first one first, each told by `line`."""
    found: Sequence[Model] = list(rows.order_by("pk").filter(pk__gt=after or 0)[: _PAGE + 1])
    shown = found[:_PAGE]
    next_after = shown[-1].pk if len(found) > _PAGE else None
    return Status(HTTPStatus.OK, {"items": [line(row) for row in shown], "next": next_after})


def _chunk(chunk: Chunk) -> dict[str, Any]:
    told = (
        "status",
        "title",
        "label",
        "keyword",
        "source",
        "strand",
        "run",
        "attempts",
        *OUTCOME_COUNTERS,
        "error_code",
        "error",
    )
    return {"chunk": chunk.pk, **{name: getattr(chunk, name) for name in told}}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "finding": finding.pk, "chunk": finding.chunk_id, "url": finding.url, "outcome": finding.outcome,
        "reason": finding.reason, "detail": finding.detail,
        "sha256": finding.sha256, "image": finding.image_id, "size_bytes": finding.size_bytes,
    }  # fmt: skip


def _activity(line: Activity) -> dict[str, Any]:
    return {"at": line.at, "level": line.level, "sentence": line.sentence}
