"""Live counters in Redis: few fields however large the job, and never a drift."""

import pytest
from django.db.models import Sum

from jobs import lifecycle, planner, progress
from jobs.models import Chunk, Job, Status
from jobs.redis_store import client
from jobs.tests.factories import ChunkFactory, JobFactory, LabelTargetFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job() -> Job:
    """A running job with three chunks under way in one label."""
    job = JobFactory.create(status=Status.PROCESSING)
    LabelTargetFactory.create(job=job, wanted=100)
    for window in range(3):
        ChunkFactory.create(job=job, keyword=f"robin {window}", window=window, status=Status.PENDING)
    progress.rebuild(job)
    return job


def work(chunk: Chunk, found: int) -> None:
    """As if a worker had recorded so much of the chunk, and told it."""
    Chunk.objects.filter(pk=chunk.pk).update(found=found, rejected=found)
    progress.publish(Chunk.objects.select_related("job").get(pk=chunk.pk))


def end(chunk: Chunk) -> None:
    lease = lifecycle.claim_chunk(chunk.pk, worker="w", task_id="t")
    assert lease is not None
    assert planner.finish_chunk(chunk, Status.COMPLETED, token=lease.token)


def fields(job: Job) -> set[str]:
    return set(client().hkeys(f"px:job:{job.pk}"))


def in_rows(job: Job) -> int:
    return int(job.chunks.aggregate(n=Sum("found"))["n"])


def test_ended_chunks_are_one_field(job: Job) -> None:
    ChunkFactory.create_batch(50, job=job, keyword="ended", status=Status.COMPLETED, found=2, rejected=2)
    first, second, _ = job.chunks.filter(status=Status.PENDING)
    work(first, 5)
    work(second, 7)
    end(first)

    assert fields(job) == {"order", "version", "ended", f"chunk:{second.pk}"}
    assert progress.read(job).found == in_rows(job) == 112


def test_an_end_that_redis_never_heard_of_is_made_good_by_the_next_one(job: Job) -> None:
    first, second, third = job.chunks.all()
    work(first, 5)
    work(second, 7)
    key = f"px:job:{job.pk}"
    before = client().hgetall(key)
    end(first)
    client().delete(key)
    client().hset(key, mapping=before)

    end(second)
    work(third, 1)

    now = progress.read(job)
    assert (now.found, now.from_redis) == (in_rows(job), True) == (13, True)


def test_an_older_look_does_not_replace_a_newer_one(job: Job) -> None:
    first, second, _ = job.chunks.all()
    work(first, 5)
    older = progress.look(job)
    work(second, 7)
    end(first)

    progress.show(job, older)

    assert progress.read(job).found == 12


def test_a_new_run_replaces_what_the_last_one_left(job: Job) -> None:
    first, *_ = job.chunks.all()
    work(first, 5)
    end(first)
    Job.objects.filter(pk=job.pk).update(run=2)
    job.refresh_from_db()
    lifecycle.move_chunk(first.pk, Status.PENDING, run=2)
    Chunk.objects.filter(pk=first.pk).update(found=6, rejected=6)

    progress.rebuild(job)

    assert progress.read(job).found == 6
    assert f"chunk:{first.pk}" in fields(job)


def test_a_hash_that_is_missing_is_rebuilt_at_once(job: Job) -> None:
    client().delete(f"px:job:{job.pk}")

    assert progress.repair(job)
    assert fields(job) == {"order", "version", "ended"}


def test_a_hash_that_tells_other_totals_than_the_rows_is_rebuilt_at_the_second_look(job: Job) -> None:
    chunk = job.chunks.first()
    assert chunk is not None
    work(chunk, 5)
    assert not progress.repair(job)
    Chunk.objects.filter(pk=chunk.pk).update(found=9, rejected=9)

    assert [progress.repair(job), progress.repair(job)] == [False, True]
    assert progress.read(job).found == 9
    assert not progress.repair(job)
