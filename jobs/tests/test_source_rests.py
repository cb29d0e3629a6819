"""Chunks that meet a source which is left alone: they wait, and fail where that goes on for too long."""

import time

import pytest
from django.utils import timezone
from pytest_django import Settings

from jobs import planner, runner, services, source_health, source_watch
from jobs.models import Activity, Job, Status
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import photo, submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _soon(settings: Settings) -> None:
    settings.SOURCE_WAIT_S, settings.SOURCE_BREAK_S, settings.SOURCE_PATIENCE_S = 0.05, 0.3, 1.5
    source_health.breaker.cache_clear()


def worked_off(job: Job) -> Job:
    """As workers and a scheduler would: chunks run when they are due."""
    planner.plan(job.pk)
    ends_at = time.monotonic() + 30
    while job.chunks.filter(status=Status.PENDING).exists():
        assert time.monotonic() < ends_at, list(job.chunks.values("status", "error_code", "refusals", "waits_since"))
        for chunk in job.chunks.filter(status=Status.PENDING).order_by("id"):
            if chunk.not_before is None or chunk.not_before <= timezone.now():
                runner.run_chunk(chunk.pk)
        time.sleep(0.02)
    job.refresh_from_db()
    return job


def test_a_source_that_refuses_three_times_and_answers_then_gives_everything(web: PhotoWeb) -> None:
    for seed in range(6):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    web.refusals = 3
    job = worked_off(submit(keywords=("a: a, b, c, d",), per_label=6))

    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, 6)
    waits = Activity.objects.filter(job=job, sentence__contains="is left alone until").count()
    assert waits >= 1


def test_with_all_its_sources_down_a_job_ends_and_a_retry_after_a_check_brings_everything(web: PhotoWeb) -> None:
    for seed in range(6):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    web.pages["/v1/images/"] = lambda _: (503, {}, b"")
    job = worked_off(submit(keywords=("a: a, b, c, d, e",), per_label=6))

    assert_ledger_holds(job)
    assert job.status == Status.FAILED
    codes = set(job.chunks.values_list("error_code", flat=True))
    assert "source_resting" in codes
    assert codes <= {"source_resting", "source_unavailable"}
    # Five lanes would ask fifteen times without a breaker.
    assert web.hits["/v1/images/"] < 12

    del web.pages["/v1/images/"]
    assert source_watch.check("openverse") == ""
    services.retry_job(job_id=job.pk, by=None)
    job = worked_off(job)
    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, 6)
    assert not source_health.states(["openverse"])["openverse"].is_open
