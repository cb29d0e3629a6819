"""What is answered when something went wrong in this process: a page, or for the API its JSON."""

import sys
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import bad_request as django_bad_request
from django.views.defaults import server_error as django_server_error

from jobs import api_errors

#: When a client is to ask again, in seconds.
RETRY_AFTER_S = 5


#: Below it every error is JSON, those too that happen before the API is asked.
API = "/api/v1/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400, such as for a host name that this installation does not answer to."""
    if request.path_info.startswith(API):
        return api_errors.problem(
            HTTPStatus.BAD_REQUEST, "The request cannot be read, or names a host that this installation is not."
        )
    return django_bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, called while the error is being handled: 503 where the database does not answer."""
    is_away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    if request.path_info.startswith(API):
        return api_errors.database_away(request) if is_away else api_errors.unexpected(request)
    if is_away:
        page = HttpResponse(render_to_string("503.html"), status=HTTPStatus.SERVICE_UNAVAILABLE)
        page["Retry-After"] = str(RETRY_AFTER_S)
        return page
    return django_server_error(request)
