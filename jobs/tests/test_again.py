"""Ended jobs that go on: a retry of some reasons, a top-up, and many who ask for them at once."""

import threading
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from datasets.tests.pictures import encoded, noisy
from jobs import services
from jobs.models import Job, Status
from jobs.services import Refused
from jobs.spec import InvalidSpec
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import Answer, PhotoWeb
from jobs.tests.test_crawl import photo, reasons, submit

pytestmark = pytest.mark.django_db(transaction=True)


def ill_at_first(body: bytes, status: int, times: int) -> Answer:
    """Answers with the status so many times, then with the picture."""

    def answer(before: int) -> tuple[int, dict[str, str], bytes]:
        return (status, {}, b"") if before < times else (200, {"Content-Type": "image/jpeg"}, body)

    return answer


@pytest.fixture
def troubled(web: PhotoWeb, settings: object) -> Job:
    """A finished job: six pictures kept, two that were refused with 503, three with 429."""
    settings.FETCH_ATTEMPTS = 1  # type: ignore[attr-defined]
    for seed in range(6):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    for seed, status in ((10, 503), (11, 503), (20, 429), (21, 429), (22, 429)):
        web.add_photo(f"/{seed}.jpg", photo(seed))
        web.pages[f"/{seed}.jpg"] = ill_at_first(photo(seed), status, 1)
    job = drain(submit(per_label=11))
    assert reasons(job) == {"http_5xx": 2, "http_429": 3}
    return job


def again(job: Job) -> Job:
    drain(job)
    assert_ledger_holds(job)
    return job


def test_a_retry_for_one_reason_touches_nothing_else(troubled: Job, web: PhotoWeb) -> None:
    before = dict(web.hits)

    services.retry_job(job_id=troubled.pk, by=None, reasons=["http_5xx"])
    again(troubled)

    assert (troubled.status, troubled.kept, reasons(troubled)) == (Status.COMPLETED, 8, {"http_429": 3})
    assert {path for path, hits in web.hits.items() if hits > before.get(path, 0)} == {"/10.jpg", "/11.jpg"}
    services.retry_job(job_id=troubled.pk, by=None)
    again(troubled)
    assert (troubled.kept, reasons(troubled)) == (11, {})


def test_a_retry_for_a_reason_survives_a_worker_that_stops_in_the_middle(troubled: Job) -> None:
    services.retry_job(job_id=troubled.pk, by=None, reasons=["http_5xx"])

    troubled.refresh_from_db()
    assert troubled.retry_reasons == ["http_5xx"]
    again(troubled)
    services.retry_job(job_id=troubled.pk, by=None)
    troubled.refresh_from_db()
    assert troubled.retry_reasons == []


def test_a_reason_that_nothing_failed_for_or_that_a_retry_cannot_help_is_refused(troubled: Job) -> None:
    with pytest.raises(Refused, match="no download failed with timeout"):
        services.retry_job(job_id=troubled.pk, by=None, reasons=["timeout"])
    with pytest.raises(InvalidSpec, match="cannot help with “http_404”"):
        services.retry_job(job_id=troubled.pk, by=None, reasons=["http_404"])
    troubled.refresh_from_db()
    assert (troubled.status, troubled.run) == (Status.COMPLETED, 1)


def test_a_top_up_goes_on_behind_what_was_taken(web: PhotoWeb) -> None:
    for seed in range(30):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    job = drain(submit(per_label=12))
    before = dict(web.hits)

    services.top_up(job_id=job.pk, images=8, by=None)
    again(job)

    assert (job.status, job.kept, job.run, job.summary) == (
        Status.COMPLETED,
        20,
        2,
        "Kept all that was asked for: 20 images.",
    )
    assert job.spec["per_label"] == 20
    pictures = {path: hits for path, hits in web.hits.items() if path.endswith(".jpg")}
    assert set(pictures.values()) == {1}
    assert len(pictures) - len([path for path in before if path.endswith(".jpg")]) == 8


def test_a_top_up_of_what_has_no_more_is_refused(web: PhotoWeb) -> None:
    for seed in range(3):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    job = drain(submit(per_label=5))

    with pytest.raises(Refused, match="has listed all it has"):
        services.top_up(job_id=job.pk, images=5, by=None)
    job.refresh_from_db()
    assert (job.status, job.run, job.targets.get().wanted, job.spec["per_label"]) == (Status.COMPLETED, 1, 5, 5)


@pytest.mark.parametrize("images", [0, -1, 2_000_000])
def test_a_wild_number_of_images_is_refused(web: PhotoWeb, images: int) -> None:
    web.add_photo("/0.jpg", photo(0))
    job = drain(submit(per_label=1))

    with pytest.raises(InvalidSpec, match="more images per label"):
        services.top_up(job_id=job.pk, images=images, by=None)


def test_what_was_asked_for_twice_is_done_once_even_when_the_first_has_ended(web: PhotoWeb) -> None:
    for seed in range(30):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    job = drain(submit(per_label=10))
    services.top_up(job_id=job.pk, images=5, by=None, run=1)
    again(job)

    with pytest.raises(Refused, match="started again meanwhile"):
        services.top_up(job_id=job.pk, images=5, by=None, run=1)
    assert job.targets.get().wanted == 15


def at_once(*verbs: Callable[[], Job]) -> list[str]:
    """What comes of verbs that six people ask for at the same moment: "done" or "refused"."""
    barrier, results = threading.Barrier(len(verbs)), []

    def ask(verb: Callable[[], Job]) -> None:
        try:
            barrier.wait()
            verb()
            results.append("done")
        except Refused:
            results.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[verb]) for verb in verbs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(results)


def test_of_six_retries_and_top_ups_at_once_one_is_done(troubled: Job) -> None:
    def retry() -> Job:
        return services.retry_job(job_id=troubled.pk, by=None)

    def top_up() -> Job:
        return services.top_up(job_id=troubled.pk, images=3, by=None)

    assert at_once(retry, top_up, retry, top_up, retry, top_up) == ["done", *["refused"] * 5]
    again(troubled)
    assert troubled.run == 2
    assert troubled.targets.get().wanted in (11, 14)


def test_of_six_cancels_at_once_one_is_done(web: PhotoWeb) -> None:
    web.add_photo("/0.jpg", photo(0))
    job = submit(per_label=1)

    assert at_once(*[lambda: services.cancel_job(job_id=job.pk, by=None)] * 6) == ["done", *["refused"] * 5]
    assert_ledger_holds(job)
    assert job.status == Status.CANCELLED


def test_a_cancel_and_a_retry_at_once_leave_one_true_state(troubled: Job) -> None:
    for _ in range(4):
        troubled.refresh_from_db()
        if troubled.status == Status.PENDING:
            services.cancel_job(job_id=troubled.pk, by=None)
        at_once(
            lambda: services.retry_job(job_id=troubled.pk, by=None),
            lambda: services.cancel_job(job_id=troubled.pk, by=None),
        )
    again(troubled)


def test_the_command_retries_tops_up_and_cancels(troubled: Job, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("jobs", troubled.pk, "--retry", "--reason", "http_429")
    again(troubled)
    assert troubled.kept == 9
    call_command("jobs", troubled.pk, "--retry")
    call_command("jobs", troubled.pk, "--cancel")
    troubled.refresh_from_db()
    assert troubled.status == Status.CANCELLED
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "told", "status"),
    [
        (["--retry", "--reason", "colour"], "cannot help with “colour”", 2),
        (["--reason", "timeout"], "belongs to --retry", 2),
        (["--resume"], "is not paused", 1),
        (["--top-up", "5"], "has listed all it has", 1),
    ],
)
def test_the_command_says_why_it_refuses(web: PhotoWeb, arguments: list[str], told: str, status: int) -> None:
    web.add_photo("/0.jpg", encoded(noisy(90, 80)))
    job = drain(submit(per_label=5))

    with pytest.raises(CommandError, match=told) as refusal:
        call_command("jobs", job.pk, *arguments)

    assert refusal.value.returncode == status
