"""Requests made up from the API's own description: none ends in a 5xx, and every answer is one that it describes.

Bounded and the same in every run: so many examples per operation, without chance. The first test shows that the checks
find what they are there for.
"""

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from pytest_django import Settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jobs.api import api
from jobs.token_models import Scope
from pixcrawler.tests.access_world import World, make_world
from pixcrawler.wsgi import application

pytestmark = pytest.mark.django_db

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_EXAMPLES = 6
_DESCRIPTION = "/api/v1/openapi.json"

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Any]], Any]

OPERATIONS = sorted(
    operation["operationId"]
    for methods in api.get_openapi_schema(path_prefix="").get("paths", {}).values()
    for operation in methods.values()
)


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """Requests go through WSGI in the transaction of the test, whose connection stays open, as with Django's client."""
    settings.API_REQUESTS_PER_MINUTE = 0
    ends = (request_started, request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    yield make_world()
    for end in ends:
        end.connect(close_old_connections)


#: The description as an application serves it, and its operations by name: the same for all tests.
_described: dict[Wsgi, dict[str, APIOperation[Any, Any, Any, Any]]] = {}


def _operation(app: Wsgi, name: str, headers: dict[str, str]) -> APIOperation[Any, Any, Any, Any]:
    if app not in _described:
        schema = schemathesis.openapi.from_wsgi(_DESCRIPTION, app, headers=headers)
        found = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
        _described[app] = {one.definition.raw["operationId"]: one for one in found}
    return _described[app][name]


def _tried(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, headers: dict[str, str], **parameters: Any
) -> list[int]:
    """The statuses of the answers. Raises FailureGroup for one that the description does not have."""
    statuses: list[int] = []

    @given(case=operation.as_strategy(generation_mode=mode, **parameters))
    @settings(
        max_examples=_EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def try_one(case: Any) -> None:
        response = case.call(headers=headers)
        statuses.append(response.status_code)
        case.validate_response(response, checks=_CHECKS)

    try:
        try_one()
    except Unsatisfiable:
        # An operation without parameters and body cannot be asked wrongly.
        assert mode == GenerationMode.NEGATIVE
    return statuses


def _there(world: World) -> dict[str, Any]:
    """What names something in an address."""
    job = world.private.jobs.earliest("pk")
    return {
        "job_id": job.pk, "chunk_id": job.chunks.earliest("pk").pk, "slug": world.private.slug, "name": "manifest.csv",
    }  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_made_up_requests_get_answers_that_the_description_has(world: World, name: str) -> None:
    headers = world.headers("owner", Scope.WRITE)
    operation = _operation(application, name, headers)
    there = {
        parameter["name"]: _there(world)[parameter["name"]]
        for parameter in operation.definition.raw["parameters"]
        if parameter["in"] == "path"
    }

    right = _tried(operation, GenerationMode.POSITIVE, headers)
    wrong = _tried(operation, GenerationMode.NEGATIVE, headers)
    about_something = _tried(operation, GenerationMode.POSITIVE, headers, path_parameters=there) if there else right

    assert right
    assert HTTPStatus.UNAUTHORIZED not in {*right, *wrong, *about_something}
    if name != "get_export_file":
        assert set(about_something) - {HTTPStatus.NOT_FOUND}


def _unheard(*_head: Any) -> Callable[[bytes], object]:
    """What the API says of status and headers, which the planted fault replaces."""
    return lambda _: None


def _no_planned_field(report: dict[str, Any]) -> dict[str, Any]:
    del report["items"]
    return report


@pytest.mark.parametrize(
    ("status", "content_type", "change", "told"),
    [
        ("500 Internal Server Error", "application/problem+json", None, "Server error"),
        ("418 I'm a Teapot", "application/problem+json", None, "Undocumented status code"),
        ("200 OK", "text/html", None, "Undocumented Content-Type"),
        ("200 OK", "application/json", _no_planned_field, "Response violates schema"),
    ],
)
def test_what_is_wrong_is_found(
    world: World, status: str, content_type: str, change: Callable[[dict[str, Any]], dict[str, Any]] | None, told: str
) -> None:
    """A fault is planted between the API and whoever asks."""

    def faulty(environ: Environ, start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == _DESCRIPTION:
            return application(environ, start_response)
        body = b"".join(application(environ, _unheard))
        if change:
            body = json.dumps(change(json.loads(body))).encode()
        start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    headers = world.headers("owner", Scope.WRITE)

    with pytest.raises(FailureGroup) as error:
        _tried(_operation(faulty, "list_datasets", headers), GenerationMode.POSITIVE, headers)

    assert told in str([str(one.title) for one in error.value.exceptions])
