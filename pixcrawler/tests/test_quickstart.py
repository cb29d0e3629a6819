"""quickstart as its user meets it: real processes, a data folder of their own, a free port."""

import http.client
import os
import re
import shutil
import signal
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings

from conftest import wait_until
from pixcrawler import embedded_valkey, preflight
from pixcrawler.tests.processes import (
    Started,
    free_port,
    manage,
    own_parts_of_forks,
    run,
    with_mark,
    with_package,
)

PASSWORD = re.compile(r"│  password  (\S+)")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Not tmp_path: its path may be too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="pixquick-"))
    yield folder
    for pid in with_mark(str(folder)):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def environment(data_dir: Path) -> dict[str, str]:
    """A shell that sets nothing but the data folder. What is empty here cannot come from a .env file either."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIXCRAWLER_")},
        "DJANGO_SETTINGS_MODULE": "pixcrawler.settings",
        "PIXCRAWLER_DATA_DIR": str(data_dir),
        "PIXCRAWLER_SAMPLE_DELAY_S": "0",
        "CELERY_BROKER_URL": "",
        "CELERY_RESULT_BACKEND": "",
        "DATABASE_URL": "",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def port() -> int:
    return free_port()


def test_first_start_second_start_and_stop(environment: dict[str, str], data_dir: Path, port: int) -> None:
    first = quickstart(environment, port)
    first.wait_for("password  ")
    assert health(port) == 200
    assert f"http://127.0.0.1:{port}/" in first.text
    assert len(PASSWORD.findall(first.text)) == 1
    wait_until(lambda: job_statuses(data_dir) == ["completed"], seconds=60)
    first.wait_for("succeeded in")
    # Some 30 MiB of each process, and here is no Parquet, nor a picture whose hash needs SciPy.
    assert with_package(first.pid, "PIL") != []
    assert with_package(first.pid, "pyarrow") == with_package(first.pid, "scipy") == []
    own_parts = own_parts_of_forks(first.pid)
    assert len(own_parts) >= 3, "two of the web server, and of the worker one for each core"
    assert max(own_parts.values()) < 0.5, "who is forked shares what its parent has loaded"
    assert first.end(signal.SIGTERM, seconds=25) == 0
    assert with_mark(str(data_dir)) == []
    assert "Traceback" not in first.text

    second = quickstart(environment, port)
    second.wait_for("PixCrawler runs at")
    assert health(port) == 200
    assert "password" not in second.text
    assert job_statuses(data_dir) == ["completed"]
    assert second.end(signal.SIGINT, seconds=25) == 0
    assert with_mark(str(data_dir)) == []


def test_a_killed_quickstart_blocks_no_later_start_and_leaves_nothing(
    environment: dict[str, str], data_dir: Path, port: int
) -> None:
    environment["PIXCRAWLER_SAMPLE_DELAY_S"] = "0.5"
    environment["PIXCRAWLER_LEASE_S"] = "4"
    environment["PIXCRAWLER_SCHEDULER_INTERVAL_S"] = "1"
    first = quickstart(environment, port)
    first.wait_for("received")
    first.end(signal.SIGKILL)

    environment["PIXCRAWLER_SAMPLE_DELAY_S"] = "0"
    second = quickstart(environment, port)
    second.wait_for("PixCrawler runs")
    assert health(port) == 200
    wait_until(lambda: job_statuses(data_dir) == ["completed"], seconds=60)
    second.end(signal.SIGKILL)
    wait_until(lambda: with_mark(str(data_dir)) == [], seconds=25)


def test_a_killed_child_is_started_again(environment: dict[str, str], data_dir: Path, port: int) -> None:
    started = quickstart(environment, port, "--no-sample")
    started.wait_for("ready.")
    started.wait_for("password  ")
    assert job_statuses(data_dir) == []
    children = {
        "valkey": "valkey-server",
        "worker": "pixcrawler worker",
        "scheduler": "runscheduler",
        "web": "gunicorn",
    }
    for name, words in children.items():
        killed = child_of(data_dir, words)
        os.kill(killed, signal.SIGKILL)
        started.wait_for(f"{name:<9} | The process was ended by SIGKILL; it is started again in 1 s.")
        wait_until(partial(child_of, data_dir, words))
    wait_until(lambda: health(port) == 200)
    assert started.end(signal.SIGTERM, seconds=25) == 0
    assert with_mark(str(data_dir)) == []


def test_a_second_quickstart_on_the_same_data_says_so(environment: dict[str, str], data_dir: Path, port: int) -> None:
    lock = preflight.lock_data_dir(data_dir)
    try:
        assert f"already runs on the data folder {data_dir} (process {os.getpid()})" in refusal(environment, port)
    finally:
        os.close(lock)


def test_a_taken_port_is_named(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        sentence = refusal(environment, port)
    assert f"Port {port} on 127.0.0.1 cannot be used" in sentence
    assert f"--port {port + 1}" in sentence


def test_an_unreachable_redis_is_named_without_its_password(environment: dict[str, str], port: int) -> None:
    environment["CELERY_BROKER_URL"] = f"redis://:hush@127.0.0.1:{free_port()}/1"
    sentence = refusal(environment, port)
    assert "The Redis server at 127.0.0.1:" in sentence
    assert "CELERY_BROKER_URL" in sentence
    assert "hush" not in sentence


def test_an_unreachable_database_is_named_without_its_password(environment: dict[str, str], port: int) -> None:
    environment["DATABASE_URL"] = f"postgresql://somebody:hush@127.0.0.1:{free_port()}/pixcrawler"
    sentence = refusal(environment, port)
    assert "The database at 127.0.0.1:" in sentence
    assert "DATABASE_URL" in sentence
    assert "hush" not in sentence


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "postgrse://somebody:hush@db/pixcrawler", "DATABASE_URL names no database"),
        ("DATABASE_URL", "postgresql://somebody:hush@db:port/pixcrawler", "DATABASE_URL names no database"),
        ("CELERY_BROKER_URL", "redis://:hush@cache:port/1", "The Redis server at cache:port does not answer"),
        ("PIXCRAWLER_LEASE_S", "soon", "PIXCRAWLER_LEASE_S is set to 'soon', which is not a number"),
    ],
)
def test_a_variable_with_a_slip_of_the_pen_is_named(
    environment: dict[str, str], port: int, name: str, value: str, words: str
) -> None:
    sentence = refusal({**environment, name: value}, port)
    assert words in sentence
    assert "hush" not in sentence


def test_a_file_in_place_of_the_data_folder_is_named(environment: dict[str, str], data_dir: Path, port: int) -> None:
    (data_dir / "taken").write_text("a file")
    environment["PIXCRAWLER_DATA_DIR"] = str(data_dir / "taken")
    sentence = refusal(environment, port)
    assert f"The data folder {data_dir}/taken cannot be written" in sentence
    assert "PIXCRAWLER_DATA_DIR" in sentence


def test_a_server_that_already_answers_on_the_socket_is_not_pushed_aside(data_dir: Path) -> None:
    socket_path = data_dir / "valkey.sock"
    server = embedded_valkey.spec(socket_path, data_dir / "valkey")
    started = Started(server.argv, env=os.environ)
    try:
        wait_until(lambda: embedded_valkey.answers(socket_path))
        with pytest.raises(preflight.PreflightError, match="Another Valkey server already answers"):
            embedded_valkey.check(socket_path)
    finally:
        started.end(signal.SIGTERM)
    embedded_valkey.check(socket_path)


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("127.0.0.1", 0, "0 is no port"),
        ("127.0.0.1", 65_536, "65536 is no port"),
        ("no-such-host.invalid", 8000, "no-such-host.invalid is no address of this machine"),
        ("192.0.2.1", 8000, "Port 8000 on 192.0.2.1 cannot be used"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_named(host: str, port: int, words: str) -> None:
    with pytest.raises(preflight.PreflightError, match=words):
        preflight.check_port(host, port)


def test_runworker_turns_into_celery_and_names_its_queues(environment: dict[str, str], data_dir: Path) -> None:
    environment["CELERY_BROKER_URL"] = settings.CELERY_BROKER_URL
    worker = Started(manage("runworker", "--concurrency", "1", "--queues", "celery,other"), env=environment)
    worker.wait_for("ready.")
    assert b"celery" in Path(f"/proc/{worker.pid}/cmdline").read_bytes()
    assert "key=other" in worker.text
    assert "concurrency: 1 (prefork)" in worker.text
    assert worker.end(signal.SIGTERM) == 0


def test_flower_shows_the_workers_of_a_server_on_a_socket(environment: dict[str, str], port: int) -> None:
    environment["CELERY_BROKER_URL"] = settings.CELERY_BROKER_URL
    flower = Started(manage("runflower", "--port", str(port)), env=environment)
    wait_until(lambda: get(port, "/healthcheck") == 200)
    assert get(port, "/workers") == 200
    flower.end(signal.SIGTERM)
    assert "Flower has no login: whoever uses this machine may look at it." in flower.text
    assert "Traceback" not in flower.text


def test_the_scheduler_says_when_its_neighbours_go_and_come_back(environment: dict[str, str], data_dir: Path) -> None:
    environment["PIXCRAWLER_SCHEDULER_INTERVAL_S"] = "0.2"
    environment["CELERY_BROKER_URL"] = f"redis+socket://{data_dir}/valkey.sock?virtual_host=1"
    scheduler = Started(manage("runscheduler"), env=environment)
    scheduler.wait_for("The database is out of reach")
    scheduler.wait_for(f"Redis at {data_dir}/valkey.sock is out of reach")
    assert run(manage("migrate"), env=environment).returncode == 0
    scheduler.wait_for("The database is back")
    server = Started(embedded_valkey.spec(data_dir / "valkey.sock", data_dir / "valkey").argv, env=os.environ)
    scheduler.wait_for("valkey.sock is back")
    server.end(signal.SIGTERM)
    assert scheduler.end(signal.SIGTERM, seconds=5) == 0
    assert "Traceback" not in scheduler.text


def test_one_pass_of_the_scheduler_says_what_it_did(
    process_environment: dict[str, str], transactional_db: None
) -> None:
    result = run(manage("runscheduler", "--once"), env=process_environment)
    assert result.returncode == 0
    assert "0 jobs settled" in result.stdout


def quickstart(environment: dict[str, str], port: int, *arguments: str) -> Started:
    return Started(manage("quickstart", "--port", str(port), *arguments), env=environment)


def refusal(environment: dict[str, str], port: int) -> str:
    """What quickstart says when it cannot start: one line, exit status 1."""
    result = run(manage("quickstart", "--port", str(port)), env=environment)
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def health(port: int) -> int:
    return get(port, "/healthz")


def get(port: int, path: str) -> int:
    """The status of a page; 0: nobody answers."""
    request = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        request.request("GET", path)
        return request.getresponse().status
    except OSError:
        return 0
    finally:
        request.close()


def job_statuses(data_dir: Path) -> list[str]:
    with closing(sqlite3.connect(data_dir / "pixcrawler.sqlite3")) as database:
        return [row[0] for row in database.execute("SELECT status FROM jobs_job ORDER BY id")]


def child_of(data_dir: Path, words: str) -> int:
    """The process on this data folder with these words in its command line that has the lowest pid; 0: none."""
    found = (pid for pid in with_mark(str(data_dir)) if words in command_line(pid))
    return min(found, default=0)


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
