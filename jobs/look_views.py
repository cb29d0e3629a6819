"""What a dry run's page needs beside the page itself: the thumbnails of pictures that were tried, and its button."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST

from jobs.look_models import LookThumbnail
from jobs.look_services import start_for_real
from jobs.services import Refused
from jobs.spec import InvalidSpec
from jobs.views import visible_job


@require_GET
@cache_control(private=True, max_age=3600)
def thumbnail(request: HttpRequest, pk: int, chunk_pk: int, n: int) -> HttpResponse:
    """One picture that was tried; the next run of the dry run may replace it."""
    job = visible_job(request, pk)
    found = get_object_or_404(LookThumbnail, look__chunk=chunk_pk, look__chunk__job=job, n=n)
    return HttpResponse(bytes(found.content), content_type="image/jpeg")


@require_POST
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Starts the crawl that the dry run looked at, and leads to it."""
    visible_job(request, pk)
    try:
        return redirect(start_for_real(job_id=pk, by=cast(User, request.user)))
    except (Refused, InvalidSpec) as refusal:
        messages.warning(request, refusal.message)
        return redirect("job", pk=pk)
