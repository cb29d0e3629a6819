"""What holds for all of the API: scopes, the rate limit, strict requests, keys that make two requests one, problems."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from datasets.models import Dataset
from datasets.ranges import MEASURES
from datasets.tests.factories import DatasetFactory, ImageFactory
from datasets.tests.people import operator
from jobs.api_access import TooManyRequests, count_request
from jobs.datasets_api import ImageFilters
from jobs.models import Job, Status
from jobs.tests.factories import ChunkFactory, FindingFactory, JobFactory, LabelTargetFactory
from jobs.token_models import Scope
from jobs.tokens import create_token

pytestmark = pytest.mark.django_db

_JOBS = "/api/v1/jobs/"
_CRAWL = {"dataset": "birds", "keywords": ["robin"], "sources": ["sample"], "per_label": 5}


@pytest.fixture
def user() -> User:
    return operator()


@pytest.fixture
def script(user: User) -> Client:
    return _with_token(create_token(user, "script", scope=Scope.WRITE))


def _with_token(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"}, enforce_csrf_checks=True)


def _post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(path, body, content_type="application/json", headers=headers)


def _problem(response: Any, status: int, *, field: str | None = None) -> str:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["type"], body["status"], body.get("field")) == ("about:blank", status, field)
    detail: str = body["detail"]
    return detail


# -- scopes --------------------------------------------------------------------------------------------------------


def test_a_token_that_may_read_looks_and_acts_not(user: User) -> None:
    reader = _with_token(create_token(user, "reader"))

    assert reader.get(_JOBS).status_code == 200
    detail = _problem(_post(reader, _JOBS, _CRAWL), 403)
    assert "scope" in detail
    assert "--scope write" in detail
    assert not Job.objects.exists()


def test_a_scope_gives_nothing_that_its_user_may_not() -> None:
    viewer = User.objects.create_user("viewer")

    script = _with_token(create_token(viewer, "script", scope=Scope.WRITE))

    assert "operator" in _problem(_post(script, _JOBS, _CRAWL), 403)


# -- how often -----------------------------------------------------------------------------------------------------


def test_an_account_has_so_many_requests_a_minute_over_all_its_tokens(settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    for _ in range(3):
        count_request(7, now_s=600.0)

    with pytest.raises(TooManyRequests) as error:
        count_request(7, now_s=640.5)

    assert error.value.retry_after_s == 20
    count_request(8, now_s=640.5)
    count_request(7, now_s=660.0)


def test_whoever_asks_too_often_is_told_when_to_go_on(user: User, settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    scripts = [_with_token(create_token(user, name)) for name in "ab"]

    # More than two minutes allow: the minute may end while they are sent.
    answers = [scripts[number % 2].get("/api/v1/sources") for number in range(5)]

    refused = next(answer for answer in answers if answer.status_code != 200)
    assert "More than 2 requests" in _problem(refused, 429)
    assert 1 <= int(refused["Retry-After"]) <= 60


def test_no_limit_is_none(user: User, settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    for _ in range(5):
        count_request(user.pk, now_s=600.0)


def test_without_redis_requests_are_let_through(script: Client, settings: Settings, dead_redis: None) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1

    assert [script.get("/api/v1/sources").status_code for _ in range(3)] == [200] * 3


# -- strict requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ('{"per_label": 1e999}', "per_label"),
        ('{"per_label": -1e999}', "per_label"),
        ('{"per_label": NaN}', "per_label"),
        ('{"per_label": 1e3}', "per_label"),
        ('{"per_label": 5.0}', "per_label"),
        ('{"dataset": "\\ud800"}', "dataset"),
        ('{"\\u0000": 1}', "\x00"),
        ('{"keywords": {"0": "robin"}}', "keywords"),
    ],
)
def test_wild_values_are_named(script: Client, written: str, field: str) -> None:
    fields = json.dumps(_CRAWL)[:-1]
    body = f"{fields}, {written[1:]}"

    _problem(script.post(_JOBS, body, content_type="application/json"), 422, field=field)
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/v1/datasets/", {"name": "a\x00b"}, "name"),
        ("/api/v1/datasets/", {"name": "x" * 121}, "name"),
        ("/api/v1/datasets/", {"name": "   "}, "name"),
        ("/api/v1/datasets/", {"name": "birds", "shared": True}, "shared"),
        ("/api/v1/datasets/{slug}/exports", {"format": "csv", "seed": True}, "seed"),
        ("/api/v1/datasets/{slug}/exports", {"format": "csv", "seed": 2**31}, "seed"),
        ("/api/v1/datasets/{slug}/exports", {"format": "csv", "shares": [1e999, 0, 0]}, "shares"),
        ("/api/v1/datasets/{slug}/exports", {"format": "csv", "policy": {"ml": True}}, "policy"),
        ("/api/v1/datasets/{slug}/exports", {"format": "csv", "version": 10**30}, "version"),
        ("/api/v1/datasets/{slug}/repair", {"image": 10**30}, "image"),
        ("/api/v1/datasets/{slug}/validate", {"level": "a\x00"}, "level"),
        ("/api/v1/jobs/{job}/top-up", {"images": 10**30}, "images"),
        ("/api/v1/jobs/{job}/top-up", {"images": True}, "images"),
        ("/api/v1/jobs/{job}/retry", {"reasons": ["timeout"] * 51}, "reasons"),
        ("/api/v1/jobs/{job}/retry", {"run": 10**30}, "run"),
    ],
)
def test_every_body_is_strict(script: Client, path: str, body: dict[str, Any], field: str) -> None:
    image = ImageFactory.create(damage="blob_missing")
    job = JobFactory.create(dataset=image.dataset, status=Status.FAILED)

    _problem(_post(script, path.format(slug=image.dataset.slug, job=job.pk), body), 422, field=field)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""]
)
@pytest.mark.parametrize("path", [_JOBS, "/api/v1/jobs/{job}/retry"])
def test_a_body_of_another_kind_is_refused(script: Client, path: str, content_type: str) -> None:
    job = JobFactory.create(status=Status.FAILED)

    response = script.generic("POST", path.format(job=job.pk), json.dumps(_CRAWL), content_type=content_type)

    assert "application/json" in _problem(response, 415, field="Content-Type")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("jobs/?before=1", "before"),
        ("jobs/?after=-1", "after"),
        ("jobs/?after=1e3", "after"),
        ("jobs/?after=" + "9" * 5000, "after"),
        ("jobs/?after=" + str(2**63), "after"),
        ("jobs/?after=%00", "after"),
        ("jobs/?status=done", "status"),
        ("jobs/?dataset=%00", "dataset"),
        ("jobs/?dataset=" + "x" * 141, "dataset"),
        ("jobs/{job}?after=1", "after"),
        ("jobs/{job}/chunks?status=done", "status"),
        ("jobs/{job}/findings?outcome=lost", "outcome"),
        ("jobs/{job}/findings?reason=luck", "reason"),
        ("jobs/{job}/findings?chunk=0", "chunk"),
        ("jobs/{job}/findings?chunk=" + str(2**63), "chunk"),
        ("jobs/{job}/activity?level=info", "level"),
        ("datasets/?after=x", "after"),
        ("datasets/?=x", "?"),
        ("datasets/{slug}/images?colour=red", "colour"),
        ("datasets/{slug}/images?label=%00", "label"),
        ("datasets/{slug}/images?q=" + "x" * 101, "q"),
        ("datasets/{slug}/images?short=wide", "short"),
        ("datasets/{slug}/images?flag=ugly", "flag"),
        ("datasets/{slug}/images?damage=luck", "damage"),
        ("datasets/{slug}/images?review=perhaps", "review"),
        ("datasets/{slug}/images?alike=perhaps", "alike"),
        ("datasets/{slug}/images?" + "&".join(["label=a"] * 51), "label"),
        ("datasets/{slug}/exports?after=-1", "after"),
        ("sources?all=1", "all"),
        ("openapi.json?format=yaml", "format"),
    ],
)
def test_parameters_that_cannot_be_taken_are_named(script: Client, path: str, field: str) -> None:
    job = JobFactory.create(dataset__slug="birds")

    _problem(script.get("/api/v1/" + path.format(job=job.pk, slug="birds")), 422, field=field)


@pytest.mark.parametrize("after", [0, 1, 2**62, 2**63 - 1])
@pytest.mark.parametrize("path", ["jobs/", "jobs/{job}/findings", "datasets/", "datasets/{slug}/images"])
def test_every_cursor_within_the_bounds_is_taken(script: Client, path: str, after: int) -> None:
    job = JobFactory.create(dataset__slug="birds")

    response = script.get("/api/v1/" + path.format(job=job.pk, slug="birds"), {"after": after})

    assert response.status_code == 200


# -- sent twice ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        (_JOBS, _CRAWL, {**_CRAWL, "per_label": 6}),
        ("/api/v1/datasets/", {"name": "birds"}, {"name": "fish"}),
        ("/api/v1/datasets/{slug}/validate", {"level": "basic"}, {"level": "strict"}),
        ("/api/v1/datasets/{slug}/repair", {}, {"image": "{image}"}),
        (
            "/api/v1/datasets/{slug}/exports",
            {"format": "csv", "policy": {"allow_unknown_licence": True}},
            {"format": "jsonl", "policy": {"allow_unknown_licence": True}},
        ),
    ],
)
def test_a_key_stands_for_one_request(script: Client, path: str, first: Any, second: Any) -> None:
    image = ImageFactory.create(damage="blob_missing", dataset__is_shared=True)
    ImageFactory.create(dataset=image.dataset)
    path = path.format(slug=image.dataset.slug)
    second = {name: image.pk if value == "{image}" else value for name, value in second.items()}
    made = Job.objects.count(), Dataset.objects.count()

    answers = [_post(script, path, first, **{"Idempotency-Key": "monday"}) for _ in range(2)]
    now = Job.objects.count(), Dataset.objects.count()
    other = _post(script, path, second, **{"Idempotency-Key": "monday"})

    assert [answer.status_code for answer in answers] == [201, 201], answers[0].content
    assert answers[0]["Location"] == answers[1]["Location"]
    assert now != made
    assert "another request" in _problem(other, 422, field="Idempotency-Key") or path.endswith("datasets/")
    assert (Job.objects.count(), Dataset.objects.count()) == now


def test_a_key_that_was_used_elsewhere_is_refused(script: Client) -> None:
    slug = ImageFactory.create().dataset.slug
    _post(script, _JOBS, _CRAWL, **{"Idempotency-Key": "monday"})

    _problem(_post(script, f"/api/v1/datasets/{slug}/validate", {}, **{"Idempotency-Key": "monday"}), 422,
             field="Idempotency-Key")  # fmt: skip


def test_defaults_that_are_written_out_are_the_same_request(script: Client) -> None:
    first = _post(script, _JOBS, _CRAWL, **{"Idempotency-Key": "monday"})
    second = _post(script, _JOBS, {**_CRAWL, "min_size": "64x64", "dry_run": False}, **{"Idempotency-Key": "monday"})

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["job"] == second.json()["job"]


# -- problems ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("", "openapi.json"),
        ("nothing", "openapi.json"),
        ("jobs", "ends with a slash"),
        ("sources/", "ends without a slash"),
        ("jobs/x", "openapi.json"),
        ("datasets/a%00b/report", "openapi.json"),
        ("datasets/a%0Ab", "openapi.json"),
        ("jobs/" + "9" * 5000, "openapi.json"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_address_that_there_is_not_is_told_as_a_problem(path: str, hint: str, method: str) -> None:
    response = getattr(Client(enforce_csrf_checks=True), method)(f"/api/v1/{path}")

    assert hint in _problem(response, 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("delete", "jobs/", "GET, POST"), ("get", "jobs/1/retry", "POST"), ("put", "jobs/1", "GET"),
     ("patch", "datasets/", "GET, POST"), ("options", "sources", "GET")],
)  # fmt: skip
def test_a_method_that_an_address_does_not_take_is_told_with_those_that_it_takes(
    script: Client, method: str, path: str, allowed: str
) -> None:
    response = getattr(script, method)(f"/api/v1/{path}")

    assert allowed in _problem(response, 405)
    assert response["Allow"] == allowed


def test_what_nobody_expected_is_logged_under_the_number_that_is_told(
    script: Client, caplog: pytest.LogCaptureFixture
) -> None:
    # No spec of a job looks like this: whoever wrote it went past the services.
    job = JobFactory.create(status=Status.FAILED, spec={"broken": True})
    LabelTargetFactory.create(job=job)
    ChunkFactory.create(job=job, status=Status.FAILED)

    detail = _problem(_post(script, f"{_JOBS}{job.pk}/top-up", {"images": 1}), 500)

    number = detail.partition("error ")[2].partition(":")[0]
    assert len(number) == 12
    assert f"error {number}" in caplog.text
    assert "KeyError" in caplog.text
    assert "KeyError" not in detail


def test_a_host_name_that_is_not_ours_is_a_problem_too() -> None:
    _problem(Client(headers={"Host": "elsewhere.example"}).get("/api/v1/sources"), 400)


@pytest.mark.parametrize("path", ["jobs/{n}", "jobs/{n}/chunks", "exports/{n}", "exports/{n}/files/manifest.csv"])
@pytest.mark.parametrize("number", [10**6, 2**63, 10**30])
def test_numbers_that_no_row_has_are_not_found(script: Client, path: str, number: int) -> None:
    _problem(script.get("/api/v1/" + path.format(n=number)), 404)


# -- operations ----------------------------------------------------------------------------------------------------


def test_a_job_is_paused_and_resumed(script: Client) -> None:
    job = JobFactory.create()

    asked = ("pause", "pause", "resume", "resume")
    assert [_post(script, f"{_JOBS}{job.pk}/{verb}").status_code for verb in asked] == [202, 409, 202, 409]


def test_a_failed_chunk_is_found_and_run_again(script: Client) -> None:
    job = JobFactory.create(status=Status.FAILED)
    LabelTargetFactory.create(job=job)
    ChunkFactory.create(job=job, status=Status.COMPLETED)
    failed = ChunkFactory.create(job=job, status=Status.FAILED, error="The source is away.")

    shown = script.get(f"{_JOBS}{job.pk}/chunks", {"status": "failed"}).json()
    answer = _post(script, f"{_JOBS}{job.pk}/chunks/{shown['items'][0]['chunk']}/retry")

    assert [(one["chunk"], one["error"]) for one in shown["items"]] == [(failed.pk, "The source is away.")]
    assert (answer.status_code, answer.json()["run"]) == (202, 2)
    failed.refresh_from_db()
    assert failed.status == Status.PENDING
    elsewhere = JobFactory.create(status=Status.FAILED)
    _problem(_post(script, f"{_JOBS}{elsewhere.pk}/chunks/{failed.pk}/retry"), 409)
    _problem(_post(script, f"{_JOBS}{job.pk}/chunks/{10**30}/retry"), 409)


def test_jobs_chunks_and_findings_are_filtered(script: Client) -> None:
    job = JobFactory.create(dataset__slug="birds", status=Status.COMPLETED)
    JobFactory.create(dataset__slug="fish")
    chunk = ChunkFactory.create(job=job)
    FindingFactory.create(chunk=chunk)
    FindingFactory.create(chunk=chunk, outcome="failed", reason="timeout")
    FindingFactory.create(chunk=ChunkFactory.create(job=job), outcome="failed", reason="dns_error")

    def found(path: str) -> int:
        return len(script.get(f"/api/v1/jobs/{path}").json()["items"])

    assert (found(""), found("?dataset=birds"), found("?status=pending&dataset=birds")) == (2, 1, 0)
    findings = f"{job.pk}/findings"
    assert found(findings) == 3
    assert found(f"{findings}?outcome=failed") == 2
    assert found(f"{findings}?outcome=failed&chunk={chunk.pk}") == 1
    assert found(f"{findings}?reason=dns_error") == 1


def test_images_are_filtered_as_in_the_gallery_and_listed_by_a_cursor(script: Client) -> None:
    dataset = DatasetFactory.create(slug="birds")
    images = [ImageFactory.create(dataset=dataset, label="robin") for _ in range(101)]
    wren = ImageFactory.create(dataset=dataset, label="wren", width_px=50, near_duplicate_of=images[0])
    left_out = ImageFactory.create(dataset=dataset, label="wren", review="excluded", damage="truncated")
    path = "/api/v1/datasets/birds/images"

    def found(query: str) -> list[int]:
        return [image["image"] for image in script.get(f"{path}?{query}").json()["items"]]

    first = script.get(path, {"label": "robin"}).json()
    second = script.get(path, {"label": "robin", "after": first["next"]}).json()
    assert (len(first["items"]), len(second["items"]), second["next"]) == (100, 1, None)
    assert second["items"][0]["sha256"] == images[0].sha256
    assert found("label=wren") == found("alike=true") == found("short=-60") == [wren.pk]
    assert found("review=excluded") == found("review=excluded&damage=truncated") == [left_out.pk]
    assert len(found("label=robin&label=wren")) == 100
    assert ImageFilters.model_fields.keys() >= MEASURES.keys()


def test_a_dataset_is_made_for_its_maker(script: Client, user: User) -> None:
    response = _post(script, "/api/v1/datasets/", {"name": "Birds of prey"})

    dataset = Dataset.objects.get()
    assert response.status_code == 201
    assert response["Location"] == "/api/v1/datasets/birds-of-prey"
    assert script.get(response["Location"]).json() == response.json()
    assert (dataset.created_by, dataset.is_shared) == (user, False)
    assert "taken" in _problem(_post(script, "/api/v1/datasets/", {"name": "Birds of prey"}), 409)


# -- pages ---------------------------------------------------------------------------------------------------------


def test_the_page_of_the_api_tells_every_operation(user: User) -> None:
    browser = Client()
    browser.force_login(user)

    page = browser.get(reverse("help-api")).text

    description = browser.get("/api/v1/openapi.json").json()
    operations = [one["operationId"] for methods in description["paths"].values() for one in methods.values()]
    assert len(operations) > 20
    assert [name for name in operations if f'id="{name}"' not in page] == []
    bodies = {name for name in description["components"]["schemas"] if name.endswith("Body")}
    assert [name for name in bodies if f'id="shape-{name}"' not in page] == []
    assert reverse("help-api") in browser.get(reverse("account")).text


def test_tokens_are_made_with_a_scope_and_days_on_the_page(user: User) -> None:
    browser = Client()
    browser.force_login(user)

    made = browser.post(reverse("token-add"), {"name": "laptop", "scope": "write", "days": "30"})
    refused = [
        browser.post(reverse("token-add"), {"name": "other", **wrong}).status_code
        for wrong in ({"scope": "all"}, {"days": "-1"}, {"days": "9" * 400}, {"days": "x"})
    ]

    assert made.status_code == 200
    assert refused == [422] * 4
    stored = user.api_tokens.get()
    assert (stored.name, stored.scope, stored.expires_at is None) == ("laptop", "write", False)


def test_no_request_is_larger_than_bodies_may_be(script: Client) -> None:
    _problem(_post(script, "/api/v1/datasets/", {"name": "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE}), 413)
