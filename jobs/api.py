"""The JSON API under /api/v1/: a thin door to the same services as the pages, the admin and the commands.

Callers send a personal token (`Authorization: Bearer px_…`), or a browser's session with its CSRF token.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path, re_path, reverse
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Query
from ninja.responses import Status

from jobs import crawl_services, services
from jobs.api_access import BrowserAuth, TokenAuth
from jobs.api_errors import PROBLEM_TYPE, add_handlers, method_not_allowed, unknown_address
from jobs.api_requests import (
    LOOK_PROBLEMS,
    PROBLEMS,
    SENT_ONCE,
    JsonParser,
    caller,
    job_of,
    known_parameters_only,
    submit_key,
)
from jobs.api_schemas import CrawlBody, JobReport, RetryBody, TopUpBody
from jobs.datasets_api import router as datasets_router
from jobs.exports_api import router as exports_router
from jobs.lists_api import JobFilters, JobLines, job_lines
from jobs.lists_api import router as lists_router
from jobs.looks_api import router as looks_router
from jobs.reports import job_report
from jobs.spec import parse_filters

Report = dict[str, Any]


class Api(NinjaAPI):
    """Its operations answer 401 by themselves, where the site's pages lead to sign-in; every error is a problem."""

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        patterns, app_name, namespace = super().urls
        operations = [one for one in patterns if isinstance(one, URLPattern) and one.name != "api-root"]
        for one in operations:
            one.callback = login_not_required(_told_by_problems(one.callback))
        # ninja reverses the root to name its operations. Behind everything else: whatever there is below it.
        root = path("", unknown_address, name="api-root")
        return [*operations, root, re_path(r"[\s\S]+", unknown_address, name="unknown")], app_name, namespace

    def get_openapi_schema(self, **options: Any) -> Any:
        """ninja's, with the errors under the content type that they have."""
        schema = super().get_openapi_schema(**options)
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= HTTPStatus.BAD_REQUEST and "content" in answer:
                        answer["content"] = {PROBLEM_TYPE: next(iter(answer["content"].values()))}
        return schema


def _told_by_problems(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view, with its 405 as a problem; ninja's is a word of plain text."""

    @wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return method_not_allowed(request, ", ".join(sorted(response["Allow"].split(", "))))
        return response

    return csrf_exempt(told)


api = Api(
    title="PixCrawler",
    version="1",
    description="Start crawls, follow them, retry what failed, check datasets and take them away.",
    urls_namespace="api",
    auth=[TokenAuth(), BrowserAuth()],
    parser=JsonParser(),
    # Its page needs inline scripts, which the Content-Security-Policy forbids: pixcrawler.api_page is ours.
    docs_url=None,
    openapi_url=None,
)
add_handlers(api)
api.add_decorator(known_parameters_only)
api.add_router("", lists_router)
api.add_router("", datasets_router)
api.add_router("", exports_router)
api.add_router("", looks_router)


@api.get("/openapi.json", include_in_schema=False, url_name="openapi-json")
def get_description(request: HttpRequest) -> dict[str, Any]:
    """This description, for programs."""
    return dict(api.get_openapi_schema())


@api.post(
    "/jobs/", response={201: JobReport, **PROBLEMS}, url_name="jobs", operation_id="create_job", openapi_extra=SENT_ONCE
)
def create_job(request: HttpRequest, response: HttpResponse, body: CrawlBody) -> Status[Report]:
    """Starts a crawl. The same `Idempotency-Key` header again gives the same job, and starts nothing.

    With that key and another body it is refused.
    """
    key, digest = submit_key(request, body)
    job = crawl_services.submit_crawl(
        crawl_services.CrawlRequest(
            dataset=body.dataset,
            keywords=tuple(body.keywords),
            sources=tuple(body.sources),
            per_label=body.per_label,
            filters=parse_filters(
                min_size=body.min_size,
                format=body.format,
                orientation=body.orientation,
                colour=body.colour,
                licence=body.licence,
                safe_search=body.safe_search,
                after=body.after,
                before=body.before,
            ),
            url_list=body.urls,
            url_format="text",
            dry_run=body.dry_run,
            submit_key=key,
            submit_digest=digest,
        ),
        by=caller(request),
    )
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(HTTPStatus.CREATED, job_report(job))


@api.get("/jobs/", response={200: JobLines, **LOOK_PROBLEMS}, url_name="jobs", operation_id="list_jobs")
def list_jobs(request: HttpRequest, filters: Query[JobFilters]) -> Status[Report]:
    """The jobs on datasets that the caller sees, newest first."""
    return Status(HTTPStatus.OK, job_lines(request, filters))


@api.get("/jobs/{int:job_id}", response={200: JobReport, **LOOK_PROBLEMS}, url_name="job", operation_id="get_job")
def get_job(request: HttpRequest, job_id: int) -> Status[Report]:
    """The job as it stands: status, counters, reasons."""
    return Status(HTTPStatus.OK, job_report(job_of(request, job_id)))


@api.post(
    "/jobs/{int:job_id}/retry", response={202: JobReport, **PROBLEMS}, url_name="job-retry", operation_id="retry_job"
)
def retry_job(request: HttpRequest, job_id: int, body: RetryBody | None = None) -> Status[Report]:
    """Runs again what failed or was not done. 409 where the job still runs or has nothing to retry."""
    body = body or RetryBody()
    job = services.retry_job(job_id=job_of(request, job_id).pk, by=caller(request), reasons=body.reasons, run=body.run)
    return Status(HTTPStatus.ACCEPTED, job_report(job))


@api.post(
    "/jobs/{int:job_id}/top-up",
    response={202: JobReport, **PROBLEMS},
    url_name="job-top-up",
    operation_id="top_up_job",
)
def top_up_job(request: HttpRequest, job_id: int, body: TopUpBody) -> Status[Report]:
    """Looks for more images per label, behind where each source stopped. 409 where it still runs or all is taken."""
    job = services.top_up(job_id=job_of(request, job_id).pk, by=caller(request), images=body.images, run=body.run)
    return Status(HTTPStatus.ACCEPTED, job_report(job))


@api.post(
    "/jobs/{int:job_id}/cancel",
    response={202: JobReport, **PROBLEMS},
    url_name="job-cancel",
    operation_id="cancel_job",
)
def cancel_job(request: HttpRequest, job_id: int) -> Status[Report]:
    """Stops the job; what it kept so far stays. 409 where it has ended."""
    return Status(
        HTTPStatus.ACCEPTED, job_report(services.cancel_job(job_id=job_of(request, job_id).pk, by=caller(request)))
    )


@api.post(
    "/jobs/{int:job_id}/pause",
    response={202: JobReport, **PROBLEMS},
    url_name="job-pause",
    operation_id="pause_job",
)
def pause_job(request: HttpRequest, job_id: int) -> Status[Report]:
    """Lets the job wait. 409 where it has ended or waits already."""
    job = services.pause_job(job_id=job_of(request, job_id).pk, by=caller(request))
    return Status(HTTPStatus.ACCEPTED, job_report(job))


@api.post(
    "/jobs/{int:job_id}/resume",
    response={202: JobReport, **PROBLEMS},
    url_name="job-resume",
    operation_id="resume_job",
)
def resume_job(request: HttpRequest, job_id: int) -> Status[Report]:
    """Lets a paused job go on where it stopped. 409 where it is not paused."""
    job = services.resume_job(job_id=job_of(request, job_id).pk, by=caller(request))
    return Status(HTTPStatus.ACCEPTED, job_report(job))


@api.post(
    "/jobs/{int:job_id}/chunks/{int:chunk_id}/retry",
    response={202: JobReport, **PROBLEMS},
    url_name="chunk-retry",
    operation_id="retry_chunk",
)
def retry_chunk(request: HttpRequest, job_id: int, chunk_id: int) -> Status[Report]:
    """Runs one chunk of an ended job again. 409 where the job still runs, or the chunk did not fail."""
    job = services.retry_chunks(job_id=job_of(request, job_id).pk, chunk_ids=[chunk_id], by=caller(request))
    return Status(HTTPStatus.ACCEPTED, job_report(job))
