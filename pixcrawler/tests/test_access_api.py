"""Who reaches what of the API: every operation, asked by everybody, with a session and with tokens of each scope."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern

from datasets.models import Dataset
from jobs.api import api
from jobs.token_models import Scope
from pixcrawler.tests.access_world import (
    EVERYBODY,
    OPERATORS,
    SEE_PRIVATE,
    SIGNED_IN,
    World,
    make_world,
    what_there_is,
)

pytestmark = pytest.mark.django_db

#: "open": whoever is known; "list": the same, and it tells only of datasets that the caller sees; "look": whoever sees
#: the dataset; "act": whoever sees it and is an operator; "make": whoever is an operator.
OPERATIONS = {
    "create_job": "act",
    "list_jobs": "list",
    "get_job": "look",
    "retry_job": "act",
    "top_up_job": "act",
    "cancel_job": "act",
    "pause_job": "act",
    "resume_job": "act",
    "retry_chunk": "act",
    "start_dry_run": "act",
    "list_looks": "look",
    "list_chunks": "look",
    "list_findings": "look",
    "list_activity": "look",
    "list_sources": "open",
    "list_datasets": "list",
    "create_dataset": "make",
    "get_dataset": "look",
    "list_images": "look",
    "get_report": "look",
    "validate_dataset": "act",
    "repair_dataset": "act",
    "create_export": "act",
    "list_exports": "look",
    "get_export": "look",
    "get_export_file": "look",
}

#: What those answer who may. Nothing is damaged, running or written in the walked datasets: such requests conflict.
MAY = {200, 201, 202, 409}
#: The export of the walked datasets has no files yet.
NOT_THERE_YET = {"get_export_file"}

#: Addresses of the API that are no operation: the description, and whatever there is not.
NO_OPERATIONS = {"openapi-json", "api-root", "unknown"}

_BODIES: dict[str, dict[str, Any]] = {
    "create_job": {"keywords": ["robin"], "sources": ["sample"], "per_label": 1},
    "create_dataset": {"name": "New birds"},
    "top_up_job": {"images": 1},
    "create_export": {"format": "csv", "policy": {"allow_unknown_licence": True}},
    "repair_dataset": {},
    "validate_dataset": {},
}

#: How somebody calls: with a session, or with a token of a scope.
WAYS = ("session", *Scope.values)
CALLERS = [("anonymous", "session"), *((who, way) for who in SIGNED_IN for way in WAYS)]


@pytest.fixture
def world() -> World:
    return make_world()


def _operations() -> list[tuple[str, str, str]]:
    """(method, path, name) of each operation."""
    return [
        (method, path, operation["operationId"])
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method, operation in methods.items()
    ]


def _caller(world: World, who: str, way: str) -> Client:
    return world.client(who) if way == "session" else world.script(who, Scope(way))


def _send(client: Client, method: str, path: str, name: str, dataset: Dataset) -> Any:
    job = dataset.jobs.earliest("pk")
    chunk = job.chunks.earliest("pk")
    address = path.format(job_id=job.pk, chunk_id=chunk.pk, slug=dataset.slug, name="manifest.csv")
    if method == "get":
        return client.get(address)
    body = _BODIES.get(name)
    if name == "create_job":
        body = {**_BODIES[name], "dataset": dataset.name}
    return client.post(address, body, content_type="application/json")


def test_every_operation_and_every_address_has_a_row() -> None:
    assert {name for _, _, name in _operations()} == OPERATIONS.keys()
    patterns = [pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern)]
    described = {path for _, path, _ in _operations()}
    for pattern in patterns:
        path = "/api/v1/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        assert path in described or pattern.name in NO_OPERATIONS


@pytest.mark.parametrize("kind", ["private", "shared"])
@pytest.mark.parametrize(("who", "way"), CALLERS)
def test_nobody_reaches_more_than_the_rules_give(world: World, who: str, way: str, kind: str) -> None:
    dataset: Dataset = getattr(world, kind)
    client = _caller(world, who, way)
    sees = who in (SEE_PRIVATE if kind == "private" else SIGNED_IN)
    writes = who in OPERATORS and way != Scope.READ
    allowed = {
        "open": who != "anonymous", "list": who != "anonymous", "look": sees, "act": sees and writes, "make": writes,
    }  # fmt: skip
    wrong = []
    for method, path, name in _operations():
        may = allowed[OPERATIONS[name]]
        before = () if may else what_there_is()
        response = _send(client, method, path, name, dataset)
        answers = MAY | ({404} if name in NOT_THERE_YET else set())
        is_refused = response.status_code in {401, 403, 404} or "taken by a dataset" in response.text
        if (may and response.status_code not in answers) or (not may and not is_refused):
            wrong.append((name, response.status_code, response.text))
        if not may and what_there_is() != before:
            wrong.append((name, response.status_code, "was refused, and changed something"))
        if not may and kind == "private" and who in OPERATORS and way != Scope.READ and response.status_code == 403:
            wrong.append((name, 403, "tells that it is there"))
        if OPERATIONS[name] == "list" and (f'"{dataset.slug}"' in response.text) != sees:
            wrong.append((name, response.status_code, "tells of what is not seen, or hides what is"))
    assert not wrong, wrong


@pytest.mark.parametrize(("who", "way"), CALLERS)
def test_the_description_is_for_whoever_is_known(world: World, who: str, way: str) -> None:
    response = _caller(world, who, way).get("/api/v1/openapi.json")

    assert response.status_code == (401 if who == "anonymous" else 200)


@pytest.mark.parametrize("who", EVERYBODY)
def test_what_there_is_not_tells_nobody_anything(world: World, who: str) -> None:
    answers = [world.client(who).get(path) for path in ("/api/v1/", "/api/v1/users", "/api/v1/datasets/x/secrets")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert len({answer.text for answer in answers}) == 1


def test_a_session_acts_with_its_csrf_token_alone(world: World) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(world.people["administrator"])
    before = what_there_is()

    answers = {
        name: _send(browser, method, path, name, world.shared).status_code
        for method, path, name in _operations()
        if method == "post"
    }

    assert set(answers.values()) == {403}
    assert what_there_is() == before
