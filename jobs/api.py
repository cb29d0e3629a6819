"""The JSON API under /api/v1/: a thin door to the same services as the pages, the admin and the commands.

Callers send a personal token (`Authorization: Bearer px_…`), or a browser's session with its CSRF token.
"""

# ninja calls every operation and handler with the request, and handlers with the error.
# ruff: noqa: ARG002

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, reverse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.responses import Response, Status
from ninja.security import HttpBearer, SessionAuth

from datasets.access import NotAllowed
from jobs import services
from jobs.api_requests import PROBLEMS, caller, dataset_of, job_of, submit_key
from jobs.api_schemas import CrawlBody, JobReport, RepairBody, RetryBody, TopUpBody, ValidateBody
from jobs.exports_api import router as exports_router
from jobs.lists_api import After, JobLines, job_lines
from jobs.lists_api import router as lists_router
from jobs.reports import job_report
from jobs.spec import InvalidSpec, parse_filters
from jobs.tokens import user_of_token

Report = dict[str, Any]


class TokenAuth(HttpBearer):
    """A personal token."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        return user_of_token(token)


class BrowserAuth(SessionAuth):
    """A signed-in browser, whose writing requests carry the CSRF token.

    Who is not signed in, or sent a token that does not hold, is told that, not that a CSRF token is missing.
    """

    def __call__(self, request: HttpRequest) -> User | None:
        if "Authorization" in request.headers or not request.user.is_authenticated:
            return None
        user: User | None = super().__call__(request)
        return user


class Api(NinjaAPI):
    """Its operations answer 401 by themselves, where the site's pages lead to sign-in."""

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        patterns, app_name, namespace = super().urls
        for pattern in patterns:
            if isinstance(pattern, URLPattern) and pattern.name not in _FOR_PEOPLE:
                login_not_required(cast(Callable[..., HttpResponse], pattern.callback))
        return patterns, app_name, namespace


_FOR_PEOPLE = ("openapi-json", "api-root")

api = Api(
    title="PixCrawler",
    version="1",
    description="Start crawls, follow them, and retry what failed.",
    urls_namespace="api",
    auth=[TokenAuth(), BrowserAuth()],
    # The page that shows it needs inline scripts, which the Content-Security-Policy forbids.
    docs_url=None,
)
api.add_router("", exports_router)
api.add_router("", lists_router)


@api.post("/jobs/", response={201: JobReport, **PROBLEMS}, url_name="jobs", operation_id="create_job")
def create_job(request: HttpRequest, response: HttpResponse, body: CrawlBody) -> Status[Report]:
    """Starts a crawl. The same `Idempotency-Key` header again gives the same job, and starts nothing."""
    job = services.submit_crawl(
        services.CrawlRequest(
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
            submit_key=submit_key(request),
        ),
        by=caller(request),
    )
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(HTTPStatus.CREATED, job_report(job))


@api.get("/jobs/", response={200: JobLines, **PROBLEMS}, url_name="jobs", operation_id="list_jobs")
def list_jobs(request: HttpRequest, after: After = None) -> Status[Report]:
    """The jobs on datasets that the caller sees, newest first."""
    return Status(HTTPStatus.OK, job_lines(request, after))


@api.get("/jobs/{int:job_id}", response={200: JobReport, **PROBLEMS}, url_name="job", operation_id="get_job")
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
    "/datasets/{slug}/validate",
    response={201: JobReport, **PROBLEMS},
    url_name="dataset-validate",
    operation_id="validate_dataset",
)
def validate_dataset(request: HttpRequest, response: HttpResponse, slug: str, body: ValidateBody) -> Status[Report]:
    """Looks at all images that the dataset has now. 409 where it has none."""
    job = services.submit_validation(
        dataset=dataset_of(request, slug), level=body.level, by=caller(request), submit_key=submit_key(request)
    )
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(HTTPStatus.CREATED, job_report(job))


@api.post(
    "/datasets/{slug}/repair",
    response={201: JobReport, **PROBLEMS},
    url_name="dataset-repair",
    operation_id="repair_dataset",
)
def repair_dataset(request: HttpRequest, response: HttpResponse, slug: str, body: RepairBody) -> Status[Report]:
    """Fetches damaged images again, and takes only the very bytes that were kept. 409 where none is damaged."""
    job = services.submit_repair(
        dataset=dataset_of(request, slug), image_id=body.image, by=caller(request), submit_key=submit_key(request)
    )
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(HTTPStatus.CREATED, job_report(job))


@api.exception_handler(InvalidSpec)
def _invalid_spec(request: HttpRequest, error: InvalidSpec) -> HttpResponse:
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.message, field=error.field)


@api.exception_handler(services.Refused)
def _refused(request: HttpRequest, error: services.Refused) -> HttpResponse:
    return _problem(HTTPStatus.CONFLICT, error.message)


@api.exception_handler(ValidationError)
def _invalid_request(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first = error.errors[0]
    # Of a body the first two parts name the body itself.
    path = [str(part) for part in first["loc"][2 if first["loc"][0] == "body" else 1 :]]
    where = f"{path[0]}[{path[1]}]: " if len(path) > 1 and path[1].isdigit() else ""
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}{message}.", field=path[0] if path else "body")


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    status = HTTPStatus(error.status_code)
    return _problem(status, _ADVICE.get(status, error.message))


@api.exception_handler(NotAllowed)
def _not_allowed(request: HttpRequest, error: NotAllowed) -> HttpResponse:
    return _problem(HTTPStatus.FORBIDDEN, error.message)


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return _problem(
        HTTPStatus.NOT_FOUND, "This job, dataset, export or file does not exist, was deleted, or is not ready."
    )


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return _problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large. Split the crawl into several.")


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def _database_away(request: HttpRequest, error: DatabaseError) -> HttpResponse:
    response = _problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer. Nothing that was recorded is lost; ask again in a few seconds.",
    )
    response["Retry-After"] = "5"
    return response


_ADVICE = {
    HTTPStatus.BAD_REQUEST: "The request's body is not JSON.",
    HTTPStatus.UNAUTHORIZED: "Send a personal token that holds, as “Authorization: Bearer px_…”, or sign in.",
    HTTPStatus.FORBIDDEN: "The CSRF token is missing or wrong. Send it as X-CSRFToken, or use a personal token.",
}


def _problem(status: HTTPStatus, detail: str, *, field: str | None = None) -> HttpResponse:
    """The one shape of every error (RFC 9457's title and detail, and the field where there is one)."""
    body = {"title": status.phrase, "detail": detail, **({"field": field} if field else {})}
    response: HttpResponse = Response(body, status=status, content_type="application/problem+json")
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="PixCrawler"'
    return response
