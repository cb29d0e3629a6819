"""Exports in the API: start one, follow it, fetch its files."""

# ninja calls every operation with the request.

from http import HTTPStatus
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from ninja import Query, Router, Schema
from ninja.errors import HttpError
from ninja.responses import Status
from pydantic import BaseModel, ConfigDict, Field

from datasets.blobs import BlobError
from datasets.exports.policy import Policy
from jobs import export_services
from jobs.api_requests import LOOK_PROBLEMS, PROBLEMS, SENT_ONCE, caller, dataset_of, export_of, submit_key
from jobs.api_schemas import After, Text
from jobs.downloads import download
from jobs.export_models import Export
from jobs.spec import MAX_SEED, ExportSpec

router = Router()

_PAGE = 50


class PolicyBody(BaseModel):
    """What the pictures are for; what it does not allow stays out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    commercial_use: bool = False
    changes: Annotated[bool, Field(description="Whether changed copies are passed on.")] = False
    ml_training: bool = True
    allow_unknown_licence: Annotated[bool, Field(description="You answer for their rights; the export says so.")] = (
        False
    )
    allow_ml_restricted: Annotated[bool, Field(description="You answer for it; the export says so.")] = False


class ExportBody(BaseModel):
    """An export to start."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Annotated[Text, Field(max_length=20, description="imagefolder, webdataset, parquet, csv, …")]
    policy: PolicyBody = PolicyBody()
    version: Annotated[int | None, Field(ge=1, le=MAX_SEED, description="Of a version that there is.")] = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    shares: Annotated[
        list[Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]],
        Field(min_length=3, max_length=3, description="Of train, validation and test; they add up to 1."),
    ] = [0.8, 0.1, 0.1]
    pictures_per_shard: Annotated[int, Field(ge=1_000, le=10_000)] = 5_000


class ExportFilters(Schema):
    """Where the list of exports goes on."""

    after: After = None


class ExportFile(Schema):
    """A file of an export; `url` is where this API serves it."""

    name: str
    sha256: str
    size_bytes: int
    url: str


class ExportReport(Schema):
    """An export as it stands. Its files are there once it is `ready`."""

    job: int
    status: str
    format: str
    dataset: str
    version: int | None
    pictures: int
    size_bytes: int
    ready: bool
    summary: str
    files: list[ExportFile]


class ExportReports(Schema):
    items: list[ExportReport]
    next: int | None


@router.post(
    "/datasets/{slug:slug}/exports",
    response={201: ExportReport, **PROBLEMS},
    url_name="dataset-exports",
    operation_id="create_export",
    openapi_extra=SENT_ONCE,
)
def create_export(request: HttpRequest, response: HttpResponse, slug: str, body: ExportBody) -> Status[dict[str, Any]]:
    """Starts an export. 409 where nothing would go in."""
    train, validation, test = body.shares
    spec = ExportSpec(
        format=body.format,
        policy=Policy(**body.policy.model_dump()),
        seed=body.seed,
        shares=(train, validation, test),
        pictures_per_shard=body.pictures_per_shard,
        version=body.version,
    )
    key, digest = submit_key(request, body)
    job = export_services.submit_export(
        dataset=dataset_of(request, slug), spec=spec, by=caller(request), submit_key=key, submit_digest=digest
    )
    response["Location"] = reverse("api:export", args=[job.pk])
    return Status(HTTPStatus.CREATED, export_report(export_of(request, job.pk)))


@router.get(
    "/datasets/{slug:slug}/exports",
    response={200: ExportReports, **LOOK_PROBLEMS},
    url_name="dataset-exports",
    operation_id="list_exports",
)
def list_exports(request: HttpRequest, slug: str, filters: Query[ExportFilters]) -> Status[dict[str, Any]]:
    """The exports of a dataset, newest first."""
    found = Export.objects.filter(job__dataset=dataset_of(request, slug)).select_related("job__dataset", "version")
    if filters.after is not None:
        found = found.filter(pk__lt=filters.after)
    rows = list(found.order_by("-pk")[: _PAGE + 1])
    next_after = rows[_PAGE - 1].pk if len(rows) > _PAGE else None
    return Status(HTTPStatus.OK, {"items": [export_report(one) for one in rows[:_PAGE]], "next": next_after})


@router.get(
    "/exports/{int:job_id}", response={200: ExportReport, **LOOK_PROBLEMS}, url_name="export", operation_id="get_export"
)
def get_export(request: HttpRequest, job_id: int) -> Status[dict[str, Any]]:
    """The export as it stands."""
    return Status(HTTPStatus.OK, export_report(export_of(request, job_id)))


@router.get(
    "/exports/{int:job_id}/files/{name}",
    response=LOOK_PROBLEMS,
    url_name="export-file",
    operation_id="get_export_file",
    openapi_extra={
        "responses": {
            200: {
                "description": "The file.",
                "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
            }
        }
    },
)
def get_export_file(request: HttpRequest, job_id: int, name: str) -> HttpResponseBase:
    """One of its files, as bytes, or a redirect (302) to where they lie. 404 until it is ready."""
    try:
        return download(export_of(request, job_id), name)
    except BlobError as error:
        raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


def export_report(export: Export) -> dict[str, Any]:
    """The one shape in which the command line and the API tell of an export."""
    files = export.files if export.is_offered else []
    return {
        "job": export.job_id,
        "status": export.job.status,
        "format": export.format,
        "dataset": export.job.dataset.name,
        "version": export.version.number if export.version else None,
        "pictures": export.pictures,
        "size_bytes": export.size_bytes,
        "ready": export.is_offered,
        "summary": export.job.summary,
        "files": [{**file, "url": reverse("api:export-file", args=[export.job_id, file["name"]])} for file in files],
    }
