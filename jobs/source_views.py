"""The page of sources: how each is doing, and a button that asks it now."""

import hashlib
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from datasets.access import Right, require
from jobs import doorbell, source_health, wiring
from jobs.context import frame_token, health_of
from jobs.source_lines import source_lines

_POLL_S = 5


@require_GET
def sources(request: HttpRequest) -> HttpResponse:
    return render(request, "jobs/sources.html", _context(request))


@require_GET
def sources_live(request: HttpRequest) -> HttpResponse:
    version = _version(request)
    if version and version == request.GET.get("v"):
        return HttpResponse(status=204)
    return render(request, "jobs/_sources_live.html", _context(request))


@require_POST
def check_source(request: HttpRequest, name: str) -> HttpResponse:
    """Lets a worker ask the source now; the page shows what came of it by itself."""
    require(cast(User, request.user), Right.START)
    titles = {info.name: info.title for info in wiring.source_infos() if info.url or info.needs_url}
    if name not in titles:
        raise Http404
    if doorbell.ring_source(name):
        messages.success(request, f"{titles[name]} is being asked. What it answers shows below within seconds.")
    else:
        messages.warning(request, "The queue is unreachable, so no worker can ask. “manage.py sources --check” can.")
    return redirect("sources")


def _context(request: HttpRequest) -> dict[str, Any]:
    # Before what is shown: a change in between is drawn by the next poll, never taken for seen.
    version = _version(request)
    return {"lines": source_lines(), "poll_s": _POLL_S, "version": version}


def _version(request: HttpRequest) -> str:
    """Names what the page shows, without a query; "": Redis is away."""
    frame = frame_token(health_of(request))
    return hashlib.sha256(f"{frame} {source_health.version()}".encode()).hexdigest()[:12] if frame else ""
