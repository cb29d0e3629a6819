"""How a job stands, in words: every state of its life, and none told as another; and its log."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobs import progress
from jobs.models import Activity, Job, Level, Status
from jobs.progress import Progress
from jobs.redis_store import client as redis
from jobs.standing import Around, Standing, standing
from jobs.tests.factories import ChunkFactory, JobFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now().replace(hour=10, minute=45, second=30)


def stands(job: Job, *, found: int = 40, quiet_s: int = 0, running: int = 1, ended: int = 1, **around: Any) -> Standing:
    now = Progress(
        status=job.status, found=found, kept=found, duplicate=0, rejected=0, failed=0, skipped=0, size_bytes=0,
        version="v", from_redis=True, quiet_s=quiet_s,
    )  # fmt: skip
    facts = Around(**{"has_queue": True, "workers": 1, "jobs_ahead": 0, **around})
    return standing(job, now, running=running, ended=ended, pace="6.4 images/s", around=facts, seen_at=NOW)


def running_job(**values: Any) -> Job:
    return JobFactory.build(status=Status.PROCESSING, started_at=NOW - timedelta(minutes=3), **values)


@pytest.mark.parametrize(
    ("job", "facts", "words"),
    [
        (JobFactory.build(status=Status.PENDING), {}, "next in the queue: starts when a worker is free"),
        (
            JobFactory.build(status=Status.PENDING),
            {"jobs_ahead": 2},
            "2 jobs are in front: starts when a worker is free",
        ),
        (JobFactory.build(status=Status.PENDING), {"workers": 0}, "waits for a worker"),
        (
            JobFactory.build(status=Status.PENDING),
            {"has_queue": False, "workers": 0},
            "waits: the queue does not answer",
        ),
        (running_job(), {"found": 0, "ended": 0}, "starting: the first chunk is under way"),
        (running_job(), {"found": 0, "ended": 0, "running": 0}, "starting: a chunk waits"),
        (running_job(), {}, "running for 3 min · 6.4 images/s"),
        (running_job(), {"workers": 0}, "waits for a worker"),
        (running_job(), {"quiet_s": 90}, "nothing new since 10:44 UTC"),
        (running_job(), {"quiet_s": 59}, "running for 3 min · 6.4 images/s"),
        (running_job(paused_at=NOW), {"quiet_s": 90}, "paused since 10:45 UTC"),
        (running_job(cancel_requested_at=NOW), {"running": 3}, "cancelling: each of 3 chunks finishes what it holds"),
        (
            JobFactory.build(
                status=Status.COMPLETED, started_at=NOW - timedelta(minutes=8), finished_at=NOW - timedelta(minutes=3)
            ),
            {"workers": 0},
            "took 5 min",
        ),
    ],
)
def test_each_state_has_words_of_its_own(job: Job, facts: dict[str, Any], words: str) -> None:
    assert stands(job, **facts).words == words


def test_only_a_stalled_job_is_trouble() -> None:
    assert not stands(running_job()).trouble
    assert "Nothing new since 10:44 UTC." in stands(running_job(), quiet_s=90).trouble


def test_a_job_that_stalls_is_drawn_again_and_says_so(client: Client) -> None:
    job = JobFactory.create(status=Status.PROCESSING, started_at=timezone.now())
    ChunkFactory.create(job=job, keyword="robin", label="robin", status=Status.COMPLETED, found=3, rejected=3)
    progress.rebuild(job)
    redis().zadd("px:workers", {"w": redis().time()[0]})
    client.force_login(User.objects.create_superuser("ana"))
    seen = progress.version(job.pk)
    address = f"/jobs/{job.pk}/live/?v={seen}"
    assert client.get(address).status_code == 204

    # As if the last write were two minutes old.
    key = f"px:job:{job.pk}"
    redis().expire(key, redis().ttl(key) - 120)
    drawn = client.get(address)

    assert drawn.status_code == 200
    assert "Nothing new since" in drawn.content.decode()
    assert client.get(f"/jobs/{job.pk}/live/?v={progress.version(job.pk)}").status_code == 204
    progress.touch(job.pk)
    assert not progress.read(job).has_stalled


@pytest.fixture
def logged() -> Job:
    job = JobFactory.create(status=Status.PROCESSING)
    lines = [Activity(job=job, level=Level.INFO, sentence=f"robin: chunk {n} done") for n in range(120)]
    lines.append(Activity(job=job, level=Level.ERROR, sentence="=robin × sample stopped"))
    Activity.objects.bulk_create(lines)
    return job


def test_the_log_has_pages_problems_and_a_file(client: Client, logged: Job) -> None:
    client.force_login(User.objects.create_superuser("ana"))

    first = client.get(f"/jobs/{logged.pk}/log/").content.decode()
    assert ("chunk 119 done" in first, "chunk 20 done" in first) == (True, False)
    after = Activity.objects.get(sentence="robin: chunk 21 done").pk
    assert f"after={after}" in first
    assert "chunk 20 done" in client.get(f"/jobs/{logged.pk}/log/?after={after}").content.decode()
    problems = client.get(f"/jobs/{logged.pk}/log/?only=problems").content.decode()
    assert ("× sample stopped" in problems, "done" in problems) == (True, False)

    answer = client.get(f"/jobs/{logged.pk}/log.csv")
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert (lines[0], len(lines)) == ("at,level,sentence", 122)
    assert lines[-1].endswith("error,'=robin × sample stopped")


def test_the_activity_of_a_job_can_be_narrowed_to_problems(client: Client, logged: Job) -> None:
    client.force_login(User.objects.create_superuser("ana"))

    page = client.get(f"/jobs/{logged.pk}/?only=problems").content.decode()

    assert "× sample stopped" in page
    assert "chunk 119 done" not in page
    assert "&amp;only=problems" in page


def test_a_label_that_is_short_is_named_with_what_to_do(client: Client) -> None:
    job = JobFactory.create(status=Status.COMPLETED, wanted=60, found=36, kept=36, finished_at=timezone.now())
    job.targets.create(label="house finch", wanted=60, kept=36)
    client.force_login(User.objects.create_superuser("ana"))

    page = client.get(f"/jobs/{job.pk}/").content.decode()

    assert "house finch is 24 short" in page
    assert f"/jobs/new/?from={job.pk}" in page
    assert "Finished with gaps" in page
