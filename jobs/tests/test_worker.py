"""A crawl by real worker processes over a real queue."""

import subprocess
import time

import pytest
from django_celery_results.models import TaskResult
from pytest_django import Settings

from conftest import wait_until
from datasets.tests.pictures import encoded, noisy
from jobs import health, lifecycle, planner, progress, scheduler, services, setbacks
from jobs.models import Chunk, Job, Status
from jobs.redis_store import client
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import submit

pytestmark = pytest.mark.django_db(transaction=True)


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_terminal


def test_workers_crawl_what_was_submitted_and_leave_a_history(web: PhotoWeb, worker: "subprocess.Popen[bytes]") -> None:
    for seed in range(40):
        web.add_photo(f"/{seed}.jpg", encoded(noisy(90, 80, seed=seed)))

    job = submit(per_label=40)

    wait_until(lambda: ended(job))
    assert_ledger_holds(job)
    assert job.kept == 40
    wait_until(lambda: TaskResult.objects.filter(task_name="jobs.tasks.crawl_chunk_task", status="SUCCESS").exists())
    wait_until(lambda: health.system_health().workers == 1)


@pytest.fixture
def slow_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXCRAWLER_SAMPLE_DELAY_S", "0.2")


def test_a_cancel_in_the_middle_ends_within_seconds(slow_sample: None, worker: "subprocess.Popen[bytes]") -> None:
    job = submit(keywords=("endless",), sources=("sample",), per_label=50)
    wait_until(lambda: Chunk.objects.filter(job=job, status=Status.PROCESSING, kept__gt=0).exists())

    services.cancel_job(job_id=job.pk, by=None)

    wait_until(lambda: ended(job), seconds=8)
    assert_ledger_holds(job)
    assert job.status == Status.CANCELLED
    assert 0 < job.kept < 50


def test_a_cancel_does_not_wait_for_a_host_that_hangs(
    web: PhotoWeb, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for seed in range(6):
        web.add_photo(f"/{seed}.jpg", encoded(noisy(90, 80, seed=seed)))
    web.delay_s = 25
    request.getfixturevalue("worker")
    job = submit(per_label=6)
    wait_until(lambda: web.hits["/0.jpg"] > 0)

    services.cancel_job(job_id=job.pk, by=None)

    wait_until(lambda: ended(job), seconds=8)
    assert_ledger_holds(job)
    assert (job.status, job.found) == (Status.CANCELLED, 0)


def test_a_cancel_does_not_wait_for_a_source_that_hangs(
    web: PhotoWeb, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    def hang(_: int) -> tuple[int, dict[str, str], bytes]:
        time.sleep(25)
        return 503, {}, b""

    web.pages["/v1/images/"] = hang
    request.getfixturevalue("worker")
    job = submit(per_label=6)
    wait_until(lambda: web.hits["/v1/images/"] > 0)

    services.cancel_job(job_id=job.pk, by=None)

    wait_until(lambda: ended(job), seconds=8)
    assert_ledger_holds(job)
    assert job.status == Status.CANCELLED
    assert not job.activities.filter(sentence__contains="fallen silent").exists()


def test_a_cancel_does_not_wait_for_a_turn_at_a_source(
    web: PhotoWeb, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("PIXCRAWLER_OPENVERSE_REQUESTS_PER_MINUTE", "1")
    client().set("px:pace:openverse", "1", px=60_000)
    request.getfixturevalue("worker")
    job = submit(per_label=6)
    wait_until(lambda: Chunk.objects.filter(job=job, status=Status.PROCESSING).exists())

    services.cancel_job(job_id=job.pk, by=None)

    wait_until(lambda: ended(job), seconds=8)
    assert job.status == Status.CANCELLED


def test_a_pause_hands_back_what_is_under_way_and_a_resume_goes_on(
    slow_sample: None, worker: "subprocess.Popen[bytes]"
) -> None:
    job = submit(keywords=("endless",), sources=("sample",), per_label=30)
    wait_until(lambda: Chunk.objects.filter(job=job, status=Status.PROCESSING, kept__gt=0).exists())

    services.pause_job(job_id=job.pk, by=None)
    wait_until(lambda: not Chunk.objects.filter(job=job, status=Status.PROCESSING).exists(), seconds=8)
    job.refresh_from_db()
    paused_at_count = sum(job.chunks.values_list("kept", flat=True))
    assert job.status == Status.PROCESSING
    assert not scheduler.sweep()

    services.resume_job(job_id=job.pk, by=None)
    wait_until(lambda: ended(job))
    assert_ledger_holds(job)
    assert 0 < paused_at_count < job.kept == 30


def test_a_job_that_redis_never_heard_of_is_sent_by_the_scheduler(
    web: PhotoWeb, worker: "subprocess.Popen[bytes]"
) -> None:
    web.add_photo("/0.jpg", encoded(noisy(90, 80)))
    job = submit(per_label=1)
    client().flushdb()
    Job.objects.filter(pk=job.pk).update(published_at=None)
    Chunk.objects.filter(job=job).update(published_at=None)

    def swept_and_ended() -> bool:
        scheduler.sweep()
        return ended(job)

    wait_until(swept_and_ended)
    assert_ledger_holds(job)


def test_a_chunk_of_a_silent_worker_is_done_by_another(web: PhotoWeb, settings: Settings) -> None:
    settings.LEASE_S = 0.2
    job = submit(keywords=("stars",), sources=("sample",), per_label=5)
    planner.plan(job.pk)
    chunk = job.chunks.get()
    lease = lifecycle.claim_chunk(chunk.pk, worker="gone", task_id="t")
    assert lease is not None

    wait_until(lambda: scheduler.sweep().taken_back == 1, seconds=5)

    chunk.refresh_from_db()
    assert (chunk.status, chunk.lost_attempts) == (Status.PENDING, 1)
    assert not lifecycle.extend_lease(lease)
    assert job.activities.filter(sentence__contains="fell silent").exists()


def test_a_chunk_that_kills_every_worker_is_given_up(settings: Settings) -> None:
    settings.LEASE_S = 0.05
    job = submit(keywords=("stars",), sources=("sample",), per_label=5)
    planner.plan(job.pk)
    chunk = job.chunks.get()

    for _ in range(setbacks.MAX_LOST_ATTEMPTS):
        assert lifecycle.claim_chunk(chunk.pk, worker="doomed", task_id="t") is not None
        wait_until(lambda: scheduler.sweep().taken_back == 1, seconds=5)

    chunk.refresh_from_db()
    assert (chunk.status, chunk.error_code) == (Status.FAILED, "worker_lost")
    assert_ledger_holds(job)
    assert job.status == Status.FAILED


def test_progress_is_rebuilt_from_the_rows_after_redis_lost_everything() -> None:
    job = submit(keywords=("stars",), sources=("sample",), per_label=5)
    planner.plan(job.pk)
    chunk = job.chunks.get()
    Chunk.objects.filter(pk=chunk.pk).update(found=7, kept=4, rejected=3)
    progress.rebuild(job)
    before = progress.version(job.pk)

    client().flushdb()
    job.refresh_from_db()
    assert progress.version(job.pk) is None
    without_redis = progress.read(job)
    chunk.refresh_from_db()
    progress.publish(chunk)
    with_redis = progress.read(job)

    assert (without_redis.found, without_redis.from_redis) == (7, False)
    assert (with_redis.found, with_redis.kept, with_redis.from_redis) == (7, 4, True)
    assert with_redis.version not in ("", before)
