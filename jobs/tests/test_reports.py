"""The one shape in which command line and API tell what a job came to."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import progress
from jobs.models import Chunk, Job, Status
from jobs.reports import FINDING_COLUMNS, finding_rows, job_report, write_findings
from jobs.tests.factories import ChunkFactory, FindingFactory, JobFactory

pytestmark = pytest.mark.django_db


def _finished_job() -> Job:
    started = timezone.now() - timedelta(seconds=100)
    job = JobFactory.create(
        status=Status.COMPLETED,
        started_at=started,
        finished_at=started + timedelta(seconds=12.5),
        found=4,
        kept=1,
        duplicate=2,
        failed=1,
    )
    chunk = ChunkFactory.create(job=job, status=Status.COMPLETED, keyword="European robin", label="bird")
    FindingFactory.create(chunk=chunk)
    FindingFactory.create_batch(2, chunk=chunk, outcome="duplicate", reason="duplicate_exact")
    FindingFactory.create(chunk=chunk, outcome="failed", reason="timeout")
    return job


def test_a_finished_job_is_reported_from_its_row_with_its_reasons_counted() -> None:
    job = _finished_job()

    assert job_report(job) == {
        "job": job.pk,
        "kind": "crawl",
        "dataset": job.dataset.name,
        "status": "completed",
        "run": 1,
        "found": 4,
        "kept": 1,
        "duplicate": 2,
        "rejected": 0,
        "failed": 1,
        "skipped": 0,
        "reasons": {"duplicate_exact": 2, "timeout": 1},
        "seconds": 12.5,
        "outlook": None,
    }


def test_what_redis_says_of_a_finished_job_is_not_believed() -> None:
    job = _finished_job()
    Chunk.objects.filter(job=job).update(found=9, kept=9)
    progress.rebuild(job)

    assert job_report(job)["kept"] == 1


def test_a_running_job_is_reported_from_its_chunks() -> None:
    job = JobFactory.create(status=Status.PROCESSING, started_at=timezone.now() - timedelta(seconds=30))
    ChunkFactory.create(job=job, found=3, kept=2, rejected=1)

    report = job_report(job)

    assert (report["status"], report["found"], report["kept"], report["rejected"]) == ("processing", 3, 2, 1)
    assert report["seconds"] >= 30


def test_a_job_that_did_not_start_has_taken_no_time() -> None:
    assert job_report(JobFactory.create())["seconds"] == 0


def test_a_finding_is_one_row_with_every_column() -> None:
    chunk = ChunkFactory.create(keyword="European robin", label="bird", source="openverse")
    FindingFactory.create(
        chunk=chunk,
        url="https://photos.example/a.jpg",
        sha256="ab" * 32,
        width_px=640,
        height_px=480,
        format="JPEG",
        size_bytes=1234,
        seconds=0.123456,
        attempts=2,
    )

    assert list(finding_rows(chunk.job)) == [
        {
            "url": "https://photos.example/a.jpg",
            "source": "openverse",
            "keyword": "European robin",
            "label": "bird",
            "outcome": "kept",
            "reason": "",
            "detail": "",
            "sha256": "ab" * 32,
            "width": 640,
            "height": 480,
            "format": "JPEG",
            "bytes": 1234,
            "seconds": 0.1235,
            "attempts": 2,
        }
    ]


def test_findings_come_in_the_order_of_recording_and_from_this_job_alone() -> None:
    job = _finished_job()
    FindingFactory.create()

    assert [row["outcome"] for row in finding_rows(job)] == ["kept", "duplicate", "duplicate", "failed"]


def test_json_lines_hold_a_finding_each() -> None:
    job = _finished_job()
    output = io.StringIO()

    write_findings(job, output, format="jsonl")

    assert [json.loads(line) for line in output.getvalue().splitlines()] == list(finding_rows(job))


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1"])
def test_a_csv_cell_that_a_spreadsheet_would_run_begins_with_an_apostrophe(formula: str) -> None:
    chunk = ChunkFactory.create(keyword=formula)
    FindingFactory.create(chunk=chunk, detail=f"a{formula}")
    output = io.StringIO(newline="")

    write_findings(chunk.job, output, format="csv")

    (row,) = csv.DictReader(io.StringIO(output.getvalue(), newline=""))
    assert tuple(row) == FINDING_COLUMNS
    assert row["keyword"] == f"'{formula}"
    assert row["detail"] == f"a{formula}"
