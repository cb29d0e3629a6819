"""The log as programs read it: of real processes, line by line."""

import http.client
import json
import logging
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import wait_until
from jobs import log_context
from jobs.models import Chunk, Job
from jobs.tests.test_crawl import submit
from pixcrawler.logs import Discretion, JsonFormatter, LineFormatter
from pixcrawler.tests.processes import Started, free_port, manage, run

TOKEN = "tok-5f0c9a81d2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET /a.jpg?token=abc123&size=2", "GET /a.jpg?token=•••&size=2"),
        ("https://h.example/p?size=2&X-Amz-Signature=ab%2Fcd", "https://h.example/p?size=2&X-Amz-Signature=•••"),
        ("https://h.example/?api_key=abc&key=def", "https://h.example/?api_key=•••&key=•••"),
        ("postgres://user:pass word@h/db", "postgres://user:pass word@h/db"),
        ("postgres://user:s3cr3t@h/db and redis://:pw@h:6379/1", "postgres://•••@h/db and redis://•••@h:6379/1"),
        ("Authorization: Bearer abcdefgh1234", "Authorization: Bearer •••"),
        ("said own-secret-of-ours aloud", "said ••• aloud"),
        (
            "12 tokens of a keyword=robin, https://h.example/a?page=2",
            "12 tokens of a keyword=robin, https://h.example/a?page=2",
        ),
    ],
)
def test_secrets_are_blotted_out_and_nothing_else(text: str, expected: str) -> None:
    assert Discretion(["own-secret-of-ours", "a"])(text) == expected


def _record(**given: Any) -> logging.LogRecord:
    return logging.LogRecord("a.logger", logging.WARNING, "f.py", 1, given.get("msg", ""), None, given.get("exc_info"))


def test_an_event_with_an_exception_and_line_breaks_is_one_line_with_its_ids() -> None:
    try:
        raise ValueError(f"two\nlines ?token={TOKEN}")
    except ValueError:
        record = _record(msg="what\nhappened", exc_info=sys.exc_info())
    log_context.begin(job=7, chunk=17)
    log_context.Ids().filter(record)
    log_context.begin()

    line = JsonFormatter().format(record)

    assert "\n" not in line
    said = json.loads(line)
    assert (said["message"], said["level"], said["logger"], said["job"], said["chunk"]) == (
        "what\nhappened", "WARNING", "a.logger", 7, 17
    )  # fmt: skip
    assert "ValueError: two\nlines" in said["exception"]
    assert TOKEN not in line
    assert TOKEN not in LineFormatter().format(record)


def test_a_form_that_there_is_not_is_refused(process_environment: dict[str, str]) -> None:
    ended = run(manage("check"), env={**process_environment, "PIXCRAWLER_LOG_FORMAT": "xml"})

    assert ended.returncode != 0
    assert "PIXCRAWLER_LOG_FORMAT is set to 'xml', but it takes line or json." in ended.stdout + ended.stderr


@pytest.fixture
def json_environment(transactional_db: None, process_environment: dict[str, str]) -> dict[str, str]:
    # A setting that the system checks have something to say about.
    told = {"PIXCRAWLER_LOG_FORMAT": "json", "PIXCRAWLER_LOG_LEVEL": "INFO", "PIXCRAWLER_ALLOW_HOSTS": "127.0.0.1:1"}
    return {**process_environment, **told}


@pytest.fixture
def services(json_environment: dict[str, str]) -> Iterator[dict[str, Started]]:
    """A worker, a scheduler and a web server, as production runs them."""
    port = free_port()
    gunicorn = [sys.executable, "-m", "gunicorn", "pixcrawler.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    commands = {
        "worker": manage("runworker", "--concurrency", "2"),
        "scheduler": manage("runscheduler"),
        "web": [*gunicorn, "--workers", "1", "--no-control-socket", "--access-logfile", "-"],
    }
    started = {name: Started(argv, env=json_environment) for name, argv in commands.items()}
    try:
        wait_until(lambda: "Booting worker" in started["web"].text)
        wait_until(lambda: _asked(port, f"/healthz?token={TOKEN}") == 200)
        yield started
    finally:
        for service in started.values():
            if service.process.poll() is None:
                service.end(signal.SIGKILL)


def _asked(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_terminal


def _events(service: Started) -> list[dict[str, Any]]:
    """Every line of the service's output; one that is no JSON fails the test."""
    events = []
    for line in service.text.splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            pytest.fail(f"not JSON: {line!r}")
    assert all({"time", "level", "logger", "message", "host", "pid"} <= event.keys() for event in events)
    return events


def test_every_line_of_every_service_is_json_and_a_chunks_lines_name_it(services: dict[str, Started]) -> None:
    services["worker"].wait_for(" ready.")
    job = submit(keywords=("stars", "sun"), sources=("sample",), per_label=5)
    wait_until(lambda: _ended(job))
    wait_until(lambda: services["worker"].text.count("crawl_chunk_task") >= 4)
    for name, number in (("worker", signal.SIGTERM), ("scheduler", signal.SIGTERM), ("web", signal.SIGTERM)):
        services[name].end(number)

    worker = _events(services["worker"])
    chunks = dict(Chunk.objects.filter(job=job).values_list("pk", "job_id"))
    # A chunk may be asked for twice; who comes second has nothing to do.
    done = [
        event
        for event in worker
        if "chunk_task" in event["message"]
        and "succeeded" in event["message"]
        and "nothing to do" not in event["message"]
    ]
    assert {event["chunk"]: event["job"] for event in done} == chunks
    assert all(event["logger"].startswith("celery.") and "worker-" in event["worker"] for event in done)
    assert any(event["logger"] == "jobs.activity" and event["job"] == job.pk for event in worker)
    assert any("PIXCRAWLER_ALLOW_HOSTS" in event["message"] for event in worker), "a finding of the system checks"
    assert any("shutdown" in event["message"] for event in worker)
    assert any("makes a pass" in event["message"] for event in _events(services["scheduler"]))
    asked = [event["message"] for event in _events(services["web"]) if event["logger"] == "gunicorn.access"]
    assert asked
    assert TOKEN not in "".join(asked)
