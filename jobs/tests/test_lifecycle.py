"""Status moves: the tables, the guards, the lease."""

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import combinations, product
from typing import TypeVar

import pytest
from django.db import IntegrityError, connection, transaction

from jobs import lifecycle, planner
from jobs.lifecycle import CHUNK_TRANSITIONS, JOB_TRANSITIONS
from jobs.models import TERMINAL, Chunk, Job, Status
from jobs.setbacks import set_back
from jobs.tests.factories import ChunkFactory, JobFactory, LabelTargetFactory

PAIRS = list(product(Status, Status))
T = TypeVar("T")
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def _job_in(status: Status) -> Job:
    return JobFactory.create(status=status)


@pytest.mark.django_db
@pytest.mark.parametrize(("origin", "to"), PAIRS)
def test_a_job_moves_exactly_where_the_table_says(origin: Status, to: Status) -> None:
    job = _job_in(origin)

    moved = lifecycle.move_job(job.pk, to)

    job.refresh_from_db()
    assert moved is (to in JOB_TRANSITIONS[origin])
    assert job.status == (to if moved else origin)
    assert (job.finished_at is not None) is (job.status in TERMINAL)


@pytest.mark.django_db
@pytest.mark.parametrize(("origin", "to"), [pair for pair in PAIRS if pair[1] != Status.PROCESSING])
def test_a_chunk_moves_exactly_where_the_table_says(origin: Status, to: Status) -> None:
    chunk = ChunkFactory.create(status=origin)

    moved = lifecycle.move_chunk(chunk.pk, to, quota=0)

    chunk.refresh_from_db()
    assert moved is (to in CHUNK_TRANSITIONS[origin])
    assert chunk.status == (to if moved else origin)
    if moved:
        assert chunk.lease_token is None


@pytest.mark.django_db
@pytest.mark.parametrize("status", list(Status))
def test_only_a_pending_chunk_of_a_running_job_can_be_claimed(status: Status) -> None:
    chunk = ChunkFactory.create(status=status, job=_job_in(Status.PROCESSING))

    lease = lifecycle.claim_chunk(chunk.pk, worker="w", task_id="t")

    assert (lease is not None) is (status == Status.PENDING)


@pytest.mark.django_db
@pytest.mark.parametrize("status", [status for status in Status if status != Status.PROCESSING])
def test_a_chunk_of_a_job_that_does_not_run_is_not_claimed(status: Status) -> None:
    chunk = ChunkFactory.create(status=Status.PENDING, job=_job_in(status))

    assert lifecycle.claim_chunk(chunk.pk, worker="w", task_id="t") is None


@pytest.mark.django_db
def test_a_token_that_is_not_the_leases_moves_nothing() -> None:
    chunk = ChunkFactory.create(status=Status.PENDING, job=_job_in(Status.PROCESSING))
    lease = lifecycle.claim_chunk(chunk.pk, worker="w", task_id="t")
    assert lease is not None

    assert not lifecycle.move_chunk(chunk.pk, Status.COMPLETED, token=uuid.uuid4(), quota=0)
    assert lifecycle.extend_lease(lease)
    assert lifecycle.move_chunk(chunk.pk, Status.COMPLETED, token=lease.token, quota=0)
    assert not lifecycle.extend_lease(lease)


def _at_once(*actions: Callable[[], T]) -> list[T]:
    """What the actions give, each in a thread and on a database connection of its own, all begun together."""
    barrier = threading.Barrier(len(actions))
    results: list[T] = []

    def act(action: Callable[[], T]) -> None:
        try:
            barrier.wait()
            results.append(action())
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(actions)
    return results


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_claim_at_once_one_wins() -> None:
    chunk = ChunkFactory.create(status=Status.PENDING, job=_job_in(Status.PROCESSING))

    leases = _at_once(*[lambda: lifecycle.claim_chunk(chunk.pk, worker="w", task_id="t")] * 6)

    assert sum(lease is not None for lease in leases) == 1
    chunk.refresh_from_db()
    assert chunk.attempts == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("one", "other"), list(combinations(sorted(JOB_TRANSITIONS[Status.PROCESSING]), 2)))
def test_of_two_ends_of_a_job_at_once_one_wins(one: Status, other: Status) -> None:
    for _ in range(5):
        job = _job_in(Status.PROCESSING)

        moved = _at_once(partial(lifecycle.move_job, job.pk, one), partial(lifecycle.move_job, job.pk, other))

        assert sorted(moved) == [False, True]
        job.refresh_from_db()
        assert job.status in (one, other)


@pytest.mark.django_db(transaction=True)
def test_of_a_worker_that_ends_its_chunk_and_a_scheduler_that_takes_it_back_one_wins() -> None:
    for _ in range(5):
        target = LabelTargetFactory.create(job=_job_in(Status.PROCESSING), reserved=10)
        chunk = ChunkFactory.create(
            job=target.job, status=Status.PROCESSING, window=0, quota=10, lease_expires_at=_LONG_AGO
        )
        token = chunk.lease_token

        ended = _at_once(
            partial(planner.finish_chunk, chunk, Status.COMPLETED, token=token, exhausted=True),
            partial(set_back, chunk, token=token, what="it fell silent", only_expired=True),
        )

        assert sorted(ended) == [False, True]
        chunk.refresh_from_db()
        target.refresh_from_db()
        was_set_back = chunk.status == Status.PENDING
        assert (chunk.status, chunk.quota, target.reserved) == (
            (Status.PENDING, 10, 10) if was_set_back else (Status.COMPLETED, 0, 0)
        )
        assert (target.job.activities.filter(sentence__contains="fell silent").count() == 1) is was_set_back


@pytest.mark.django_db
def test_the_database_refuses_what_the_lifecycle_never_does() -> None:
    job = _job_in(Status.PROCESSING)
    chunk = ChunkFactory.create(status=Status.PENDING, job=job)
    broken: list[Callable[[], int]] = [
        lambda: Job.objects.filter(pk=job.pk).update(status="paused"),
        lambda: Job.objects.filter(pk=job.pk).update(status=Status.COMPLETED),
        lambda: Job.objects.filter(pk=job.pk).update(found=1),
        lambda: Chunk.objects.filter(pk=chunk.pk).update(kept=1),
        lambda: Chunk.objects.filter(pk=chunk.pk).update(status=Status.PROCESSING),
    ]
    for change in broken:
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
