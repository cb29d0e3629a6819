"""A job's page of a job with many chunks: what is shown, and that the work for it does not grow."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import job_view, problems, progress
from jobs.models import Job, Status
from jobs.spec import CrawlSpec, Keyword
from jobs.tests.factories import ChunkFactory, JobFactory

pytestmark = pytest.mark.django_db


def job_with(keywords: int, *, sources: tuple[str, ...] = ("sample",)) -> Job:
    words = tuple(Keyword(f"bird {n}", f"bird {n}") for n in range(keywords))
    return JobFactory.create(
        status=Status.PROCESSING, spec=CrawlSpec(keywords=words, sources=sources, per_label=10).to_json()
    )


def viewed(job: Job, **part: Any) -> job_view.JobView:
    return job_view.job_view(job, progress.read(job), part=job_view.Part(**part), has_queue=True, workers=1)


def test_the_chunks_of_a_lane_are_one_cell() -> None:
    job = job_with(1, sources=("sample", "openverse"))
    lane = {"job": job, "keyword": "bird 0", "label": "bird 0"}
    ChunkFactory.create(**lane, status=Status.COMPLETED, found=7, kept=5, failed=2)
    ChunkFactory.create(**lane, status=Status.PROCESSING, found=3, kept=3)
    ChunkFactory.create(**lane, source="openverse", status=Status.COMPLETED, exhausted=True)

    view = viewed(job)

    (row,) = view.rows
    sample, openverse = row.cells
    assert sample
    assert (sample.status, sample.kept) == ("processing", 8)
    assert openverse
    assert (openverse.status, openverse.exhausted) == ("completed", True)
    assert (row.kept, row.wanted) == (8, 10)
    assert view.chunk_counts == {"pending": 0, "processing": 1, "completed": 2, "failed": 0, "cancelled": 0}


def test_lanes_without_a_chunk_wait() -> None:
    (row,) = viewed(job_with(1)).rows

    assert [cell.status for cell in row.cells if cell] == ["pending"]


def test_trouble_stands_first_and_the_rest_is_counted() -> None:
    job = job_with(100)
    for number in (40, 90):
        ChunkFactory.create(job=job, keyword=f"bird {number}", label=f"bird {number}", status=Status.FAILED)

    view = viewed(job)

    assert [row.keyword for row in view.rows[:3]] == ["bird 40", "bird 90", "bird 0"]
    assert (len(view.rows), view.row_count, view.pages) == (job_view.SHOWN_KEYWORDS, 100, 4)

    assert [cell.status for row in view.rows[:3] for cell in row.cells if cell] == ["failed", "failed", "pending"]

    last = viewed(job, page=4)
    assert ([row.keyword for row in last.rows][-1], last.first_row, last.last_row) == ("bird 99", 91, 100)
    assert [row.keyword for row in viewed(job, only_problems=True).rows] == ["bird 40", "bird 90"]
    assert viewed(job, page=5).part.page == 1


def test_many_problems_are_counted_and_a_few_read() -> None:
    job = job_with(1)
    ChunkFactory.create_batch(
        40, job=job, keyword="bird 0", label="bird 0", status=Status.FAILED, error="It broke.", traceback="…"
    )

    view = viewed(job)

    assert (len(view.problems), view.problem_count) == (problems.SHOWN_PROBLEMS, 40)


def test_a_page_asks_no_more_of_a_large_job_than_of_a_small_one() -> None:
    small, large = job_with(1), job_with(200)
    for job, chunks in ((small, 1), (large, 300)):
        ChunkFactory.create_batch(chunks, job=job, keyword="bird 0", label="bird 0", status=Status.COMPLETED)

    asked = []
    for job in (small, large):
        with CaptureQueriesContext(connection) as captured:
            viewed(job)
        asked.append(len(captured))

    assert asked[0] == asked[1]
