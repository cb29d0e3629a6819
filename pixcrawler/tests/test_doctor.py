"""The doctor finds what is wrong and says how to mend it."""

import io
import json
import subprocess

import pytest
from django.core.management import call_command
from pytest_django import Settings

from conftest import wait_until
from jobs import health, scheduler
from jobs.redis_store import client
from pixcrawler.doctor import Diagnosis, Level, examine

pytestmark = pytest.mark.django_db


def found() -> dict[str, Diagnosis]:
    return {diagnosis.check: diagnosis for diagnosis in examine()}


@pytest.mark.django_db(transaction=True)
def test_a_sound_installation_has_no_problem(worker: "subprocess.Popen[bytes]") -> None:
    scheduler.sweep()
    wait_until(lambda: health.system_health().workers == 1)

    diagnoses = found()

    assert [d for d in diagnoses.values() if d.level is Level.PROBLEM] == []
    assert diagnoses["workers"].finding == "1 alive."
    assert diagnoses["storage"].level is Level.OK


def test_a_redis_that_is_down_is_named_and_the_rest_is_still_checked(dead_redis: None) -> None:
    diagnoses = found()

    assert "Connection refused" in diagnoses["redis"].finding
    assert "redis-server" in diagnoses["redis"].mend
    assert diagnoses["scheduler"].level is Level.PROBLEM
    assert diagnoses["database"].level is Level.OK
    assert diagnoses["storage"].level is Level.OK


def test_no_worker_and_no_scheduler_come_with_their_commands() -> None:
    diagnoses = found()

    assert diagnoses["workers"].mend == "python manage.py runworker"
    assert "tasks stay PENDING" in diagnoses["workers"].finding
    assert diagnoses["scheduler"].mend == "python manage.py runscheduler"


def test_a_scheduler_that_fell_silent_is_told_from_one_that_works() -> None:
    scheduler.sweep()
    assert found()["scheduler"].level is Level.OK

    seconds, _ = client().time()
    client().set("px:scheduler", seconds - 120)
    assert "silent for 12" in found()["scheduler"].finding


def test_an_eviction_policy_that_drops_messages_is_a_problem() -> None:
    client().config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert found()["redis eviction"].mend == "redis-cli config set maxmemory-policy noeviction"
    finally:
        client().config_set("maxmemory-policy", "noeviction")
    assert found()["redis eviction"].level is Level.OK


def test_a_media_folder_that_cannot_be_written_is_a_problem(settings: Settings, tmp_path: object) -> None:
    (tmp_path / "media").write_text("a file in its place")  # type: ignore[operator]
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "media"}},  # type: ignore[operator]
    }

    assert found()["storage"].level is Level.PROBLEM


def test_the_command_ends_with_1_for_a_problem_and_speaks_json() -> None:
    output = io.StringIO()
    with pytest.raises(SystemExit) as ending:
        call_command("doctor", "--json", stdout=output)

    assert ending.value.code == 1
    checks = {row["check"]: row for row in json.loads(output.getvalue())}
    assert checks["workers"]["level"] == "problem"


def test_the_command_tells_each_mend_below_its_finding() -> None:
    output = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=output)

    lines = output.getvalue().splitlines()
    place = next(index for index, line in enumerate(lines) if line.startswith("PROBLEM  workers"))
    assert lines[place + 1] == "         → python manage.py runworker"
