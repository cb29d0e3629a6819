"""What the API lists: jobs, what became of their candidates, their log, datasets and sources. Nothing here writes.

Lists go on by a cursor: `next` of an answer is the `after` of the next request, and null behind the last row.
"""

# ninja calls every operation with the request.
# ruff: noqa: ARG001

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from datasets.access import seen_by
from datasets.models import Dataset
from jobs import queries
from jobs.api_requests import PROBLEMS, caller, dataset_of, job_of
from jobs.dataset_report import report_of
from jobs.models import Activity, Finding
from jobs.source_lines import source_lines

router = Router()

_PAGE = 100

After = Annotated[int | None, Field(ge=0, le=2**62)]


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


class FindingLine(Schema):
    """What became of one candidate."""

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


class DatasetLine(Schema):
    """A dataset; `slug` names it in addresses."""

    slug: str
    name: str
    images: int
    size_bytes: int
    shared: bool
    created_at: datetime


class DatasetLines(Schema):
    items: list[DatasetLine]
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


def job_lines(request: HttpRequest, after: int | None) -> dict[str, Any]:
    """The jobs on datasets that the caller sees, newest first."""
    jobs, next_after = queries.jobs_page(seen_by(caller(request), "dataset__"), tab="all", search="", after=after)
    items = [
        {
            "job": job.pk, "kind": job.kind, "dataset": job.dataset.slug, "status": job.status, "wanted": job.wanted,
            "kept": job.kept, "created_at": job.created_at, "summary": job.summary,
        }
        for job in jobs
    ]  # fmt: skip
    return {"items": items, "next": next_after}


@router.get(
    "/jobs/{int:job_id}/findings",
    response={200: FindingLines, **PROBLEMS},
    url_name="job-findings",
    operation_id="list_findings",
)
def list_findings(request: HttpRequest, job_id: int, after: After = None) -> Status[dict[str, Any]]:
    """What became of every candidate, in the order in which it was recorded."""
    return _page(Finding.objects.filter(job=job_of(request, job_id)), after, _finding)


@router.get(
    "/jobs/{int:job_id}/activity",
    response={200: ActivityLines, **PROBLEMS},
    url_name="job-activity",
    operation_id="list_activity",
)
def list_activity(request: HttpRequest, job_id: int, after: After = None) -> Status[dict[str, Any]]:
    """The job's log as its user reads it, the first line first."""
    return _page(Activity.objects.filter(job=job_of(request, job_id)), after, _activity)


@router.get("/datasets/", response={200: DatasetLines, **PROBLEMS}, url_name="datasets", operation_id="list_datasets")
def list_datasets(request: HttpRequest, after: After = None) -> Status[dict[str, Any]]:
    """The datasets that the caller sees, the first one first."""
    return _page(Dataset.objects.filter(seen_by(caller(request))), after, _dataset)


@router.get("/datasets/{slug}", response={200: DatasetLine, **PROBLEMS}, url_name="dataset", operation_id="get_dataset")
def get_dataset(request: HttpRequest, slug: str) -> Status[dict[str, Any]]:
    """One dataset."""
    return Status(HTTPStatus.OK, _dataset(dataset_of(request, slug)))


@router.get(
    "/datasets/{slug}/report",
    response={200: dict[str, Any], **PROBLEMS},
    url_name="dataset-report",
    operation_id="get_report",
)
def get_report(request: HttpRequest, slug: str) -> Status[dict[str, Any]]:
    """The dataset's report: labels, licences, sizes, quality, and why images were left out."""
    return Status(HTTPStatus.OK, report_of(dataset_of(request, slug)).to_json())


@router.get("/sources", response={200: list[SourceLine], **PROBLEMS}, url_name="sources", operation_id="list_sources")
def list_sources(request: HttpRequest) -> Status[list[dict[str, Any]]]:
    """The sources that a crawl may name, and how each is doing."""
    return Status(HTTPStatus.OK, [line.to_json() for line in source_lines()])


def _page(rows: "QuerySet[Any]", after: int | None, line: Callable[[Any], dict[str, Any]]) -> Status[dict[str, Any]]:
    found: Sequence[Model] = list(rows.order_by("pk").filter(pk__gt=after or 0)[: _PAGE + 1])
    shown = found[:_PAGE]
    next_after = shown[-1].pk if len(found) > _PAGE else None
    return Status(HTTPStatus.OK, {"items": [line(row) for row in shown], "next": next_after})


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "url": finding.url, "outcome": finding.outcome, "reason": finding.reason, "detail": finding.detail,
        "sha256": finding.sha256, "image": finding.image_id, "size_bytes": finding.size_bytes,
    }  # fmt: skip


def _activity(line: Activity) -> dict[str, Any]:
    return {"at": line.at, "level": line.level, "sentence": line.sentence}


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "slug": dataset.slug, "name": dataset.name, "images": dataset.image_count, "size_bytes": dataset.size_bytes,
        "shared": dataset.is_shared, "created_at": dataset.created_at,
    }  # fmt: skip
