"""The doctor finds what is wrong and says how to mend it: every symptom is brought about for real."""

import io
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings as project
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from conftest import wait_until
from jobs import diagnoses, doorbell, examination, health, scheduler
from jobs.diagnoses import Diagnosis, Level
from jobs.models import Chunk, Kind, Status
from jobs.redis_store import QUEUE, client
from jobs.tests.factories import ChunkFactory
from jobs.tests.servers import own_valkey
from pixcrawler.doctor import SYMPTOMS, compared, examine
from pixcrawler.tests.processes import Started, free_port, manage, run

pytestmark = pytest.mark.django_db

#: A worker as it is after a deployment that forgot to restart it: it has never heard of the task for chunks.
_OLD_WORKER = """
import django; django.setup()
from pixcrawler.celery import app
import jobs.tasks
app.finalize()
del app.tasks["jobs.tasks.crawl_chunk_task"]
"""


@pytest.fixture
def short_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pixdoc-") as folder:
        yield Path(folder)


@pytest.fixture
def old_worker(transactional_db: None, process_environment: dict[str, str], tmp_path: Path) -> "Iterator[Started]":
    (tmp_path / "old_code.py").write_text(_OLD_WORKER)
    environment = {**process_environment, "PYTHONPATH": f"{tmp_path}:{project.BASE_DIR}"}
    arguments = ["-A", "old_code", "worker", "--pool=solo", "--loglevel=info", "-E", "--hostname=old@here"]
    started = Started([sys.executable, "-m", "celery", *arguments], env=environment)
    yield started
    started.end(signal.SIGTERM)


def found() -> dict[str, Diagnosis]:
    return {diagnosis.check: diagnosis for diagnosis in examine()}


def messages() -> dict[str, Diagnosis]:
    return {diagnosis.check: diagnosis for diagnosis in examination.messages()}


def foreign_sender(serializer: str) -> Celery:
    """Another program that sends into our queue."""
    app = Celery("foreign", broker=project.CELERY_BROKER_URL, set_as_current=False)
    app.conf.task_serializer = serializer
    return app


@pytest.mark.django_db(transaction=True)
def test_a_sound_installation_has_no_problem(worker: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    scheduler.sweep()
    wait_until(lambda: "ready." in (tmp_path / "worker.log").read_text() and health.system_health().workers == 1)

    diagnoses = found()

    assert [d for d in diagnoses.values() if d.level is Level.PROBLEM] == []
    assert diagnoses["workers"].finding == "1 alive."
    assert "knows every task" in diagnoses["worker code"].finding
    assert diagnoses["storage"].level is Level.OK


@pytest.mark.django_db
def test_a_decoder_that_cannot_start_is_named(settings: Settings) -> None:
    assert "decoded a picture" in examination.decoder().finding

    settings.DECODER_MODULE = "nowhere.to.be.found"
    missing = examination.decoder()

    assert missing.level is Level.PROBLEM
    assert "No picture can be decoded here." in missing.finding
    assert "import datasets.imaging.inspect" in missing.finding


def test_a_redis_that_is_down_is_named_and_the_rest_is_still_checked(dead_redis: None) -> None:
    diagnoses = found()

    assert "does not answer (connection refused), so the queue is unreachable" in diagnoses["redis"].finding
    assert diagnoses["redis"].command == "redis-server"
    assert {diagnoses[name].level for name in ("workers", "queue", "scheduler", "clocks")} == {Level.WARNING}
    assert diagnoses["database"].level is Level.OK
    assert diagnoses["storage"].level is Level.OK


def test_a_redis_that_is_stopped_in_the_middle_is_found_at_the_next_look(settings: Settings, short_path: Path) -> None:
    with own_valkey(settings, short_path) as server:
        assert found()["redis"].level is Level.OK
        server.terminate()
        server.wait(timeout=10)
        assert "connection refused" in found()["redis"].finding


def test_a_frozen_redis_is_told_from_one_that_is_down(settings: Settings, short_path: Path) -> None:
    with own_valkey(settings, short_path) as server:
        server.send_signal(signal.SIGSTOP)

        diagnosis = next(d for d in examine() if d.check == "redis")

    assert "no answer in time" in diagnosis.finding
    assert "frozen" in diagnosis.step


def test_a_redis_that_wants_a_password_is_told_from_one_that_is_down(settings: Settings, short_path: Path) -> None:
    with own_valkey(settings, short_path, "--requirepass", "hush"):
        diagnosis = found()["redis"]

    assert "it wants another password" in diagnosis.finding
    assert "CELERY_BROKER_URL" in diagnosis.step


def test_no_worker_and_no_scheduler_come_with_their_commands() -> None:
    ChunkFactory.create(job__status=Status.PROCESSING, published_at=timezone.now())

    diagnoses = found()

    assert diagnoses["workers"].command == "python manage.py runworker"
    assert "1 chunk waits since" in diagnoses["workers"].meaning
    assert "tasks stay PENDING" in diagnoses["workers"].meaning
    assert diagnoses["scheduler"].command == "python manage.py runscheduler"


def test_a_scheduler_that_fell_silent_is_told_from_one_that_works() -> None:
    scheduler.sweep()
    assert found()["scheduler"].level is Level.OK

    seconds, _ = client().time()
    client().set("px:scheduler", seconds - 120)
    assert "silent since" in found()["scheduler"].finding


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_an_eviction_policy_that_drops_messages_is_a_problem(settings: Settings, short_path: Path, policy: str) -> None:
    with own_valkey(settings, short_path, "--maxmemory-policy", policy):
        assert found()["redis eviction"].command == "redis-cli config set maxmemory-policy noeviction"
        client().config_set("maxmemory-policy", "noeviction")
        assert found()["redis eviction"].level is Level.OK


def test_a_redis_without_persistence_is_a_warning(settings: Settings, short_path: Path) -> None:
    with own_valkey(settings, short_path):
        assert found()["redis persistence"].level is Level.WARNING
        client().config_set("appendonly", "yes")
        assert found()["redis persistence"].level is Level.OK


def eventually(look: Callable[[], list[Diagnosis]]) -> list[Diagnosis]:
    """What is found, as soon as anything is."""
    found: list[Diagnosis] = []

    def is_there() -> bool:
        found.extend(look())
        return bool(found)

    wait_until(is_there)
    return found


@pytest.mark.django_db(transaction=True)
def test_a_worker_with_old_code_is_found_by_what_it_knows_and_by_what_it_throws_away(old_worker: Started) -> None:
    old_worker.wait_for("ready.")
    wait_until(lambda: health.system_health().workers == 1)

    # A worker has a second to answer, which a busy machine may not give it at once.
    (code,) = eventually(lambda: list(examination.worker_code()))
    assert code.level is Level.PROBLEM
    assert "old@here runs old or other code: it does not know jobs.tasks.crawl_chunk_task" in code.finding

    chunk = ChunkFactory.create(job__status=Status.PROCESSING)
    doorbell.ring_chunks([chunk.pk])
    old_worker.wait_for("Received unregistered task")
    wait_until(lambda: health.refused_tasks() == {"jobs.tasks.crawl_chunk_task": "old@here"})
    old_worker.end(signal.SIGTERM)
    (code,) = eventually(lambda: list(examination.worker_code()))
    assert "old@here runs old or other code" in code.finding
    assert messages()["queue tasks"].level is Level.OK


def test_messages_that_ask_for_a_task_of_another_version_are_found() -> None:
    assert messages()["queue tasks"].level is Level.OK

    foreign_sender("json").send_task("jobs.tasks.renamed_task", args=[1])

    assert "jobs.tasks.renamed_task" in messages()["queue tasks"].finding
    assert messages()["queue content"].level is Level.OK


@pytest.mark.django_db(transaction=True)
def test_a_message_that_is_no_json_is_found_on_the_queue_and_after_a_worker_refused_it(
    request: pytest.FixtureRequest,
) -> None:
    foreign_sender("pickle").send_task(doorbell.CHUNK_TASKS[Kind.CRAWL], args=[1])
    waiting = messages()["queue content"]
    assert waiting.level is Level.PROBLEM
    assert "application/x-python-serialize from gen" in waiting.finding
    assert "Refusing to deserialize" in waiting.meaning

    request.getfixturevalue("worker")
    wait_until(lambda: client().llen(QUEUE) == 0 and health.refused_content())

    assert "application/x-python-serialize from gen" in messages()["queue content"].finding
    wait_until(lambda: examination.pools(system="Windows").level is Level.PROBLEM)
    assert examination.pools(system="Linux").level is Level.OK


def test_what_is_no_message_at_all_is_found_too() -> None:
    client().lpush(QUEUE, "hello")

    assert "no Celery message" in messages()["queue content"].finding


def test_only_the_solo_pool_is_well_on_windows() -> None:
    on_windows = diagnoses.pools({"a@pc": "prefork", "b@pc": "solo"}, system="Windows")

    assert "a@pc" in on_windows.finding
    assert "not enough values to unpack" in on_windows.meaning
    assert on_windows.command == "python manage.py runworker"
    assert diagnoses.pools({"b@pc": "solo"}, system="Windows").level is Level.OK


def test_chunks_that_wait_although_workers_are_alive_are_a_warning_that_tells_idle_from_busy() -> None:
    chunk = ChunkFactory.create(job__status=Status.PROCESSING)
    _backdate(chunk, timedelta(minutes=2))
    assert found()["queue"].level is Level.OK, "without a worker it is the worker's line that tells"

    health.note_worker_alive("celery@here")
    idle = found()["queue"]
    assert "the oldest for 12" in idle.finding
    assert "idle" in idle.finding

    ChunkFactory.create(job=chunk.job, status=Status.PROCESSING)
    assert found()["queue"].level is Level.OK, "two minutes are nothing while workers are busy"
    _backdate(chunk, timedelta(hours=1))
    assert "more work than workers" in found()["queue"].meaning


def test_chunks_that_are_paused_or_put_off_do_not_count_as_waiting() -> None:
    health.note_worker_alive("celery@here")
    paused = ChunkFactory.create(job__status=Status.PROCESSING, job__paused_at=timezone.now())
    put_off = ChunkFactory.create(job__status=Status.PROCESSING, not_before=timezone.now() + timedelta(hours=1))
    for chunk in (paused, put_off):
        _backdate(chunk, timedelta(hours=2))

    assert found()["queue"].level is Level.OK


def _backdate(chunk: Chunk, age: timedelta) -> None:
    Chunk.objects.filter(pk=chunk.pk).update(created_at=timezone.now() - age)


def test_a_media_folder_that_cannot_be_written_is_a_problem(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file in its place")
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "media"}},
    }

    diagnosis = found()["storage"]

    assert diagnosis.level is Level.PROBLEM
    assert "storage_unavailable" in diagnosis.meaning
    assert diagnosis.command.startswith("df -h ")


def test_a_disk_that_is_nearly_full_is_a_warning() -> None:
    nearly = diagnoses.storage(trouble="", free_bytes=1_900_000_000, folder="/data/media")

    assert (nearly.level, nearly.finding) == (Level.WARNING, "The disk is nearly full: 1.9 GB are free.")
    assert diagnoses.storage(trouble="", free_bytes=2_100_000_000, folder="/data/media").level is Level.OK


@pytest.mark.parametrize(("skew_s", "level"), [(4.9, Level.OK), (-5.1, Level.WARNING), (7_200.0, Level.WARNING)])
def test_clocks_that_differ_by_more_than_seconds_are_a_warning(skew_s: float, level: Level) -> None:
    assert diagnoses.clocks("this machine", "Redis", skew_s=skew_s).level is level


def test_two_hours_between_two_clocks_are_seen_whichever_is_wrong() -> None:
    ahead = ("Redis", lambda: time.time() + 7_200)
    behind = ("the database", lambda: time.time() - 7_200)

    found = [(d.level, d.finding) for d in compared([("this machine", time.time), ahead, behind])]

    assert found == [
        (Level.WARNING, "The clocks of this machine and Redis differ by 7,200 s."),
        (Level.WARNING, "The clocks of this machine and the database differ by 7,200 s."),
        (Level.WARNING, "The clocks of Redis and the database differ by 14,400 s."),
    ]


def test_each_pair_of_clocks_that_can_be_asked_is_compared() -> None:
    findings = [d.finding for d in examine() if d.check == "clocks"]

    assert findings[0].startswith("this machine and Redis differ by 0.")
    assert len(findings) == (1 if connection.vendor == "sqlite" else 3)


@pytest.mark.parametrize(
    ("database", "check", "words"),
    [
        ("sqlite:///{folder}/empty.sqlite3", "migrations", "migrations are not applied"),
        ("postgresql://somebody:hush@127.0.0.1:{port}/none", "database", "does not answer"),
    ],
)
def test_trouble_with_the_database_is_named_and_the_rest_is_still_checked(
    process_environment: dict[str, str], tmp_path: Path, database: str, check: str, words: str
) -> None:
    address = database.format(folder=tmp_path, port=free_port())

    done = run(manage("doctor", "--json"), env={**process_environment, "DATABASE_URL": address})

    checks = {row["check"]: row for row in json.loads(done.stdout)}
    assert (done.returncode, checks[check]["level"]) == (1, "problem")
    assert words in checks[check]["finding"]
    assert checks["redis"]["level"] == "ok"
    assert checks["storage"]["level"] == "ok"
    assert "hush" not in done.stdout + done.stderr


def test_the_command_speaks_json_and_its_exit_status_tells_problems_and_on_demand_warnings() -> None:
    scheduler.sweep()
    health.note_worker_alive("celery@here")
    output = io.StringIO()

    call_command("doctor", "--json", stdout=output)
    checks = {row["check"]: row for row in json.loads(output.getvalue())}
    assert checks["contact"]["level"] == "warning"
    assert set(checks["contact"]) == {"check", "level", "finding", "meaning", "step", "command"}

    with pytest.raises(SystemExit) as strict:
        call_command("doctor", "--json", "--fail-level", "warning", stdout=io.StringIO())
    assert strict.value.code == 1

    client().delete("px:workers")
    with pytest.raises(SystemExit) as problem:
        call_command("doctor", "--json", stdout=io.StringIO())
    assert problem.value.code == 1


def test_the_command_tells_what_it_means_and_the_mend_below_each_finding() -> None:
    output = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=output)

    lines = output.getvalue().splitlines()
    place = next(index for index, line in enumerate(lines) if line.startswith("PROBLEM  workers"))
    assert lines[place + 1].strip().startswith("Whatever is started waits")
    assert lines[place + 2] == "         → Start one on the server: python manage.py runworker"


def test_the_readmes_table_and_the_doctor_know_the_same_symptoms() -> None:
    readme = (project.BASE_DIR / "README.md").read_text(encoding="utf-8")
    table = readme.partition("## When something is wrong")[2].partition("| what you see |")[2]
    rows = re.findall(r"^\| (?!---)(.+?) \|", table.partition("\n\n")[0], flags=re.MULTILINE)

    known = {symptom: [row for row in rows if symptom in row] for symptom in SYMPTOMS}

    assert {symptom: len(of) for symptom, of in known.items()} == dict.fromkeys(SYMPTOMS, 1)
    assert {row for of in known.values() for row in of} == set(rows)


def test_every_symptom_belongs_to_a_check_that_is_made() -> None:
    checks = {diagnosis.check for diagnosis in examine()}

    assert set(SYMPTOMS.values()) - checks == set()
