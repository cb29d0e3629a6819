"""The page for what went wrong in this process: one for a database that is away, one for everything else."""

import sys
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error as django_server_error

#: When a client is to ask again, in seconds.
RETRY_AFTER_S = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, called while the error is being handled: 503 where the database does not answer."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        page = HttpResponse(render_to_string("503.html"), status=HTTPStatus.SERVICE_UNAVAILABLE)
        page["Retry-After"] = str(RETRY_AFTER_S)
        return page
    return django_server_error(request)
