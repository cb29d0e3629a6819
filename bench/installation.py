"""PixCrawler as people run it: Valkey, a database, a worker, a scheduler and a submitter, each a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contestants import PROJECT_DIR, Task, cleared, last_words
from bench.meters import Meter, cpu_s, waited_cpu_s
from bench.runs import Run, RunFailed, written_at
from bench.valkey import running_valkey

_STOP_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedJob:
    """A job from the start of its worker to its end: what its submitter told, and what all processes used.

    `ended_at` is in seconds of time.time(); `cpu_s` is by part, `before_s` what servers had used before.
    """

    report: dict[str, Any]
    ended_at: float
    whole_s: float
    cpu_s: dict[str, float]
    meter: Meter
    before_s: dict[str, float]

    def cpu_s_until(self, moment: float) -> float:
        """Processor seconds of all parts until a moment of time.time()."""
        return sum(self.meter.cpu_s_until(part, moment) - self.before_s.get(part, 0.0) for part in self.meter.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A migrated database and a Valkey that runs; worker, scheduler and submitter start with each run.

    `servers` are the process ids of Valkey and, where there is one, of the database server. The list is crawled under
    so many `labels` in turn.
    """

    name: str
    folder: Path
    environment: dict[str, str]
    servers: dict[str, int]
    labels: int

    def run(self, task: Task) -> Run:
        """Crawls the list into a dataset of its own, with an empty media folder. Raises RunFailed."""
        job = self.follow(task.folder, *_submission(task, self.labels))
        written = written_at((self.folder / "media" / "originals").rglob("*.jpg"))
        if job.report["kept"] != task.images or len(written) != task.images:
            raise RunFailed(f"{self.name} kept {job.report['kept']} of {task.images}, in {len(written)} files.")
        cleared(self.folder / "media")
        return Run(
            contestant=self.name,
            latency_ms=task.latency_ms,
            round=task.round,
            images=len(written),
            loop_s=written[-1] - written[0],
            whole_s=job.whole_s,
            cpu_s=job.cpu_s,
            start_cpu_s=job.cpu_s_until(written[0]),
            peak_mib=job.meter.peak_mib,
            peak_parts_mib=job.meter.peak_parts_mib,
        )

    def follow(self, folder: Path, *command: str) -> FollowedJob:
        """Runs a command of manage.py that submits a job and waits for its end, with a worker and a scheduler.

        The folder, which is there and empty, takes what the processes say. Raises RunFailed where the job failed.
        """
        before_s = {part: cpu_s([pid]) for part, pid in self.servers.items()}
        started = time.perf_counter()
        with self._process(folder, "worker", "runworker", "--skip-checks") as worker, \
                self._process(folder, "scheduler", "runscheduler", "--skip-checks") as scheduler, \
                self._process(folder, "submitter", *command, "--wait", "--json") as submitter:  # fmt: skip
            parts = {"worker": worker.pid, "scheduler": scheduler.pid, "submitter": submitter.pid, **self.servers}
            with Meter(parts) as meter:
                submitter_s = waited_cpu_s(submitter)
            ended_at, whole_s = time.time(), time.perf_counter() - started
            used_s = {part: cpu_s([pid]) - before_s.get(part, 0.0) for part, pid in parts.items()}
        told = (folder / "submitter.out").read_text()
        if submitter.returncode or not told:
            words = "\n".join(last_words(log) for log in sorted(folder.iterdir()) if log.is_file())
            raise RunFailed(
                f"{self.name}: “{' '.join(command)}” ended with {submitter.returncode}. Last words:\n{words}"
            )
        return FollowedJob(
            report=json.loads(told),
            ended_at=ended_at,
            whole_s=whole_s,
            cpu_s={**used_s, "submitter": submitter_s},
            meter=meter,
            before_s=before_s,
        )

    @contextmanager
    def _process(self, folder: Path, name: str, *arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
        env = {**os.environ, **self.environment}
        with (folder / f"{name}.out").open("wb") as output, (folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "manage.py", *arguments]
            process = subprocess.Popen(command, cwd=PROJECT_DIR, env=env, stdout=output, stderr=log)
            with _ended(process):
                yield process


def _submission(task: Task, labels: int) -> list[str]:
    """The command that submits the list."""
    file = task.folder / "labelled.csv"
    urls = task.list.read_text().splitlines()
    file.write_text("\n".join(["url,label", *(f"{url},label {at % labels}" for at, url in enumerate(urls))]))
    name = f"Round {task.round} with {task.latency_ms} ms"
    wanted = ["--per-label", str(-(-task.images // labels))]
    return ["crawl", name, "--source", "urls", "--urls-file", str(file), *wanted]


@contextmanager
def installed(name: str, folder: Path, *, database_url: str, allow_hosts: str, labels: int) -> Iterator[Installation]:
    """An installation in the folder, on SQLite where `database_url` is empty; its Valkey ends with the block."""
    folder.mkdir(parents=True)
    valkey_socket = folder / "valkey.sock"
    environment = {
        "DJANGO_SETTINGS_MODULE": "pixcrawler.settings",
        "PIXCRAWLER_DATA_DIR": str(folder),
        "PIXCRAWLER_ALLOW_HOSTS": allow_hosts,
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": f"redis+socket://{valkey_socket}?virtual_host=1",
        "CELERY_RESULT_BACKEND": "",
    }
    with running_valkey(valkey_socket) as valkey_pid:
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0", "--skip-checks"]
        subprocess.run(migrate, cwd=PROJECT_DIR, env={**os.environ, **environment}, check=True)
        servers = {"Valkey": valkey_pid}
        if database_url:
            servers["PostgreSQL"] = _postmaster_pid()
        yield Installation(name=name, folder=folder, environment=environment, servers=servers, labels=labels)


def _postmaster_pid() -> int:
    """The server of scripts/with_postgres.py. Raises RunFailed where the program runs without."""
    folder = os.environ.get("PIXCRAWLER_TEST_POSTGRES_DIR")
    if folder is None:
        raise RunFailed("No PostgreSQL server of its own: run it by “make bench”, or with --databases sqlite.")
    return int((Path(folder) / "data" / "postmaster.pid").read_text().split()[0])


@contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ends the process with the block, in good order where it takes no longer than a minute."""
    try:
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_STOP_TIMEOUT_S)
            process.kill()
            process.wait()
