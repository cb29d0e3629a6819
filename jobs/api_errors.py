"""What the API says when something is wrong: RFC 9457 (problem+json), in one shape, whatever it was."""

# ninja calls every handler with the request and the error.
# ruff: noqa: ARG001

import logging
import uuid
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.responses import Response

from datasets.access import NotAllowed
from jobs.api_access import ScopeMissing, TooManyRequests
from jobs.api_requests import NotJson
from jobs.services import Refused
from jobs.spec import InvalidSpec

log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"

#: Of a field's name, which the caller may have chosen, no more is repeated.
_FIELD_LENGTH = 100

_ADVICE = {
    HTTPStatus.BAD_REQUEST: "The request's body is not JSON.",
    HTTPStatus.UNAUTHORIZED: "Send a personal token that holds, as “Authorization: Bearer px_…”, or sign in.",
    HTTPStatus.FORBIDDEN: "The CSRF token is missing or wrong. Send it as X-CSRFToken, or use a personal token.",
}


def problem(status: HTTPStatus, detail: str, *, field: str = "", headers: dict[str, str] | None = None) -> HttpResponse:
    """The one shape of every error; `field` is the part of the request that it is about."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    if field:
        body["field"] = field[:_FIELD_LENGTH]
    response: HttpResponse = Response(body, status=status, content_type=PROBLEM_TYPE)
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def _invalid_spec(request: HttpRequest, error: InvalidSpec) -> HttpResponse:
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.message, field=error.field)


def _refused(request: HttpRequest, error: Refused) -> HttpResponse:
    return problem(HTTPStatus.CONFLICT, error.message)


def _invalid_request(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first = error.errors[0]
    # The first part says where it stands, the second one is our name for all that stands there: callers know neither.
    where, *path = (str(part) for part in first["loc"])
    if where == "body" or path[0] == "filters":
        path = path[1:]
    entry = f"{path[0]}[{path[1]}]: " if len(path) > 1 and path[1].isdigit() else ""
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{entry}{message}.", field=path[0] if path else "body")


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, NotJson):
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error.__cause__.message, field="Content-Type")
    status = HTTPStatus(error.status_code)
    challenge = {"WWW-Authenticate": 'Bearer realm="PixCrawler"'} if status == HTTPStatus.UNAUTHORIZED else None
    return problem(status, _ADVICE.get(status, error.message), headers=challenge)


def _not_allowed(request: HttpRequest, error: NotAllowed | ScopeMissing) -> HttpResponse:
    return problem(HTTPStatus.FORBIDDEN, error.message)


def _too_many(request: HttpRequest, error: TooManyRequests) -> HttpResponse:
    return problem(HTTPStatus.TOO_MANY_REQUESTS, error.message, headers={"Retry-After": str(error.retry_after_s)})


def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(
        HTTPStatus.NOT_FOUND, "This job, dataset, export or file does not exist, was deleted, or is not ready."
    )


def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large. Split the crawl into several.")


def database_away(request: HttpRequest, error: DatabaseError | None = None) -> HttpResponse:
    """503, for a while."""
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer. Nothing that was recorded is lost; ask again in a few seconds.",
        headers={"Retry-After": "5"},
    )


def unexpected(request: HttpRequest, error: Exception | None = None) -> HttpResponse:
    """500, with a number under which the log has the rest."""
    number = uuid.uuid4().hex[:12]
    log.error("The API failed at %s %r (error %s).", request.method, request.path, number, exc_info=error or True)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"Something went wrong here that should not. The log has it as error {number}: give that number to whoever "
        "runs this installation. Whether the request took effect is seen by asking for what it was about.",
    )


_HANDLERS: dict[type[Exception], Any] = {
    InvalidSpec: _invalid_spec,
    Refused: _refused,
    ValidationError: _invalid_request,
    HttpError: _http_error,
    NotAllowed: _not_allowed,
    ScopeMissing: _not_allowed,
    TooManyRequests: _too_many,
    Http404: _not_found,
    RequestDataTooBig: _too_big,
    OperationalError: database_away,
    InterfaceError: database_away,
    Exception: unexpected,
}


def add_handlers(api: NinjaAPI) -> None:
    """Makes the API answer every error by this module."""
    for error, handler in _HANDLERS.items():
        api.add_exception_handler(error, handler)


def method_not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    """405; `allowed` are the methods that there are, as the header has them."""
    detail = f"{request.method} is not for this address. It takes: {allowed}."
    return problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed})


@csrf_exempt
@login_not_required
def unknown_address(request: HttpRequest) -> HttpResponse:
    """What lies below the API's address and is none of its operations."""
    hint = "Its description has them all: /api/v1/openapi.json, or the page “The API” of your account."
    if _is_known(f"{request.path_info}/"):
        hint = "Its address ends with a slash."
    elif _is_known(request.path_info.rstrip("/")):
        hint = "Its address ends without a slash."
    return problem(HTTPStatus.NOT_FOUND, f"The API has no operation at this address. {hint}")


def _is_known(path: str) -> bool:
    try:
        return resolve(path).func is not unknown_address
    except Resolver404:
        return False
