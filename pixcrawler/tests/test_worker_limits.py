"""What a worker really runs with, and a time limit that could not work."""

import subprocess
from typing import Any

import pytest

from conftest import wait_until
from pixcrawler.celery import app
from pixcrawler.tests.processes import manage, run


def _told(what: str) -> dict[str, Any]:
    """What the one running worker says of itself; empty while none answers."""
    answers = getattr(app.control.inspect(timeout=1.0), what)() or {}
    return next(iter(answers.values()), {})


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_within_its_limits(worker: "subprocess.Popen[bytes]") -> None:
    wait_until(lambda: _told("stats"))

    stats, conf = _told("stats"), _told("conf")

    assert stats["pool"]["timeouts"] == [840, 900]
    assert stats["pool"]["max-tasks-per-child"] == 200
    # One message per process: what waits, waits where every worker can take it.
    assert stats["prefetch_count"] == stats["pool"]["max-concurrency"] == 2
    assert conf["CELERY_WORKER_MAX_MEMORY_PER_CHILD"] == 300_000
    assert conf["CELERY_BROKER_TRANSPORT_OPTIONS"]["visibility_timeout"] > conf["CELERY_TASK_TIME_LIMIT"]
    assert (conf["CELERY_TASK_ACKS_LATE"], conf["CELERY_TASK_REJECT_ON_WORKER_LOST"]) == (True, False)


@pytest.mark.parametrize(("limit_s", "lease_s"), [("120", "30"), ("200", "150")])
def test_a_time_limit_that_would_end_sound_chunks_is_refused(
    process_environment: dict[str, str], limit_s: str, lease_s: str
) -> None:
    env = {**process_environment, "PIXCRAWLER_TASK_TIME_LIMIT_S": limit_s, "PIXCRAWLER_LEASE_S": lease_s}

    ended = run(manage("check"), env=env)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"PIXCRAWLER_TASK_TIME_LIMIT_S is set to {limit_s}, but it has to be above")
