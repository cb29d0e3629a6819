"""Answers for monitors and load balancers, without a login and without details."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse


@login_not_required
def live(request: HttpRequest) -> HttpResponse:
    """200 whenever the process serves. quickstart starts the web process after the migrations."""
    return HttpResponse("ok\n", content_type="text/plain")
