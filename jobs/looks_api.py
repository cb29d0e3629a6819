"""What the API tells of dry runs, and how one becomes a crawl."""

# ninja calls every operation with the request.

from http import HTTPStatus
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from jobs.api_requests import LOOK_PROBLEMS, PROBLEMS, caller, job_of
from jobs.api_schemas import After, JobReport
from jobs.lists_api import page_of
from jobs.look_models import Look
from jobs.look_services import start_for_real
from jobs.reports import job_report, look_report

router = Router()


class SampleLine(Schema):
    """A picture that was fetched for a try; `trouble` is the reason why a crawl would not keep it."""

    title: str
    page_url: str
    licence: str
    width_px: int
    height_px: int
    size_bytes: int
    trouble: str


class LookLine(Schema):
    """What a dry run saw of one keyword × source: of `seen` results `usable` would be fetched."""

    chunk: int
    label: str
    keyword: str
    source: str
    total: Annotated[int | None, Field(description="Results, as the source says; null: it does not tell.")]
    seen: int
    is_whole: Annotated[bool, Field(description="The list was read to its end.")]
    usable: int
    known: Annotated[int, Field(description="In the dataset already.")]
    repeated: Annotated[int, Field(description="Listed more than once.")]
    refused: Annotated[dict[str, int], Field(description="Reason code: how many are left out for it.")]
    licences: dict[str, int]
    sizes: dict[str, int]
    samples: list[SampleLine]


class LookLines(Schema):
    items: list[LookLine]
    next: int | None


@router.get(
    "/jobs/{int:job_id}/looks",
    response={200: LookLines, **LOOK_PROBLEMS},
    url_name="job-looks",
    operation_id="list_looks",
)
def list_looks(request: HttpRequest, job_id: int, after: After = None) -> Status[dict[str, Any]]:
    """What a dry run saw of each keyword × source; its `outlook` is in the job. Empty for other jobs."""
    looks = Look.objects.filter(chunk__job=job_of(request, job_id)).select_related("chunk").defer("keys")
    return page_of(looks, after, look_report)


@router.post(
    "/jobs/{int:job_id}/start",
    response={201: JobReport, **PROBLEMS},
    url_name="job-start",
    operation_id="start_dry_run",
)
def start_dry_run(request: HttpRequest, response: HttpResponse, job_id: int) -> Status[dict[str, Any]]:
    """Starts the crawl that a dry run looked at; asked twice, it is the same job. 409 where it still runs."""
    job = start_for_real(job_id=job_of(request, job_id).pk, by=caller(request))
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(HTTPStatus.CREATED, job_report(job))
