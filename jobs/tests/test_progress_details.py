"""What Redis tells of a running job's images and findings: what the rows have, whatever gets lost on the way."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from datasets.models import Image
from jobs import brought, chunk_work, left_out, newest, planner, progress, runner, services
from jobs.models import Chunk, Finding, Job, Status
from jobs.redis_store import client
from jobs.tests.drain import drain
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_again import ill_at_first
from jobs.tests.test_crawl import photo, submit

pytestmark = pytest.mark.django_db(transaction=True)

Told = list[tuple[Counter[str], int]]


@pytest.fixture
def troubled_web(web: PhotoWeb, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> PhotoWeb:
    """Eighteen pictures, six of which are refused at first, for different reasons; chunks and batches are small."""
    settings.FETCH_ATTEMPTS = 1
    settings.CHUNK_SIZE = 7
    monkeypatch.setattr(chunk_work, "FLUSH_RESULTS", 2)
    for seed in range(18):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    for seed, status in ((2, 503), (3, 429), (7, 503), (8, 404), (12, 429), (13, 503)):
        web.pages[f"/{seed}.jpg"] = ill_at_first(photo(seed), status, 1)
    return web


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Told]:
    """Compares what Redis tells after each write with the rows; gives what it told, and how often rows were read."""
    publish, told = progress.publish, list[tuple[Counter[str], int]]()

    def published(chunk: Chunk) -> None:
        with CaptureQueriesContext(connection) as seen:
            publish(chunk)
        tables = (Finding._meta.db_table, Image._meta.db_table)
        asked = sum(table in query["sql"] for query in seen for table in tables)
        job = Job.objects.get(pk=chunk.job_id)
        now = progress.read(job)
        assert now.left_out == left_out.of_job(job.kind, job.pk)
        assert list(now.pictures or []) == newest.pictures_of(job.pk)
        told.append((Counter(now.left_out), asked))

    monkeypatch.setattr(progress, "publish", published)
    return lambda: told


def test_after_every_batch_redis_tells_what_the_rows_have_and_none_of_them_was_read(
    troubled_web: PhotoWeb, compared: Callable[[], Told]
) -> None:
    drain(submit(per_label=18))

    assert compared()[-1][0] == {"http_5xx": 3, "http_429": 2, "http_404": 1}
    assert {asked for _, asked in compared()} == {0}


def test_a_retry_that_fails_for_another_reason_is_told(troubled_web: PhotoWeb, compared: Callable[[], Told]) -> None:
    job = drain(submit(per_label=18))
    troubled_web.pages["/2.jpg"] = ill_at_first(photo(2), 429, 9)

    services.retry_job(job_id=job.pk, by=None)
    drain(job)

    assert compared()[-1][0] == {"http_429": 1, "http_404": 1}


def test_what_was_lost_on_the_way_is_counted_from_the_rows(
    troubled_web: PhotoWeb, compared: Callable[[], Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = brought.take, Counter[int]()

    def forgetful(chunk_id: int) -> brought.Brought:
        """Every other batch is forgotten, but for its pictures."""
        calls[0] += 1
        batch = real(chunk_id)
        return brought.Brought(pictures=batch.pictures) if calls[0] % 2 else batch

    monkeypatch.setattr(brought, "take", forgetful)
    drain(submit(per_label=18))

    assert compared()[-1][0].total() == 6
    assert {asked for _, asked in compared()} == {0, 1}


def test_a_redis_that_forgot_in_the_middle_is_told_again(
    troubled_web: PhotoWeb, compared: Callable[[], Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    published, calls = progress.publish, Counter[int]()

    def flushed(chunk: Chunk) -> None:
        calls[0] += 1
        if calls[0] == 4:
            client().flushdb()
        published(chunk)

    monkeypatch.setattr(progress, "publish", flushed)
    drain(submit(per_label=18))

    assert compared()[-1][0].total() == 6


def test_numbers_that_do_not_add_up_are_not_told() -> None:
    job = submit(per_label=18)
    progress.rebuild(job)
    client().hset(f"px:job:{job.pk}", "why", "timeout=3")

    assert progress.read(job).left_out is None


def test_what_is_known_of_ended_chunks_is_what_they_have_through_cancel_retry_and_top_up(
    troubled_web: PhotoWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, seen = planner.finish_chunk, list[tuple[object, object]]()

    def finished(chunk: Chunk, to: Status, **fields: Any) -> bool:
        ended = finish(chunk, to, **fields)
        job = Job.objects.get(pk=chunk.job_id)
        counted = progress.look(job)
        seen.append(((job.ended, progress.read(job).found), (counted.ended, counted.totals["found"])))
        return ended

    monkeypatch.setattr(planner, "finish_chunk", finished)
    job = submit(per_label=12)
    planner.plan(job.pk)
    runner.run_chunk(job.chunks.get().pk)
    services.cancel_job(job_id=job.pk, by=None)
    services.retry_job(job_id=job.pk, by=None)
    drain(job)
    services.top_up(job_id=job.pk, images=5, by=None)
    assert drain(job).kept == 17

    assert len(seen) > 3
    assert [known for known, _ in seen] == [counted for _, counted in seen]
