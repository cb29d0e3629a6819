"""Datasets in the API: list, make, look at images and report, validate, repair."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import AfterValidator, Field

from datasets import flags, services
from datasets import queries as dataset_queries
from datasets.access import seen_by
from datasets.imaging.checks import Check
from datasets.models import Dataset, Image, Verdict
from datasets.outcomes import Reason
from datasets.queries import FACETS, Filters
from datasets.ranges import MEASURES, Range
from jobs import services as job_services
from jobs.api_requests import LOOK_PROBLEMS, PROBLEMS, SENT_ONCE, caller, dataset_of, submit_key
from jobs.api_schemas import After, DatasetBody, JobReport, RepairBody, Text, ValidateBody
from jobs.dataset_report import report_of
from jobs.lists_api import page_of
from jobs.reports import job_report
from jobs.spec import InvalidSpec

router = Router()

_IMAGES = 100
_MAX_VALUES = 50


def _is_range(value: str) -> str:
    if Range.parse(value) is None:
        raise ValueError("A range is written 400-600, -200 or 2400-.")
    return value


Chosen = Annotated[list[Annotated[Text, Field(max_length=200)]], Field(max_length=_MAX_VALUES)]
Between = Annotated[Text, Field(max_length=60, description="400-600, -200 or 2400-."), AfterValidator(_is_range)] | None


class DatasetFilters(Schema):
    """Where the list of datasets goes on."""

    after: After = None


class ImageFilters(Schema):
    """What the gallery can be filtered by; of several values of one filter, one is enough."""

    after: After = None
    label: Chosen = []
    source: Chosen = []
    licence: Chosen = []
    format: Chosen = []
    q: Annotated[Text, Field(max_length=100, description="Words in keyword, title or address.")] = ""
    alike: Annotated[bool, Field(description="Only images that look like another one.")] = False
    flag: Annotated[list[Check], Field(max_length=_MAX_VALUES)] = []
    damage: Annotated[list[Reason], Field(max_length=_MAX_VALUES)] = []
    review: Annotated[
        list[Verdict], Field(max_length=2, description="Without it all but the images that people excluded.")
    ] = []
    short: Between = None
    aspect: Between = None
    bytes: Between = None
    dark: Between = None
    light: Between = None
    low_information: Between = None
    blurry: Between = None
    near_uniform: Between = None
    odd_aspect_ratio: Between = None


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


class ImageLine(Schema):
    """An image: its label, facts, origin and rights."""

    image: int
    label: str
    keyword: str
    sha256: str
    format: str
    width: int
    height: int
    size_bytes: int
    source: str
    url: str
    page_url: str
    title: str
    creator: str
    licence: str
    licence_url: str
    attribution: str
    damage: Annotated[str, Field(description="Why the stored file is not what it was; empty: it is sound.")]
    review: Annotated[str, Field(description="kept or excluded; empty: nobody decided.")]
    near_duplicate_of: int | None


class ImageLines(Schema):
    items: list[ImageLine]
    next: int | None


@router.get(
    "/datasets/", response={200: DatasetLines, **LOOK_PROBLEMS}, url_name="datasets", operation_id="list_datasets"
)
def list_datasets(request: HttpRequest, filters: Query[DatasetFilters]) -> Status[dict[str, Any]]:
    """The datasets that the caller sees, the first one first."""
    return page_of(Dataset.objects.filter(seen_by(caller(request))), filters.after, _dataset)


@router.post(
    "/datasets/",
    response={201: DatasetLine, **PROBLEMS},
    url_name="datasets",
    operation_id="create_dataset",
    openapi_extra=SENT_ONCE,
)
def create_dataset(request: HttpRequest, response: HttpResponse, body: DatasetBody) -> Status[dict[str, Any]]:
    """Makes a dataset without images, which its maker alone sees. 409 where the name is taken.

    The same `Idempotency-Key` header again gives the same dataset.
    """
    key, _ = submit_key(request, body)
    try:
        dataset = services.create_dataset(body.name, by=caller(request), submit_key=key)
    except services.NameTaken as error:
        raise job_services.Refused(str(error)) from None
    except services.KeyTaken as error:
        raise InvalidSpec("Idempotency-Key", str(error)) from None
    except services.InvalidDataset as error:
        raise InvalidSpec("name", str(error)) from None
    response["Location"] = reverse("api:dataset", args=[dataset.slug])
    return Status(HTTPStatus.CREATED, _dataset(dataset))


@router.get(
    "/datasets/{slug:slug}",
    response={200: DatasetLine, **LOOK_PROBLEMS},
    url_name="dataset",
    operation_id="get_dataset",
)
def get_dataset(request: HttpRequest, slug: str) -> Status[dict[str, Any]]:
    """One dataset."""
    return Status(HTTPStatus.OK, _dataset(dataset_of(request, slug)))


@router.get(
    "/datasets/{slug:slug}/images",
    response={200: ImageLines, **LOOK_PROBLEMS},
    url_name="dataset-images",
    operation_id="list_images",
)
def list_images(request: HttpRequest, slug: str, filters: Query[ImageFilters]) -> Status[dict[str, Any]]:
    """The images that the filters let through, newest first."""
    dataset = dataset_of(request, slug)
    images = dataset_queries.matching(dataset, _filters_of(dataset, filters))
    if filters.after is not None:
        images = images.filter(pk__lt=filters.after)
    found = list(images.order_by("-pk")[: _IMAGES + 1])
    next_after = found[_IMAGES - 1].pk if len(found) > _IMAGES else None
    return Status(HTTPStatus.OK, {"items": [_image(image) for image in found[:_IMAGES]], "next": next_after})


@router.get(
    "/datasets/{slug:slug}/report",
    response={200: dict[str, Any], **LOOK_PROBLEMS},
    url_name="dataset-report",
    operation_id="get_report",
)
def get_report(request: HttpRequest, slug: str) -> Status[dict[str, Any]]:
    """The dataset's report: labels, licences, sizes, quality, and why images were left out."""
    return Status(HTTPStatus.OK, report_of(dataset_of(request, slug)).to_json())


@router.post(
    "/datasets/{slug:slug}/validate",
    response={201: JobReport, **PROBLEMS},
    url_name="dataset-validate",
    operation_id="validate_dataset",
    openapi_extra=SENT_ONCE,
)
def validate_dataset(
    request: HttpRequest, response: HttpResponse, slug: str, body: ValidateBody
) -> Status[dict[str, Any]]:
    """Looks at all images that the dataset has now. 409 where it has none."""
    key, digest = submit_key(request, body)
    job = job_services.submit_validation(
        dataset=dataset_of(request, slug), level=body.level, by=caller(request), submit_key=key, submit_digest=digest
    )
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(HTTPStatus.CREATED, job_report(job))


@router.post(
    "/datasets/{slug:slug}/repair",
    response={201: JobReport, **PROBLEMS},
    url_name="dataset-repair",
    operation_id="repair_dataset",
    openapi_extra=SENT_ONCE,
)
def repair_dataset(request: HttpRequest, response: HttpResponse, slug: str, body: RepairBody) -> Status[dict[str, Any]]:
    """Fetches damaged images again, and takes only the very bytes that were kept. 409 where none is damaged."""
    key, digest = submit_key(request, body)
    job = job_services.submit_repair(
        dataset=dataset_of(request, slug), image_id=body.image, by=caller(request), submit_key=key, submit_digest=digest
    )
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(HTTPStatus.CREATED, job_report(job))


def _filters_of(dataset: Dataset, given: ImageFilters) -> Filters:
    ranges = {name: Range.parse(getattr(given, name) or "") for name in MEASURES}
    return Filters(
        chosen={key: values for key in FACETS if (values := getattr(given, key))},
        search=given.q.strip(),
        only_alike=given.alike,
        ranges={name: found for name, found in ranges.items() if found},
        flags={check: flags.condition(dataset, check) for check in given.flag},
        damage=[reason.value for reason in given.damage],
        review=[verdict.value for verdict in given.review],
    )


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "slug": dataset.slug, "name": dataset.name, "images": dataset.image_count, "size_bytes": dataset.size_bytes,
        "shared": dataset.is_shared, "created_at": dataset.created_at,
    }  # fmt: skip


def _image(image: Image) -> dict[str, Any]:
    same = (
        "label", "keyword", "sha256", "format", "size_bytes", "source", "url", "page_url", "title", "creator",
        "licence_url", "attribution", "damage", "review",
    )  # fmt: skip
    return {
        **{name: getattr(image, name) for name in same},
        "image": image.pk,
        "width": image.width_px,
        "height": image.height_px,
        "licence": image.licence_code,
        "near_duplicate_of": image.near_duplicate_of_id,
    }
