"""Pages of jobs: what they show, and that their buttons do their work."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from datasets.tests.factories import ImageFactory
from jobs import planner, progress, scheduler, services
from jobs.models import Chunk, Job, Status
from jobs.tests.drain import drain
from jobs.tests.factories import ChunkFactory, FindingFactory, JobFactory, LabelTargetFactory
from jobs.tests.test_crawl import submit

pytestmark = pytest.mark.django_db

FORM = {"dataset": "Birds", "keywords": "robin\ntit", "sources": ["sample"], "per_label": "5", "min_size": "64x64"}


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ana"))
    return client


@pytest.fixture
def running() -> Job:
    job = submit(keywords=("robin",), sources=("sample",), per_label=20)
    planner.plan(job.pk)
    job.refresh_from_db()
    progress.rebuild(job)
    return job


@pytest.mark.parametrize("name", ["overview", "jobs", "crawl-new", "datasets", "system", "account"])
def test_every_page_needs_a_login(client: Client, name: str) -> None:
    response = client.get(reverse(name))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("login"))


def test_a_poll_after_the_session_ended_leads_the_whole_page_to_sign_in(client: Client, running: Job) -> None:
    response = client.get(reverse("job-live", args=[running.pk]), headers={"HX-Request": "true"})

    assert reverse("login") in response["HX-Redirect"]


def test_health_answers_without_a_login(client: Client) -> None:
    assert client.get("/healthz").status_code == 200


def test_an_empty_installation_explains_itself(page: Client) -> None:
    text = page.get(reverse("overview")).content.decode()

    assert "No crawl yet" in text
    assert reverse("start-sample") in text


def test_the_sample_crawl_starts_from_the_overview(page: Client) -> None:
    response = page.post(reverse("start-sample"))

    assert response["Location"] == reverse("job", args=[Job.objects.get().pk])


def test_a_crawl_starts_from_the_form(page: Client) -> None:
    response = page.post(reverse("crawl-new"), FORM)

    job = Job.objects.get()
    assert response["Location"] == reverse("job", args=[job.pk])
    assert (job.dataset.name, job.created_by, job.dry_run) == ("Birds", User.objects.get(), False)
    assert sorted(job.targets.values_list("label", "wanted")) == [("robin", 5), ("tit", 5)]


def test_a_form_that_is_sent_twice_makes_one_job(page: Client) -> None:
    first = page.post(reverse("crawl-new"), {**FORM, "submit_key": "k1"})
    second = page.post(reverse("crawl-new"), {**FORM, "submit_key": "k1"})

    assert first["Location"] == second["Location"]


def test_the_dry_run_button_makes_a_dry_run(page: Client) -> None:
    page.post(reverse("crawl-new"), {**FORM, "dry_run": "1"})

    assert Job.objects.get().dry_run


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dataset": ""}, "Give the dataset a name."),
        ({"keywords": ""}, "Give at least one keyword"),
        ({"sources": []}, "Choose at least one source."),
        ({"per_label": "0"}, "Images per label lie between 1 and"),
        ({"per_label": "many"}, "Write a whole number"),
        ({"min_size": "big"}, "is not a size"),
        ({"sources": ["urls"], "keywords": "", "urls": ""}, "The list holds no addresses"),
        ({"sources": ["urls"], "urls": "url,label\n,robin"}, "has no address"),
    ],
)
def test_a_form_that_cannot_start_says_what_to_mend(page: Client, changes: dict[str, object], told: str) -> None:
    response = page.post(reverse("crawl-new"), {**FORM, **changes})

    assert response.status_code == 422
    assert told in response.content.decode()
    assert 'role="alert"' in response.content.decode()
    assert not Job.objects.exists()


def test_a_pasted_list_of_addresses_is_crawled_by_label(page: Client) -> None:
    listed = "url,label\nhttps://a.example/1.jpg,robin\nhttps://a.example/2.jpg,tit"
    page.post(reverse("crawl-new"), {**FORM, "sources": ["urls"], "keywords": "", "urls": listed})

    assert sorted(Job.objects.get().listed_urls.values_list("label", "url")) == [
        ("robin", "https://a.example/1.jpg"),
        ("tit", "https://a.example/2.jpg"),
    ]


def test_the_form_is_filled_from_a_job_to_run_again(page: Client) -> None:
    page.post(reverse("crawl-new"), {**FORM, "keywords": "bird: robin, tit"})

    text = page.get(reverse("crawl-new"), {"from": Job.objects.get().pk}).content.decode()

    assert "bird: robin, tit" in text
    assert 'value="Birds"' in text


def test_a_list_of_addresses_is_filled_in_to_run_again(page: Client) -> None:
    listed = 'url,label\nhttps://a.example/1.jpg,"robin, red"\nhttps://a.example/2.jpg,tit'
    values = {**FORM, "sources": ["urls"], "keywords": "", "urls": listed}
    page.post(reverse("crawl-new"), {**values, "dry_run": "1"})

    form = page.get(reverse("crawl-new"), {"from": Job.objects.get().pk}).context["form"]
    page.post(reverse("crawl-new"), {**values, "urls": form.initial["urls"]})

    dry, real = Job.objects.order_by("pk")
    columns = ("label", "position", "url")
    assert list(real.listed_urls.values_list(*columns)) == list(dry.listed_urls.values_list(*columns))


def test_the_estimate_counts_and_warns(page: Client) -> None:
    values = {**FORM, "keywords": "a\nb\na", "sources": ["sample", "urls"]}
    text = page.post(reverse("crawl-estimate"), values).content.decode()

    assert "<dd>2</dd>" in text
    assert "1 repeated line" in text
    assert "List of URLs does not tell the licence" in text


def test_a_running_job_shows_its_numbers_and_polls(page: Client, running: Job) -> None:
    Chunk.objects.filter(job=running).update(found=9, kept=6, duplicate=1, rejected=2)
    progress.rebuild(running)

    text = page.get(reverse("job", args=[running.pk])).content.decode()

    assert "6 of 20 images kept" in text
    assert 'id="n-found">9<' in text
    assert 'hx-trigger="every 2s"' in text


def test_an_unchanged_poll_is_answered_without_a_look_at_the_job(
    page: Client, running: Job, django_assert_max_num_queries: object
) -> None:
    version = progress.version(running.pk) or ""
    with django_assert_max_num_queries(3):  # type: ignore[operator]  # session, user, the right to see it
        response = page.get(reverse("job-live", args=[running.pk]), {"v": version})

    assert response.status_code == 204


def test_a_changed_poll_brings_the_new_numbers(page: Client, running: Job) -> None:
    response = page.get(reverse("job-live", args=[running.pk]), {"v": "old"})

    assert response.status_code == 200
    assert f"v={progress.version(running.pk)}" in response.content.decode()


def test_a_change_while_a_poll_is_answered_is_drawn_by_the_next_one(page: Client, running: Job) -> None:
    """The version that the page is given is never newer than the rows that it shows."""

    def change_after_the_row_was_read(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if sql.startswith("SELECT") and 'FROM "jobs_job"' in sql:
            progress.touch(running.pk)
        return result

    with connection.execute_wrapper(change_after_the_row_was_read):
        response = page.get(reverse("job-live", args=[running.pk]), {"v": "old"})

    next_poll = page.get(reverse("job-live", args=[running.pk]), {"v": response.context["version"]})
    assert next_poll.status_code == 200


def test_polling_stops_with_the_job(page: Client) -> None:
    job = drain(submit(keywords=("robin",), sources=("sample",), per_label=3))

    response = page.get(reverse("job-live", args=[job.pk]), {"v": "old"})

    assert response.status_code == 286
    assert "hx-get" not in response.content.decode()


def test_a_finished_job_shows_what_the_database_has(page: Client) -> None:
    job = drain(submit(keywords=("robin",), sources=("sample",), per_label=6))

    text = page.get(reverse("job", args=[job.pk])).content.decode()

    for name in progress.OUTCOME_COUNTERS:
        assert f'id="n-{name}">{getattr(job, name)}<' in text
    assert job.summary in text


def test_a_failed_chunk_is_explained_and_retried_from_the_page(page: Client) -> None:
    job = JobFactory.create(status=Status.FAILED, summary="Every chunk failed.")
    LabelTargetFactory.create(job=job)
    chunk = ChunkFactory.create(job=job, status=Status.FAILED, window=0, error="Openverse refused. Check the token.")

    text = page.get(reverse("job", args=[job.pk])).content.decode()
    assert "robin × sample stopped" in text
    assert "Openverse refused. Check the token." in text

    response = page.post(reverse("chunk-retry", args=[job.pk, chunk.pk]), follow=True)
    chunk.refresh_from_db()
    assert chunk.status == Status.PENDING
    assert "Retry is under way." in response.content.decode()


@pytest.mark.parametrize(
    ("status", "chunk_status", "word"),
    [(Status.FAILED, None, "Try again"), (Status.CANCELLED, Status.CANCELLED, "Go on"),
     (Status.FAILED, Status.FAILED, "Retry failed"), (Status.COMPLETED, Status.COMPLETED, "")],
)  # fmt: skip
def test_a_retry_is_offered_where_it_has_something_to_do(
    page: Client, status: Status, chunk_status: Status | None, word: str
) -> None:
    job = JobFactory.create(status=status)
    LabelTargetFactory.create(job=job)
    if chunk_status:
        ChunkFactory.create(job=job, status=chunk_status, error="It broke.")

    response = page.get(job.get_absolute_url())

    assert response.context["view"].retry_word == word
    assert ('id="retry"' in response.content.decode()) is bool(word)
    if word:
        page.post(reverse("job-retry", args=[job.pk]))
        job.refresh_from_db()
        assert job.status == Status.PENDING


def test_failures_are_grouped_by_reason_with_advice(page: Client) -> None:
    chunk = ChunkFactory.create(status=Status.COMPLETED, found=2, failed=2)
    FindingFactory.create_batch(2, chunk=chunk, outcome="failed", reason="timeout")

    text = page.get(reverse("job", args=[chunk.job_id])).content.decode()

    assert "2 downloads failed: timeout" in text
    assert "A retry often brings them." in text


def test_a_refused_verb_says_why(page: Client, running: Job) -> None:
    response = page.post(reverse("job-retry", args=[running.pk]), follow=True)

    assert "is still processing. Wait until it ends" in response.content.decode()


def test_cancel_ends_the_job_and_keeps_its_page(page: Client, running: Job) -> None:
    page.post(reverse("job-cancel", args=[running.pk]))

    running.refresh_from_db()
    assert running.status == Status.CANCELLED
    assert not scheduler.sweep()


def test_pause_and_resume_are_offered_in_turn(page: Client, running: Job) -> None:
    page.post(reverse("job-pause", args=[running.pk]))
    paused = page.get(reverse("job", args=[running.pk])).content.decode()
    again = page.post(reverse("job-pause", args=[running.pk]), follow=True).content.decode()
    page.post(reverse("job-resume", args=[running.pk]))
    resumed = page.get(reverse("job", args=[running.pk])).content.decode()

    assert ("Paused" in paused, 'id="resume"' in paused, 'id="pause"' in paused) == (True, True, False)
    assert "cannot be paused" in again
    assert ('id="resume"' in resumed, 'id="pause"' in resumed) == (False, True)


def test_a_paused_job_is_neither_planned_nor_rung(page: Client) -> None:
    job = submit(keywords=("robin",), sources=("sample",), per_label=3)
    services.pause_job(job_id=job.pk, by=None)

    assert not planner.plan(job.pk)
    assert not scheduler.sweep()


def test_who_may_only_look_finds_no_button_and_is_refused(client: Client, running: Job) -> None:
    client.force_login(User.objects.create_user("viewer"))

    text = client.get(reverse("job", args=[running.pk])).content.decode()

    assert 'id="cancel"' not in text
    assert client.post(reverse("job-cancel", args=[running.pk])).status_code == 403
    assert client.get(reverse("crawl-new")).status_code == 403
    running.refresh_from_db()
    assert running.cancel_requested_at is None


def test_no_worker_is_said_where_something_waits(page: Client, running: Job) -> None:
    for name, arguments in (("overview", []), ("system", []), ("job", [running.pk])):
        assert "No worker is running" in page.get(reverse(name, args=arguments)).content.decode()


def test_a_job_is_stored_and_told_while_redis_is_away(page: Client, dead_redis: None) -> None:
    page.post(reverse("crawl-new"), FORM)

    text = page.get(reverse("job", args=[Job.objects.get().pk])).content.decode()

    assert "waits: the queue does not answer" in text


def test_the_jobs_list_filters_counts_and_pages(page: Client) -> None:
    JobFactory.create_batch(31, status=Status.COMPLETED)
    JobFactory.create(status=Status.FAILED)

    everything = page.get(reverse("jobs")).content.decode()
    failed = page.get(reverse("jobs"), {"state": "attention"}).content.decode()
    oldest = page.get(reverse("jobs"), {"after": Job.objects.order_by("pk")[2].pk}).content.decode()

    assert 'All <span class="count">32</span>' in everything
    assert 'Needs attention <span class="count">1</span>' in everything
    assert everything.count('<th scope="row">') == 30
    assert failed.count('<th scope="row">') == 1
    assert oldest.count('<th scope="row">') == 2


def test_a_search_by_one_label_tells_the_target_of_all(page: Client) -> None:
    job = JobFactory.create()
    LabelTargetFactory.create(job=job, label="robin", wanted=5)
    LabelTargetFactory.create(job=job, label="tit", wanted=7)

    (shown, _), *others = page.get(reverse("jobs"), {"q": "robin"}).context["jobs"]

    assert (shown.wanted, others) == (12, [])


def test_a_form_without_its_token_is_explained() -> None:
    client = Client(enforce_csrf_checks=True)

    response = client.post(reverse("login"), {"username": "ana", "password": "x"})

    assert response.status_code == 403
    assert "This form is out of date" in response.content.decode()


def test_a_strangers_text_is_shown_as_text(page: Client) -> None:
    image = ImageFactory.create(title="<script>alert(1)</script>", creator="<b>x</b>", job_id=JobFactory.create().pk)

    text = page.get(image.get_absolute_url()).content.decode()

    assert "<script>alert" not in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text
