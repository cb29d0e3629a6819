"""manage.py crawl: what it submits, what it says, and the exit status that scripts rely on."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from conftest import wait_until
from jobs import planner, runner, services
from jobs.health import note_worker_alive
from jobs.look_models import Look
from jobs.models import Job, Status
from jobs.outlook import Outlook
from jobs.reports import job_report
from jobs.spec import CrawlSpec

_SAMPLE = ["crawl", "shapes", "--keyword", "circle", "--source", "sample", "--per-label", "3"]
_NOWHERE = "redis://127.0.0.1:1/1"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(transactional_db: None, process_environment: dict[str, str]) -> Start:
    """Starts manage.py as a process of its own on the test database."""

    def run(*arguments: str, stderr: int = subprocess.PIPE, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env={**process_environment, **variables},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    return run


def _submitted() -> Job:
    wait_until(Job.objects.exists)
    return Job.objects.get()


def _work(job: Job) -> None:
    """Does the job's work in this process, as workers would."""
    planner.plan(job.pk)
    while chunk := job.chunks.filter(status=Status.PENDING).first():
        runner.run_chunk(chunk.pk, task_id="")


# -- what it submits -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_crawl_is_submitted_as_asked_for(tmp_path: Path) -> None:
    keywords = tmp_path / "keywords.txt"
    keywords.write_text("# fish\nbasking shark\n", encoding="utf-8-sig")
    output = io.StringIO()

    call_command(
        "crawl", "animals", "--keyword", "tiger shark", "--keyword", "bird: robin, European robin",
        "--keywords-file", str(keywords), "--source", "sample,openverse", "--per-label", "7", "--min-size", "100x80",
        "--dry-run", stdout=output,
    )  # fmt: skip

    job = Job.objects.get()
    spec = CrawlSpec.from_json(job.spec)
    assert (job.dataset.name, job.dry_run, job.created_by) == ("animals", True, None)
    assert [(k.label, k.keyword) for k in spec.keywords] == [
        ("tiger shark", "tiger shark"),
        ("bird", "robin"),
        ("bird", "European robin"),
        ("basking shark", "basking shark"),
    ]
    assert (spec.sources, spec.per_label) == (("sample", "openverse"), 7)
    assert (spec.filters.min_width_px, spec.filters.min_height_px) == (100, 80)
    assert output.getvalue() == f"Job {job.pk} is submitted. “manage.py jobs {job.pk}” shows how it goes.\n"


@pytest.mark.django_db
def test_a_list_of_addresses_is_submitted_with_its_columns(tmp_path: Path) -> None:
    urls = tmp_path / "list.csv"
    urls.write_text("url,label,title\nhttps://photos.example/1.jpg,robin,A robin\n")

    call_command(
        "crawl", "mine", "--source", "urls", "--urls-file", str(urls), "--per-label", "5", stdout=io.StringIO()
    )

    (listed,) = Job.objects.get().listed_urls.all()
    assert (listed.url, listed.label, listed.title) == ("https://photos.example/1.jpg", "robin", "A robin")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("dataset", {"NAME": ""}),
        ("keywords", {"--keyword": "# nothing"}),
        ("keywords", {"--keywords-file": "/nowhere/keywords.txt"}),
        ("sources", {"--source": "nowhere"}),
        ("sources", {"--source": ","}),
        ("per_label", {"--per-label": "0"}),
        ("per_label", {"--per-label": "9" * 100}),
        ("min_size", {"--min-size": "wide"}),
        ("urls", {"--source": "urls"}),
        ("urls", {"--source": "urls", "--urls-file": "/nowhere/list.txt"}),
        ("urls", {"--source": "urls", "--urls-file": sys.executable}),
        ("urls", {"--source": "urls", "--urls-file": os.devnull}),
    ],
)
def test_a_wrong_argument_is_named_and_ends_with_2(field: str, changes: dict[str, str]) -> None:
    options = {"--keyword": "circle", "--source": "sample", "--per-label": "3", **changes}
    name = options.pop("NAME", "shapes")

    with pytest.raises(CommandError, match=f"^{field}: ") as error:
        call_command("crawl", name, *(part for option in options.items() for part in option))

    assert error.value.returncode == 2
    assert not Job.objects.exists()


@pytest.mark.django_db
def test_it_says_so_when_no_worker_runs() -> None:
    errors = io.StringIO()

    call_command(*_SAMPLE, stdout=io.StringIO(), stderr=errors)

    assert "no worker is running" in errors.getvalue()
    assert "manage.py runworker" in errors.getvalue()


@pytest.mark.django_db
def test_it_warns_of_nothing_when_a_worker_runs() -> None:
    note_worker_alive("celery@here")
    errors = io.StringIO()

    call_command(*_SAMPLE, stdout=io.StringIO(), stderr=errors)

    assert errors.getvalue() == ""


# -- as a process --------------------------------------------------------------------------------------------------


def test_with_json_and_no_wait_it_tells_the_state_of_the_moment_in_one_line(start: Start) -> None:
    process = start(*_SAMPLE, "--json")
    output, _ = process.communicate(timeout=60)

    job = Job.objects.get()
    assert process.returncode == 0
    assert output == json.dumps({**job_report(job), "status": "pending"}) + "\n"


def test_with_the_queue_away_the_job_is_stored_and_a_warning_is_given(start: Start) -> None:
    process = start(*_SAMPLE, "--json", CELERY_BROKER_URL=_NOWHERE)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == 0
    assert output.count("\n") == 1
    assert json.loads(output)["job"] == Job.objects.get().pk
    assert "Warning: the queue (Redis) does not answer." in errors


def test_it_waits_for_the_end_even_with_the_queue_away(start: Start) -> None:
    process = start(*_SAMPLE, "--wait", "--json", CELERY_BROKER_URL=_NOWHERE)
    _work(_submitted())
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert output.count("\n") == 1
    report = json.loads(output)
    assert report == job_report(Job.objects.get())
    assert (report["status"], report["kept"]) == ("completed", 3)


def test_the_summary_at_the_end_tells_every_number(start: Start) -> None:
    process = start(*_SAMPLE, "--wait")
    _work(_submitted())
    output, _ = process.communicate(timeout=60)

    job = Job.objects.get()
    report = job_report(job)
    assert output.startswith(f"Job {job.pk} completed after ")
    assert job.summary in output
    for outcome in ("found", "kept", "duplicate", "rejected", "failed", "skipped"):
        assert f"{report[outcome]} {outcome}" in output
    for reason, number in report["reasons"].items():
        assert f"{number}  {reason}" in output


def test_a_dry_run_tells_what_each_source_has(start: Start) -> None:
    process = start(*_SAMPLE, "--wait", "--dry-run")
    _work(_submitted())
    output, _ = process.communicate(timeout=60)

    look, ahead = Look.objects.get(), Outlook.from_json(Job.objects.get().outlook or {})
    assert f"circle × sample: {look.total} results, {look.seen} read; of these {look.usable} would be fetched" in output
    assert f"A crawl: about {ahead.images} images, " in output
    assert ahead.images == 3


def test_a_cancelled_job_ends_with_1(start: Start) -> None:
    process = start(*_SAMPLE, "--wait", "--json")
    services.cancel_job(job_id=_submitted().pk, by=None)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert json.loads(output)["status"] == "cancelled"


def test_a_job_that_is_deleted_meanwhile_ends_with_1(start: Start) -> None:
    process = start(*_SAMPLE, "--wait", "--json")
    _submitted().delete()
    output, errors = process.communicate(timeout=60)

    assert (process.returncode, output) == (1, "")
    assert "was deleted while it ran" in errors


def test_an_interrupted_wait_leaves_the_job_alone(start: Start) -> None:
    terminal, stderr = pty.openpty()
    process = start(*_SAMPLE, "--wait", stderr=stderr)
    os.close(stderr)
    shown = _read_until(terminal, "0 of 3 kept")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    shown += _rest(terminal)

    job = Job.objects.get()
    assert (process.returncode, output, job.status) == (130, "", Status.PENDING)
    assert f"job {job.pk} goes on" in shown
    assert f"manage.py jobs {job.pk}" in shown


@pytest.mark.parametrize("away", ["sqlite:////nowhere/at/all.sqlite3", "postgres://u:p@127.0.0.1:1/none"])
@pytest.mark.parametrize("command", [_SAMPLE, ["jobs"], ["findings", "1"], ["createtoken", "admin", "--name", "a"]])
def test_a_database_out_of_reach_is_one_sentence_and_ends_with_3(start: Start, away: str, command: list[str]) -> None:
    process = start(*command, DATABASE_URL=away)
    output, errors = process.communicate(timeout=60)

    assert (process.returncode, output) == (3, "")
    assert "The database is out of reach (" in errors
    assert "Traceback" not in errors


def test_a_database_without_tables_is_told_from_one_that_is_well(start: Start, tmp_path: Path) -> None:
    process = start(*_SAMPLE, DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 3
    assert "manage.py migrate" in errors


@pytest.mark.parametrize("arguments", [["crawl"], [*_SAMPLE, "--shade", "red"], [*_SAMPLE, "--keyword", "a\udcffb"]])
def test_arguments_that_cannot_be_read_end_with_2(start: Start, arguments: list[str]) -> None:
    process = start(*arguments)
    output, errors = process.communicate(timeout=60)

    assert (process.returncode, output) == (2, "")
    assert "usage: manage.py crawl" in errors


def test_the_help_shows_examples_and_every_exit_status(start: Start) -> None:
    output, _ = start("crawl", "--help").communicate(timeout=60)

    assert '  manage.py crawl fish --keyword "tiger shark" --source openverse --per-label 100 --wait\n' in output
    for status in ("  0  completed", "  1  failed", "  2  wrong", "  3  database", "130  interrupted"):
        assert status in output


def _read_until(terminal: int, text: str) -> str:
    shown = ""
    deadline = time.monotonic() + 60
    while text not in shown:
        assert time.monotonic() < deadline, f"{text!r} is not in {shown!r}"
        shown += os.read(terminal, 4096).decode()
    return shown


def _rest(terminal: int) -> str:
    """What is left to read after the process ended; Linux ends a terminal's stream by an error."""
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:
        pass
    finally:
        os.close(terminal)
    return shown.decode()
