"""An installation as processes: workers, schedulers and the web server, each to be killed and started again."""

import os
import signal
import sys
import time
from dataclasses import dataclass, field

import psutil
import requests
from celery import current_app

from conftest import wait_until
from jobs.doorbell import CHUNK_TASKS
from jobs.models import Kind
from pixcrawler.tests.processes import Started, free_port, manage


@dataclass
class Worker:
    """A worker: its main process and the pool processes that do the work."""

    started: Started

    @property
    def pool(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.started.pid).children() if child.status() != "zombie"]

    @property
    def everything(self) -> list[psutil.Process]:
        main = psutil.Process(self.started.pid)
        return [main, *main.children(recursive=True)]

    def send(self, number: signal.Signals) -> None:
        """Sends the signal to the main process and all below it at once, as the end of a container does."""
        for process in self.everything:
            process.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.started.process.wait(timeout=10)


@dataclass
class Stack:
    """What runs. `environment` is that of every process."""

    environment: dict[str, str]
    processes: list[Started] = field(default_factory=list)
    url: str = ""

    def start_worker(self, *, concurrency: int = 2, clock: str = "") -> Worker:
        """A worker that takes work; its `clock` is off by so much ("+2h")."""
        argv = manage("runworker", f"--concurrency={concurrency}")
        if clock:
            argv = ["faketime", "-f", clock, *argv]
        # The clock on the wall is off; that which measures spans of time is not.
        started = self._start(argv, FAKETIME_DONT_FAKE_MONOTONIC="1")
        started.wait_for("ready.")
        return Worker(started)

    def start_scheduler(self) -> Started:
        return self._start(manage("runscheduler"))

    def start_web(self) -> None:
        """The web server, as quickstart and the containers run it."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._start([sys.executable, "-m", "gunicorn", "pixcrawler.wsgi:application", "--bind", f"127.0.0.1:{port}",
                     "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--log-level", "warning",
                     "--no-control-socket"])  # fmt: skip
        wait_until(self._web_answers, seconds=90)

    def send_chunk_message(self, chunk_id: int, *, times: int) -> None:
        """Asks the workers to try the chunk, so many times."""
        for _ in range(times):
            current_app.send_task(CHUNK_TASKS[Kind.CRAWL], args=[chunk_id])

    def kill(self) -> None:
        """Ends everything that still runs."""
        for started in self.processes:
            if started.process.poll() is None:
                Worker(started).kill()

    def log(self) -> str:
        """The last words of every process."""
        return "\n".join(f"--- {started.process.args!r}\n{started.text[-3000:]}" for started in self.processes)

    def _start(self, argv: list[str], **more: str) -> Started:
        started = Started(argv, env={**os.environ, **self.environment, **more})
        self.processes.append(started)
        return started

    def _web_answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            time.sleep(0.1)
            return False
