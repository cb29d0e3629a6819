"""Real processes for tests: what runs, what a process printed so far, and waiting for either."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from django.conf import settings

from conftest import wait_until


class Started:
    """A process that was started, its output collected line by line (`text`)."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None) -> None:
        self.process = subprocess.Popen(
            argv,
            env=env,
            cwd=cwd or settings.BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def text(self) -> str:
        return "".join(self._lines)

    def wait_for(self, words: str, *, seconds: float = 40) -> None:
        """Returns when the output holds the words; fails the test when the process ends without them."""
        wait_until(lambda: words in self.text or not self._reader.is_alive(), seconds=seconds)
        assert words in self.text, f"ended without {words!r}:\n{self.text}"

    def end(self, number: signal.Signals, *, seconds: float = 30) -> int:
        """Sends the signal and waits for the end; gives the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=seconds)
        self._reader.join(timeout=5)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)


def run(argv: Sequence[str], *, env: Mapping[str, str], seconds: float = 60) -> "subprocess.CompletedProcess[str]":
    """A process run to its end."""
    return subprocess.run(
        argv, env=env, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=seconds, check=False
    )


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def with_mark(mark: str) -> list[int]:
    """The processes whose environment or command line holds the mark; zombies do not count."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            facts = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            ended = (folder / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except (OSError, IndexError):
            continue
        if mark.encode() in facts and not ended:
            found.append(int(folder.name))
    return found


def with_package(root_pid: int, package: str) -> list[str]:
    """The command lines of the process and of those below it that have a library of the Python package loaded."""
    root = psutil.Process(root_pid)
    return [
        " ".join(process.cmdline())
        for process in (root, *root.children(recursive=True))
        if f"/site-packages/{package}/" in Path(f"/proc/{process.pid}/maps").read_text()
    ]


def own_parts_of_forks(root_pid: int) -> dict[int, float]:
    """Which part of its memory each process below that one has for itself, of those that run what their parent runs."""
    parts = {}
    for process in psutil.Process(root_pid).children(recursive=True):
        parent = process.parent()
        if parent and process.cmdline() == parent.cmdline():
            memory = process.memory_full_info()
            parts[process.pid] = memory.uss / memory.rss
    return parts


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
