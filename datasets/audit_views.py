"""The page of who did what, for administrators."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from datasets import audit
from datasets.access import Right, require
from datasets.audit_models import Verb


@require_GET
def entries(request: HttpRequest) -> HttpResponse:
    require(cast(User, request.user), Right.AUDIT)
    actor = request.GET.get("who", "").replace("\x00", "")[:150]
    verb, after = request.GET.get("what", ""), request.GET.get("after", "")
    found, next_after = audit.page(
        actor=actor, verb=verb, after=int(after) if after.isdecimal() and len(after) < 19 else None
    )
    context = {"entries": found, "who": actor, "what": verb, "verbs": Verb.choices, "next_after": next_after}
    return render(request, "datasets/audit.html", context)
