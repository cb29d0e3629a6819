"""The JSON API, called as a script does (a token) and as a browser does (a session)."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from datasets.models import Dataset
from datasets.tests.factories import ImageFactory
from datasets.tests.people import operator
from jobs.models import Job, Status
from jobs.reports import job_report
from jobs.spec import CrawlSpec
from jobs.tests.factories import ChunkFactory, FindingFactory, JobFactory, LabelTargetFactory
from jobs.token_models import ApiToken, Scope
from jobs.tokens import create_token

pytestmark = pytest.mark.django_db

_JOBS = "/api/v1/jobs/"
_CRAWL = {"dataset": "birds", "keywords": ["bird: robin, wren"], "sources": ["sample"], "per_label": 5}


@pytest.fixture
def user() -> User:
    return operator()


@pytest.fixture
def script(user: User) -> Client:
    """A caller with a personal token."""
    token = create_token(user, "script", scope=Scope.WRITE)
    return Client(headers={"Authorization": f"Bearer {token}"}, enforce_csrf_checks=True)


def _post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(path, body, content_type="application/json", headers=headers)


def _assert_problem(response: Any, status: int, *, field: str | None = None) -> str:
    """The one shape of an error; gives its detail."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail"} | ({"field"} if field else set())
    assert (body["type"], body["status"], body.get("field")) == ("about:blank", status, field)
    assert body["title"]
    detail: str = body["detail"]
    assert detail.endswith((".", ")"))
    return detail


def test_a_crawl_is_created_as_the_callers(script: Client, user: User) -> None:
    response = _post(script, _JOBS, {**_CRAWL, "min_size": "100x80", "dry_run": True})

    job = Job.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"/api/v1/jobs/{job.pk}"
    assert response.json() == {**job_report(job), "status": "pending", "seconds": 0.0}
    assert (job.created_by, job.dataset.name, job.dry_run) == (user, "birds", True)
    spec = CrawlSpec.from_json(job.spec)
    assert [(k.label, k.keyword) for k in spec.keywords] == [("bird", "robin"), ("bird", "wren")]
    assert (spec.sources, spec.per_label) == (("sample",), 5)
    assert (spec.filters.min_width_px, spec.filters.min_height_px) == (100, 80)


def test_a_list_of_addresses_is_stored_with_the_job(script: Client) -> None:
    urls = ["https://photos.example/1.jpg", "https://photos.example/2.jpg"]

    response = _post(script, _JOBS, {"dataset": "mine", "sources": ["urls"], "per_label": 5, "urls": urls})

    assert response.status_code == 201
    assert list(Job.objects.get().listed_urls.order_by("position").values_list("url", flat=True)) == urls


def test_a_job_is_told_in_the_shape_of_the_command_line(script: Client) -> None:
    job = JobFactory.create(status=Status.COMPLETED, found=1, rejected=1)
    chunk = ChunkFactory.create(job=job, status=Status.COMPLETED)
    FindingFactory.create(chunk=chunk, outcome="rejected", reason="too_small")

    response = script.get(f"{_JOBS}{job.pk}")

    assert response.status_code == 200
    assert response.json() == job_report(job)
    assert response.json()["reasons"] == {"too_small": 1}


def test_a_failed_job_is_retried(script: Client) -> None:
    job = JobFactory.create(status=Status.FAILED)
    LabelTargetFactory.create(job=job)
    ChunkFactory.create(job=job, status=Status.FAILED)

    response = _post(script, f"{_JOBS}{job.pk}/retry")

    assert response.status_code == 202
    assert response.json()["status"] == "pending"
    job.refresh_from_db()
    assert (job.status, job.run) == (Status.PENDING, 2)


def test_a_retry_that_is_refused_is_a_conflict(script: Client) -> None:
    job = JobFactory.create(status=Status.PROCESSING)

    detail = _assert_problem(_post(script, f"{_JOBS}{job.pk}/retry"), 409)

    assert detail.startswith(f"Job {job.pk} is still processing.")


def test_a_job_is_cancelled_once(script: Client) -> None:
    job = JobFactory.create()

    assert _post(script, f"{_JOBS}{job.pk}/cancel").json()["status"] == "cancelled"
    _assert_problem(_post(script, f"{_JOBS}{job.pk}/cancel"), 409)


@pytest.mark.parametrize("path", ["", "/retry", "/cancel"])
@pytest.mark.parametrize("number", [10**6, 10**30])
def test_a_job_that_is_not_there_is_not_found(script: Client, path: str, number: int) -> None:
    url = f"{_JOBS}{number}{path}"

    _assert_problem(_post(script, url) if path else script.get(url), 404)


# -- who may call --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer px_wrong"}, {"Authorization": "Basic YTpi"}])
def test_a_stranger_is_told_so_in_json_and_not_led_to_sign_in(method: str, headers: dict[str, str]) -> None:
    url = _JOBS if method == "post" else f"{_JOBS}{JobFactory.create().pk}"

    response = getattr(Client(headers=headers, enforce_csrf_checks=True), method)(url)

    assert "Bearer" in _assert_problem(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_token_opens_nothing(script: Client, user: User) -> None:
    ApiToken.objects.all().delete()

    _assert_problem(script.get(f"{_JOBS}{JobFactory.create().pk}"), 401)


def test_a_wrong_token_is_not_made_good_by_a_session(user: User) -> None:
    browser = Client(headers={"Authorization": "Bearer px_wrong"})
    browser.force_login(user)

    _assert_problem(browser.get(f"{_JOBS}{JobFactory.create().pk}"), 401)


def test_a_signed_in_browser_reads_without_more_ado(user: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    assert browser.get(f"{_JOBS}{JobFactory.create().pk}").status_code == 200


def test_a_signed_in_browser_writes_with_its_csrf_token_alone(user: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    assert "CSRF" in _assert_problem(_post(browser, _JOBS, _CRAWL), 403)
    assert not Job.objects.exists()

    browser.cookies[settings.CSRF_COOKIE_NAME] = token = "a" * 32
    assert _post(browser, _JOBS, _CRAWL, **{"X-CSRFToken": token}).status_code == 201


def test_the_description_of_the_api_is_for_people_who_signed_in(user: User) -> None:
    browser = Client()
    _assert_problem(browser.get("/api/v1/openapi.json"), 401)

    browser.force_login(user)
    paths = browser.get("/api/v1/openapi.json").json()["paths"]

    assert set(paths["/api/v1/jobs/{job_id}/retry"]) == {"post"}


# -- strict bodies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hue", "red"),
        ("dataset", ""),
        ("dataset", "a\x00b"),
        ("dataset", "a\ud800b"),
        ("dataset", "x" * 121),
        ("dataset", None),
        ("dataset", 7),
        ("keywords", "robin"),
        ("keywords", []),
        ("keywords", [["robin"]]),
        ("keywords", ["ro\x00bin"]),
        ("keywords", ["a\nb"]),
        ("keywords", ["x" * 201]),
        ("keywords", ["robin"] * 10_001),
        ("sources", []),
        ("sources", ["nowhere"]),
        ("sources", ["sample"] * 51),
        ("per_label", 0),
        ("per_label", -1),
        ("per_label", 10**400),
        ("per_label", 1e308),
        ("per_label", 5.5),
        ("per_label", float("nan")),
        ("per_label", float("inf")),
        ("per_label", "5"),
        ("per_label", True),
        ("min_size", "wide"),
        ("min_size", "0x0"),
        ("min_size", [64, 64]),
        ("per_label", 10**30),
        ("urls", []),
        ("urls", ["https://photos.example/1.jpg"]),
        ("urls", ["https://photos.example/\x00"]),
        ("dry_run", "yes"),
    ],
)
def test_a_field_that_cannot_be_taken_is_named(script: Client, field: str, value: object) -> None:
    _assert_problem(_post(script, _JOBS, {**_CRAWL, field: value}), 422, field=field)

    assert not Job.objects.exists()
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("field", ["dataset", "sources", "per_label"])
def test_a_missing_field_is_named(script: Client, field: str) -> None:
    body = {name: value for name, value in _CRAWL.items() if name != field}

    _assert_problem(_post(script, _JOBS, body), 422, field=field)


def test_the_entry_of_a_list_that_cannot_be_taken_is_named(script: Client) -> None:
    response = _post(script, _JOBS, {**_CRAWL, "keywords": ["robin", "wr\x00en"]})

    assert _assert_problem(response, 422, field="keywords").startswith("keywords[1]: ")


@pytest.mark.parametrize("body", ["{", "\xff", "[" * 100_000, '{"per_label": ' + "9" * 5000 + "}"])
def test_a_body_that_is_not_json_is_refused(script: Client, body: str) -> None:
    response = script.post(_JOBS, body.encode("latin-1"), content_type="application/json")

    _assert_problem(response, 400)


@pytest.mark.parametrize("body", ["", "[]", "7", "null", '"text"'])
def test_a_body_that_is_no_object_is_refused(script: Client, body: str) -> None:
    response = script.post(_JOBS, body, content_type="application/json")

    _assert_problem(response, 422, field="body")


def test_a_body_beyond_the_limit_is_refused(script: Client) -> None:
    response = _post(script, _JOBS, {**_CRAWL, "urls": ["x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE]})

    _assert_problem(response, 413)


# -- sent twice ----------------------------------------------------------------------------------------------------


def test_a_request_that_is_sent_twice_is_one_job(script: Client) -> None:
    first = _post(script, _JOBS, _CRAWL, **{"Idempotency-Key": "k" * 255})
    second = _post(script, _JOBS, _CRAWL, **{"Idempotency-Key": "k" * 255})

    assert first.json()["job"] == second.json()["job"]
    assert Job.objects.count() == 1


def test_the_same_key_of_two_people_is_two_jobs(script: Client) -> None:
    other = Client(headers={"Authorization": f"Bearer {create_token(operator(), 'script', scope='write')}"})

    _post(script, _JOBS, _CRAWL, **{"Idempotency-Key": "monday"})
    _post(other, _JOBS, {**_CRAWL, "dataset": "fish"}, **{"Idempotency-Key": "monday"})

    assert Job.objects.count() == 2


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_cannot_be_stored_is_named(script: Client, key: str) -> None:
    _assert_problem(_post(script, _JOBS, _CRAWL, **{"Idempotency-Key": key}), 422, field="Idempotency-Key")


def test_a_dataset_is_validated_and_repaired(script: Client, user: User) -> None:
    image = ImageFactory.create(damage="blob_missing")
    path = f"/api/v1/datasets/{image.dataset.slug}/"

    validation = _post(script, f"{path}validate", {"level": "strict"})
    repair = _post(script, f"{path}repair", {"image": image.pk})

    assert (validation.status_code, repair.status_code) == (201, 201)
    assert [(job.kind, job.wanted, job.created_by) for job in Job.objects.order_by("pk")] == [
        ("validate", 1, user),
        ("repair", 1, user),
    ]
    assert validation.json()["kind"] == "validate"
    assert "no level “deep”" in _assert_problem(_post(script, f"{path}validate", {"level": "deep"}), 422, field="level")
    _assert_problem(_post(script, f"{path}validate", {"depth": 1}), 422, field="depth")
    _assert_problem(_post(script, f"{path}repair", {"image": 10**6}), 409)
    _assert_problem(_post(script, "/api/v1/datasets/nowhere/validate", {}), 404)


def test_a_validation_with_the_same_key_is_one_job(script: Client) -> None:
    path = f"/api/v1/datasets/{ImageFactory.create().dataset.slug}/validate"
    first, second = (_post(script, path, {}, **{"Idempotency-Key": "once"}).json()["job"] for _ in range(2))
    assert first == second


# -- lists ---------------------------------------------------------------------------------------------------------


def test_lists_go_on_behind_their_cursor(script: Client) -> None:
    job = JobFactory.create(dataset__name="Birds", dataset__slug="birds")
    chunk = ChunkFactory.create(job=job)
    for number in range(101):
        FindingFactory.create(job=job, chunk=chunk, url=f"https://photos.example/{number}.jpg")

    first = script.get(f"/api/v1/jobs/{job.pk}/findings").json()
    second = script.get(f"/api/v1/jobs/{job.pk}/findings", {"after": first["next"]}).json()

    assert (len(first["items"]), len(second["items"]), second["next"]) == (100, 1, None)
    assert second["items"][0]["url"] == "https://photos.example/100.jpg"
    assert script.get("/api/v1/jobs/").json()["items"][0]["job"] == job.pk
    assert script.get("/api/v1/datasets/").json()["items"][0]["slug"] == "birds"
    assert script.get("/api/v1/datasets/birds").json()["name"] == "Birds"
    assert script.get("/api/v1/datasets/birds/report").json()["kept"] == 0
    assert "openverse" in {source["name"] for source in script.get("/api/v1/sources").json()}


def test_the_log_of_a_job_is_listed(script: Client) -> None:
    job = Job.objects.get(pk=_post(script, _JOBS, _CRAWL).json()["job"])

    lines = script.get(f"/api/v1/jobs/{job.pk}/activity").json()["items"]

    assert lines[0]["sentence"].startswith("Submitted by")


@pytest.mark.parametrize("after", ["-1", "x", str(2**63)])
def test_a_cursor_that_is_none_is_named(script: Client, after: str) -> None:
    _assert_problem(script.get("/api/v1/datasets/", {"after": after}), 422, field="after")
