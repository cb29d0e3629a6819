"""The admin: what may be looked at, and the actions on jobs and chunks."""

from typing import Any

import pytest
from celery import current_app
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from django_celery_results.models import TaskResult

from datasets.models import Dataset, Image
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory
from jobs.models import Chunk, Job, Status
from jobs.tests.factories import (
    ActivityFactory,
    ApiTokenFactory,
    ChunkFactory,
    FindingFactory,
    JobFactory,
    LabelTargetFactory,
    ListedUrlFactory,
)
from jobs.token_models import ApiToken

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory.create(is_staff=True, is_superuser=True)


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _list(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


def _act(browser: Client, action: str, *rows: Any) -> list[str]:
    """Runs an action on rows, as the list's form does; gives what it said, without the marks of its links."""
    response = browser.post(
        reverse(f"admin:{rows[0]._meta.app_label}_{rows[0]._meta.model_name}_changelist"),
        {"action": action, "_selected_action": [row.pk for row in rows]},
        follow=True,
    )
    assert response.status_code == 200
    return [strip_tags(str(message)) for message in response.context["messages"]]


def _failed_job() -> Job:
    job = JobFactory.create(status=Status.FAILED)
    LabelTargetFactory.create(job=job)
    ChunkFactory.create(job=job, status=Status.FAILED)
    return job


def _remember_task(task: str, argument: int) -> TaskResult:
    """A row of the history, written as a worker's result backend writes it."""
    request = type(
        "Request",
        (),
        {"task": task, "args": [argument], "kwargs": {}, "argsrepr": f"[{argument}]", "hostname": "celery@here"},
    )
    current_app.backend.store_result(f"task-{argument}", "done", "SUCCESS", request=request)
    return TaskResult.objects.get(task_id=f"task-{argument}")


# -- looking -------------------------------------------------------------------------------------------------------


def test_every_list_and_page_can_be_looked_at_and_searched(browser: Client) -> None:
    finding = FindingFactory.create()
    image = ImageFactory.create(job_id=finding.job_id)
    task = _remember_task("jobs.tasks.crawl_images_task", finding.job_id)
    rows = [
        finding, finding.job, finding.chunk, image, image.dataset, task, ActivityFactory.create(),
        LabelTargetFactory.create(), ListedUrlFactory.create(), ApiTokenFactory.create(),
    ]  # fmt: skip

    for row in rows:
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}"
        assert browser.get(reverse(f"{name}_changelist"), {"q": "robin"}).status_code == 200
        assert browser.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200
        assert browser.get(reverse(f"{name}_add")).status_code == 403


def test_what_the_program_writes_cannot_be_changed(browser: Client) -> None:
    finding = FindingFactory.create()
    image = ImageFactory.create()
    task = _remember_task("jobs.tasks.crawl_images_task", finding.job_id)

    for row in (finding, finding.job, finding.chunk, image, task, ActivityFactory.create(), ApiTokenFactory.create()):
        url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        assert browser.post(url, {"status": "completed"}).status_code == 403
        assert 'name="_save"' not in browser.get(url).text


def test_jobs_are_found_by_dataset_and_keyword(browser: Client) -> None:
    by_name = JobFactory.create(dataset__name="Forest fungi")
    by_keyword = ChunkFactory.create(keyword="tiger shark").job
    ChunkFactory.create(job=by_keyword, keyword="tiger moth")

    assert list(browser.get(_list("jobs_job"), {"q": "fungi"}).context["cl"].result_list) == [by_name]
    assert list(browser.get(_list("jobs_job"), {"q": "tiger"}).context["cl"].result_list) == [by_keyword]


def test_the_list_of_jobs_tells_the_target_and_the_failed_chunks(browser: Client) -> None:
    job = JobFactory.create(found=7, kept=7)
    LabelTargetFactory.create(job=job, label="robin", wanted=10)
    LabelTargetFactory.create(job=job, label="wren", wanted=20)
    ChunkFactory.create_batch(3, job=job, status=Status.FAILED)

    page = browser.get(_list("jobs_job")).text

    assert "7 of 30" in page
    assert '<td class="field-chunks_failed">3</td>' in page


def test_a_job_leads_to_its_chunks_findings_and_log(browser: Client) -> None:
    finding = FindingFactory.create()
    FindingFactory.create()

    page = browser.get(reverse("admin:jobs_job_change", args=[finding.job_id])).text

    for model in ("jobs_chunk", "jobs_finding", "jobs_activity", "jobs_labeltarget"):
        assert f'href="{_list(model)}?job__id__exact={finding.job_id}"' in page
    listed = browser.get(_list("jobs_finding"), {"job__id__exact": finding.job_id}).context["cl"].result_list
    assert list(listed) == [finding]


def test_an_image_is_shown_small_and_leads_to_its_page_and_job(browser: Client) -> None:
    image = ImageFactory.create(job_id=7)

    page = browser.get(reverse("admin:datasets_image_change", args=[image.pk])).text

    assert f'href="{image.get_absolute_url()}"' in page
    assert f'src="{reverse("image-thumb", args=[image.dataset.slug, image.pk])}"' in page
    assert f'href="{reverse("admin:jobs_job_change", args=[7])}"' in page


def test_the_text_of_a_source_is_shown_as_text(browser: Client) -> None:
    chunk = ChunkFactory.create(keyword="<script>alert(1)</script>", traceback="<b>Traceback</b>", task_id="<i>")
    FindingFactory.create(chunk=chunk, detail="<img src=x>")
    ImageFactory.create(label='"><script>')

    pages = [
        browser.get(url).text
        for url in (
            _list("jobs_chunk"),
            reverse("admin:jobs_chunk_change", args=[chunk.pk]),
            _list("jobs_finding"),
            _list("datasets_image"),
        )
    ]

    for text in ("<script>alert", "<b>Traceback", "<img src=x>", '"><script>', "<i>"):
        assert not any(text in page for page in pages)


def test_a_dataset_is_renamed_and_nothing_else_of_it_written(browser: Client) -> None:
    dataset = DatasetFactory.create(image_count=3)
    url = reverse("admin:datasets_dataset_change", args=[dataset.pk])

    browser.post(url, {"name": "  Forest   fungi ", "image_count": 99, "slug": "other"})

    changed = Dataset.objects.get()
    assert (changed.name, changed.slug, changed.image_count) == ("Forest fungi", dataset.slug, 3)


def test_two_datasets_never_share_a_name(browser: Client) -> None:
    DatasetFactory.create(name="Forest fungi")
    other = DatasetFactory.create(name="Birds")

    response = browser.post(reverse("admin:datasets_dataset_change", args=[other.pk]), {"name": "Forest  fungi"})

    assert "already exists" in response.text
    assert Dataset.objects.filter(name="Birds").exists()


# -- actions -------------------------------------------------------------------------------------------------------


def test_jobs_are_retried_and_refusals_told_in_words(browser: Client, user: User) -> None:
    failed = [_failed_job() for _ in range(3)]
    running = JobFactory.create(status=Status.PROCESSING)

    result, sentence = _act(browser, "retry", *failed, running)

    assert result == f"Retried 3, refused 1 (still running). {', '.join(f'Job {job.pk}' for job in reversed(failed))}"
    assert sentence.startswith(f"Job {running.pk} is still processing.")
    assert set(Job.objects.values_list("status", "run")) == {(Status.PENDING, 2), (Status.PROCESSING, 1)}
    assert set(LogEntry.objects.values_list("user", "object_id", "change_message")) == {
        (user.pk, str(job.pk), "Retried by an action.") for job in failed
    }


def test_refusals_of_several_kinds_are_counted_apart(browser: Client) -> None:
    running = JobFactory.create_batch(2, status=Status.PROCESSING)
    complete = ChunkFactory.create(job__status=Status.COMPLETED, status=Status.COMPLETED).job

    result, *sentences = _act(browser, "retry", *running, complete)

    assert result == "Retried 0, refused 3 (2 still running, 1 nothing to retry)."
    assert len(sentences) == 3
    assert not LogEntry.objects.exists()


def test_jobs_are_cancelled(browser: Client) -> None:
    pending = JobFactory.create()
    ended = JobFactory.create(status=Status.COMPLETED)
    stopping = ChunkFactory.create(job__status=Status.PROCESSING, status=Status.PROCESSING).job

    assert _act(browser, "cancel", pending, ended, stopping)[0].startswith("Cancelled 2, refused 1 (already ended).")
    assert _act(browser, "cancel", stopping)[0] == "Cancelled 0, refused 1 (being cancelled already)."
    pending.refresh_from_db()
    assert pending.status == Status.CANCELLED


def test_a_chunk_is_retried(browser: Client) -> None:
    job = _failed_job()
    other = ChunkFactory.create(job=job, status=Status.FAILED)

    assert _act(browser, "retry", job.chunks.exclude(pk=other.pk).get()) == [f"Retried 1. Job {job.pk}"]

    assert sorted(Chunk.objects.values_list("status", flat=True)) == [Status.FAILED, Status.PENDING]


def test_who_may_only_look_is_offered_no_action() -> None:
    watcher = UserFactory.create(is_staff=True)
    watcher.user_permissions.add(Permission.objects.get(codename="view_job"))
    browser = Client()
    browser.force_login(watcher)
    job = _failed_job()

    assert "Retry selected jobs" not in browser.get(_list("jobs_job")).text
    _act(browser, "retry", job)

    job.refresh_from_db()
    assert job.status == Status.FAILED


def test_a_job_is_deleted_after_a_confirmation_and_its_images_stay(browser: Client) -> None:
    job = _failed_job()
    FindingFactory.create(chunk=job.chunks.get(), job=job)
    ImageFactory.create(dataset=job.dataset, job_id=job.pk)
    url = reverse("admin:jobs_job_delete", args=[job.pk])

    assert "1 chunk and 1 finding" in browser.get(url).text
    assert Job.objects.exists()
    browser.post(url, {"post": "yes"})

    assert not Job.objects.exists()
    assert Image.objects.count() == 1
    assert LogEntry.objects.get().is_deletion()


def test_a_job_under_way_cannot_be_deleted(browser: Client) -> None:
    job = JobFactory.create(status=Status.PROCESSING)

    assert browser.post(reverse("admin:jobs_job_delete", args=[job.pk]), {"post": "yes"}).status_code == 403
    assert Job.objects.exists()


def test_jobs_are_not_deleted_by_the_dozen(browser: Client) -> None:
    job = _failed_job()

    _act(browser, "delete_selected", job)

    assert Job.objects.exists()


def test_a_token_is_revoked_by_deleting_it_and_its_digest_never_shown(browser: Client) -> None:
    token = ApiTokenFactory.create()

    assert token.digest not in browser.get(reverse("admin:jobs_apitoken_change", args=[token.pk])).text
    browser.post(reverse("admin:jobs_apitoken_delete", args=[token.pk]), {"post": "yes"})

    assert not ApiToken.objects.exists()


# -- Celery's history ----------------------------------------------------------------------------------------------


def test_every_task_leads_to_its_job(browser: Client) -> None:
    chunk = ChunkFactory.create(pk=1_000)
    planned = _remember_task("jobs.tasks.crawl_images_task", chunk.job_id)
    crawled = _remember_task("jobs.tasks.crawl_chunk_task", chunk.pk)
    job = f'<a href="{reverse("admin:jobs_job_change", args=[chunk.job_id])}">Job {chunk.job_id}</a>'

    assert browser.get(_list("django_celery_results_taskresult")).text.count(job) == 2
    for task in (planned, crawled):
        url = reverse("admin:django_celery_results_taskresult_change", args=[task.pk])
        assert job in browser.get(url).text


def test_a_task_of_a_deleted_job_or_of_none_leads_nowhere(browser: Client) -> None:
    _remember_task("jobs.tasks.crawl_images_task", 7)
    _remember_task("jobs.tasks.crawl_chunk_task", 8)
    TaskResult.objects.create(task_id="other", task_name="other", task_args=None)

    page = browser.get(_list("django_celery_results_taskresult"))

    assert page.status_code == 200
    assert "/admin/jobs/job/" not in page.text.split('id="result_list"')[1]


def test_the_history_asks_for_jobs_once_a_page(browser: Client, django_assert_max_num_queries: Any) -> None:
    for chunk in ChunkFactory.create_batch(20):
        _remember_task("jobs.tasks.crawl_chunk_task", chunk.pk)

    with django_assert_max_num_queries(12):
        browser.get(_list("django_celery_results_taskresult"))


def test_a_chunk_leads_to_its_last_task(browser: Client) -> None:
    task = _remember_task("jobs.tasks.crawl_chunk_task", 1)
    chunk = ChunkFactory.create(task_id=task.task_id)

    page = browser.get(reverse("admin:jobs_chunk_change", args=[chunk.pk])).text

    found = browser.get(_list("django_celery_results_taskresult"), {"q": task.task_id}).context["cl"].result_list
    assert f'href="{_list("django_celery_results_taskresult")}?q={task.task_id}"' in page
    assert list(found) == [task]
