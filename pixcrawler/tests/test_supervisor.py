"""The supervisor, with real children: small Python programs."""

import io
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from conftest import wait_until
from pixcrawler import process_record
from pixcrawler.supervisor import ChildSpec, Supervisor
from pixcrawler.tests.processes import Started, is_alive, with_mark

SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


def child(name: str, code: str, *, grace_s: float = 5.0) -> ChildSpec:
    return ChildSpec(name=name, argv=(sys.executable, "-c", code), grace_s=grace_s)


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def test_each_line_of_a_child_carries_its_name(out: io.StringIO) -> None:
    supervisor = Supervisor(out=out)
    # One write: a pipe takes it whole.
    supervisor.start(child("web", f"import os; os.write(1, b'one\\ntwo'); {SLEEP}"))
    supervisor.watch(until=lambda: "one" in out.getvalue(), timeout_s=20)
    supervisor.stop()
    assert out.getvalue() == "web       | one\nweb       | two\n"


def test_the_last_words_of_a_child_come_before_the_news_of_its_end(out: io.StringIO) -> None:
    supervisor = Supervisor(out=out, back_off_s=(30,))
    supervisor.start(child("web", "import sys; sys.exit('line\\n' * 20_000 + 'the reason')"))
    supervisor.watch(until=lambda: "started again" in out.getvalue(), timeout_s=20)
    supervisor.stop()
    *lines, reason, news = out.getvalue().splitlines()
    assert (len(lines), reason) == (20_000, "web       | the reason")
    assert news.startswith("web       | The process ended with status 1")


def test_a_child_that_ends_is_started_again_after_longer_and_longer_pauses(out: io.StringIO) -> None:
    supervisor = Supervisor(out=out, back_off_s=(0.1, 0.3))
    supervisor.start(child("web", "raise SystemExit(3)"))
    supervisor.watch(until=lambda: out.getvalue().count("started again") >= 3, timeout_s=20)
    supervisor.stop()
    sentences = out.getvalue().splitlines()
    assert sentences[:3] == [
        "web       | The process ended with status 3; it is started again in 0.1 s.",
        "web       | The process ended with status 3; it is started again in 0.3 s.",
        "web       | The process ended with status 3; it is started again in 0.3 s.",
    ]


def test_a_child_that_is_killed_runs_again(out: io.StringIO, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); {SLEEP}"
    supervisor = Supervisor(out=out, back_off_s=(0.1,))
    supervisor.start(child("worker", code))
    supervisor.watch(until=note.exists, timeout_s=20)
    wait_until(lambda: note.read_text())
    first = int(note.read_text())
    os.kill(first, signal.SIGKILL)
    assert supervisor.watch(until=lambda: note.read_text() not in {"", str(first)}, timeout_s=20)
    supervisor.stop()
    assert "was ended by SIGKILL" in out.getvalue()


def test_children_stop_in_reverse_order(out: io.StringIO) -> None:
    polite = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye')))"
    code = f"import signal, sys, time; {polite}; print('up', flush=True); time.sleep(60)"
    supervisor = Supervisor(out=out)
    for name in ("first", "second", "third"):
        supervisor.start(child(name, code))
    assert supervisor.watch(until=lambda: out.getvalue().count("up") == 3, timeout_s=20)
    supervisor.stop()
    order = [line.split()[0] for line in out.getvalue().splitlines() if line.endswith("bye")]
    assert order == ["third", "second", "first"]


def test_a_child_that_does_not_stop_is_killed_with_its_own_children(out: io.StringIO) -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}, {mark!r}]); {STUBBORN}"
    supervisor = Supervisor(out=out)
    supervisor.start(child("web", code, grace_s=0.3))
    assert supervisor.watch(until=lambda: "deaf" in out.getvalue() and len(with_mark(mark)) == 2, timeout_s=20)
    supervisor.stop()
    wait_until(lambda: not with_mark(mark), seconds=10)
    assert "did not stop within 0.3 s; it is killed" in out.getvalue()


def test_what_a_dead_child_left_running_ends_before_it_is_started_again(out: io.StringIO) -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}, {mark!r}]); sys.exit(1)"
    supervisor = Supervisor(out=out, back_off_s=(30,))
    supervisor.start(child("web", code))
    assert supervisor.watch(until=lambda: "started again" in out.getvalue(), timeout_s=20)
    wait_until(lambda: not with_mark(mark), seconds=10)
    supervisor.stop()


def test_a_stop_request_ends_the_watch(out: io.StringIO) -> None:
    supervisor = Supervisor(out=out)
    supervisor.request_stop()
    assert supervisor.watch() is False


def test_a_killed_supervisor_takes_its_children_along(tmp_path: Path) -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    code = (
        "import sys\n"
        "from pixcrawler.supervisor import ChildSpec, Supervisor\n"
        "supervisor = Supervisor(out=sys.stdout)\n"
        f"supervisor.start(ChildSpec(name='web', argv=(sys.executable, '-c', {SLEEP!r}, {mark!r})))\n"
        "supervisor.watch()\n"
    )
    started = Started([sys.executable, "-c", code], env={**os.environ})
    wait_until(lambda: any(pid != started.pid for pid in with_mark(mark)))
    started.end(signal.SIGKILL)
    wait_until(lambda: not with_mark(mark), seconds=10)


def test_a_process_of_an_earlier_run_is_ended(tmp_path: Path) -> None:
    record = tmp_path / "children.json"
    argv = [sys.executable, "-c", f"import os; os.setsid(); {STUBBORN}"]
    left = Started(argv, env={**os.environ})
    left.wait_for("deaf")
    process_record.write(record, [left.pid])
    assert process_record.stop_leftovers(record, grace_s=0.2) == 1
    assert left.process.wait(timeout=10) == -signal.SIGKILL
    assert not record.exists()


def test_a_process_that_merely_has_the_pid_of_an_earlier_one_is_left_alone(tmp_path: Path) -> None:
    record = tmp_path / "children.json"
    stranger = Started([sys.executable, "-c", SLEEP], env={**os.environ})
    record.write_text(f'{{"{stranger.pid}": "another boot 1234"}}')
    assert process_record.stop_leftovers(record) == 0
    assert is_alive(stranger.pid)
    stranger.end(signal.SIGKILL)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"12": ', "null"])
def test_a_record_that_was_cut_off_names_nobody(tmp_path: Path, content: str) -> None:
    record = tmp_path / "children.json"
    record.write_text(content)
    assert process_record.stop_leftovers(record) == 0
