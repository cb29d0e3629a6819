"""What the operations of the API ask of a request: who calls, what is named, which key makes two requests one."""

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja.parser import Parser
from pydantic import BaseModel

from datasets.access import seen_by
from datasets.models import Dataset
from jobs.api_schemas import MAX_ID, Problem
from jobs.export_models import Export
from jobs.models import Job
from jobs.spec import InvalidSpec

_MAX_KEY_LENGTH = 255
_JSON = "application/json"

#: What operations that look may answer with, and those that act. Every error has one shape. 405 is the address's.
LOOK_PROBLEMS = dict.fromkeys((401, 404, 422, 429, 500, 503), Problem)
PROBLEMS = LOOK_PROBLEMS | dict.fromkeys((400, 403, 409, 413, 415), Problem)

#: Of operations that make something; `submit_key` reads it.
SENT_ONCE: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "description": "The same key and request again give what the first one made.",
            "schema": {"type": "string", "minLength": 1, "maxLength": _MAX_KEY_LENGTH, "pattern": "^[ -~]*$"},
        }
    ]
}


class SubmitKey(NamedTuple):
    """What makes two requests one: the caller's key, and what was asked for under it; "" and "": nothing does."""

    key: str = ""
    digest: str = ""


class NotJson(ValueError):
    """The body is said to be something else than JSON; the message says what to send."""

    def __init__(self, content_type: str) -> None:
        told = f"“{content_type[:100]}”" if content_type else "nothing"
        self.message = f"The body is said to be {told}. Send JSON, with the header “Content-Type: {_JSON}”."
        super().__init__(self.message)


class JsonParser(Parser):
    """Bodies are JSON and say so."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Raises NotJson, and ValueError for what is no JSON."""
        if request.content_type != _JSON:
            raise NotJson(request.content_type or "")
        body: dict[str, Any] = json.loads(request.body)
        return body


def known_parameters_only(view: Callable[..., Any]) -> Callable[..., Any]:
    """For every operation: a parameter that it does not have is told, not passed over. Raises InvalidSpec."""
    models = [model for model in view._ninja_operation.models if model.__ninja_param_source__ == "query"]  # type: ignore[attr-defined]
    known = {name for model in models for name in model.__ninja_flatten_map__}

    @wraps(view)
    def checked(request: HttpRequest, **values: Any) -> Any:
        for name in request.GET:
            if name not in known:
                raise InvalidSpec(name or "?", f"There is no such parameter here. Known are: {_listed(known)}.")
        return view(request, **values)

    return checked


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


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
    if job_id > MAX_ID:
        # Of a foreign key Django does not know by itself that no row has it.
        raise Http404
    exports = Export.objects.select_related("job__dataset", "version")
    return get_object_or_404(exports.filter(seen_by(caller(request), "job__dataset__")), pk=job_id)


def submit_key(request: HttpRequest, body: BaseModel) -> SubmitKey:
    """The caller's own key, so that nobody meets another's job, and what is asked for under it. Raises InvalidSpec."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return SubmitKey()
    if not 1 <= len(key) <= _MAX_KEY_LENGTH:
        raise InvalidSpec("Idempotency-Key", f"The key has 1 to {_MAX_KEY_LENGTH} characters.")
    # With its defaults filled in, and in the fields' order: two spellings of one request are the same.
    asked = f"{request.path_info}\n{body.model_dump_json()}"
    return SubmitKey(_sha256(f"{caller(request).pk}:{key}"), _sha256(asked))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
