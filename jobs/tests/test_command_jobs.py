"""manage.py jobs, findings and createtoken."""

import csv
import io
import json
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from datasets.tests.factories import UserFactory
from jobs.models import Status
from jobs.reports import job_report
from jobs.tests.factories import ChunkFactory, FindingFactory, JobFactory
from jobs.token_models import ApiToken
from jobs.tokens import find_token

pytestmark = pytest.mark.django_db


def _output(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_jobs_are_listed_newest_first_with_their_numbers() -> None:
    JobFactory.create(dataset__name="birds", status=Status.COMPLETED, found=1500, kept=1200, duplicate=300)
    newest = JobFactory.create(dataset__name="fish")

    header, first, second = _output("jobs").splitlines()

    assert header.split() == ["job", "status", "kept", "found", "seconds", "dataset"]
    assert first.split() == [str(newest.pk), "pending", "0", "0", "0.0", "fish"]
    assert second.split()[1:] == ["completed", "1,200", "1,500", "0.0", "birds"]


def test_without_jobs_it_says_how_to_start_one() -> None:
    assert "manage.py crawl" in _output("jobs")
    assert _output("jobs", "--json") == ""


def test_jobs_are_listed_as_json_a_line_each() -> None:
    jobs = [JobFactory.create(), JobFactory.create(status=Status.FAILED)]

    assert [json.loads(line) for line in _output("jobs", "--json").splitlines()] == [
        job_report(job) for job in reversed(jobs)
    ]


def test_one_job_is_shown_in_the_shape_of_a_crawl() -> None:
    job = JobFactory.create(
        status=Status.COMPLETED, found=1, rejected=1, summary="Kept 0 of 10: the rest was too small."
    )
    FindingFactory.create(chunk__job=job, outcome="rejected", reason="too_small")
    JobFactory.create()

    assert json.loads(_output("jobs", str(job.pk), "--json")) == job_report(job)
    text = _output("jobs", str(job.pk))
    assert "Kept 0 of 10: the rest was too small." in text
    assert "1 rejected" in text
    assert "1  too_small" in text


@pytest.mark.parametrize("command", ["jobs", "findings"])
@pytest.mark.parametrize("number", ["7", "9" * 30])
def test_a_job_that_is_not_there_ends_with_2(command: str, number: str) -> None:
    with pytest.raises(CommandError, match=f"There is no job {number}") as error:
        call_command(command, number)

    assert error.value.returncode == 2


def test_findings_are_json_lines_unless_asked_otherwise() -> None:
    chunk = ChunkFactory.create()
    findings = FindingFactory.create_batch(3, chunk=chunk)

    rows = [json.loads(line) for line in _output("findings", str(chunk.job_id)).splitlines()]

    assert [row["url"] for row in rows] == [finding.url for finding in findings]


def test_findings_are_csv_when_asked() -> None:
    chunk = ChunkFactory.create(keyword='=HYPERLINK("x")')
    FindingFactory.create(chunk=chunk, detail="two\nlines, “quoted”")

    output = _output("findings", str(chunk.job_id), "--format", "csv")

    (row,) = csv.DictReader(io.StringIO(output, newline=""))
    assert row["keyword"] == '\'=HYPERLINK("x")'
    assert row["detail"] == "two\nlines, “quoted”"


@pytest.mark.django_db(transaction=True)
def test_a_reader_that_has_seen_enough_is_no_error(process_environment: dict[str, str]) -> None:
    chunk = ChunkFactory.create()
    FindingFactory.create_batch(600, chunk=chunk, detail="x" * 1000)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "findings", str(chunk.job_id)],
        cwd=settings.BASE_DIR,
        env=process_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0


def test_a_token_is_made_and_shown_once() -> None:
    user = UserFactory.create(username="ada")

    token = _output("createtoken", "ada", "--name", "laptop").strip()

    stored = ApiToken.objects.get(user=user)
    assert find_token(token) == stored
    assert (stored.name, stored.scope, stored.expires_at) == ("laptop", "read", None)


def test_a_token_is_made_with_the_scope_and_the_days_asked_for() -> None:
    UserFactory.create(username="ada")

    _output("createtoken", "ada", "--name", "laptop", "--scope", "write", "--days", "30")

    stored = ApiToken.objects.get()
    assert stored.scope == "write"
    assert stored.expires_at is not None
    assert 29 <= (stored.expires_at - stored.created_at).days <= 30


@pytest.mark.parametrize(("user", "name", "sentence"), [
    ("nobody", "laptop", "There is no active user “nobody”"),
    ("gone", "laptop", "There is no active user “gone”"),
    ("ada", "", "1 to 60 printable characters"),
])  # fmt: skip
def test_a_token_that_cannot_be_made_ends_with_2(user: str, name: str, sentence: str) -> None:
    UserFactory.create(username="ada")
    UserFactory.create(username="gone", is_active=False)

    with pytest.raises(CommandError, match=sentence) as error:
        call_command("createtoken", user, "--name", name)

    assert error.value.returncode == 2
    assert not ApiToken.objects.exists()
