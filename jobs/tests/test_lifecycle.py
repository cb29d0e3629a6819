"""Status moves: the tables, the guards, the lease."""

import threading
import uuid
from collections.abc import Callable
from itertools import product

import pytest
from django.db import IntegrityError, connection, transaction

from jobs import lifecycle
from jobs.lifecycle import CHUNK_TRANSITIONS, JOB_TRANSITIONS
from jobs.models import TERMINAL, Chunk, Job, Status
from jobs.tests.factories import ChunkFactory, JobFactory

PAIRS = list(product(Status, Status))


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


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_claim_at_once_one_wins() -> None:
    chunk = ChunkFactory.create(status=Status.PENDING, job=_job_in(Status.PROCESSING))
    barrier, leases = threading.Barrier(6), []

    def claim() -> None:
        try:
            barrier.wait()
            leases.append(lifecycle.claim_chunk(chunk.pk, worker="w", task_id="t"))
        finally:
            connection.close()

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(leases) == 6
    assert sum(lease is not None for lease in leases) == 1
    chunk.refresh_from_db()
    assert chunk.attempts == 1


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
