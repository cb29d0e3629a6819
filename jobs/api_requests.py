"""What the operations of the API ask of a request: who calls, what is named, which key makes two requests one."""

import hashlib

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from datasets.access import seen_by
from datasets.models import Dataset
from jobs.api_schemas import Problem
from jobs.export_models import Export
from jobs.models import Job
from jobs.spec import InvalidSpec

_MAX_KEY_LENGTH = 255

#: Every error has one shape.
PROBLEMS = dict.fromkeys((400, 401, 403, 404, 409, 413, 422, 503), Problem)


def caller(request: HttpRequest) -> User:
    """Whose token or session it is."""
    user: User = request.auth  # type: ignore[attr-defined]
    return user


def job_of(request: HttpRequest, job_id: int) -> Job:
    """For somebody who sees it. Raises Http404."""
    return get_object_or_404(
        Job.objects.select_related("dataset").filter(seen_by(caller(request), "dataset__")), pk=job_id
    )


def dataset_of(request: HttpRequest, slug: str) -> Dataset:
    """For somebody who sees it. Raises Http404."""
    return get_object_or_404(Dataset.objects.filter(seen_by(caller(request))), slug=slug)


def export_of(request: HttpRequest, job_id: int) -> Export:
    """For somebody who sees it. Raises Http404."""
    exports = Export.objects.select_related("job__dataset", "version")
    return get_object_or_404(exports.filter(seen_by(caller(request), "job__dataset__")), pk=job_id)


def submit_key(request: HttpRequest) -> str:
    """What the job is stored under: the caller's own, so that nobody meets another's job. Raises InvalidSpec."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return ""
    if not 1 <= len(key) <= _MAX_KEY_LENGTH:
        raise InvalidSpec("Idempotency-Key", f"The key has 1 to {_MAX_KEY_LENGTH} characters.")
    return hashlib.sha256(f"{caller(request).pk}:{key}".encode()).hexdigest()
