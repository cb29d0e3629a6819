"""manage.py benchmemory: what a worker and a submitter need for a huge list of addresses (docs/performance.md)."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.db import connection
from django.db.models import F

from bench.sampling import MemorySampler
from bench.settings import DATA_FOLDER, VALKEY_SOCKET
from bench.valkey import running_valkey
from datasets.models import Dataset
from jobs import progress
from jobs.models import Job

#: What one process of a worker may need, in MiB: 250 MB.
LIMIT_MIB = 238

#: After so many candidates a worker has everything loaded; what it needs more later is growth.
_SETTLED_AFTER = 1_000

_POLL_S = 1.0

#: Candidates between two lines about the largest process.
_TOLD_EVERY = 20_000


class Command(BaseCommand):
    help = "Submits a huge list of addresses and crawls it with a real worker; tells times and memory."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--lines", type=int, default=1_000_000, help="Lines of the list (1,000,000).")
        parser.add_argument("--candidates", type=int, default=40_000, help="Crawl so many (40,000); 0: all.")
        parser.add_argument("--pictures", type=float, default=0.1, help="Share of real pictures (0.1).")
        parser.add_argument("--labels", type=int, default=4, help="Labels of the list, a lane each (4).")
        parser.add_argument("--concurrency", type=int, default=2, help="Processes of the worker (2).")
        parser.add_argument("--tasks-per-child", type=int, help="Chunks after which a process is replaced.")

    def handle(self, *_args: Any, **options: Any) -> None:
        # SIGTERM passes through `finally` like any other end.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            with ExitStack() as stack:
                stack.enter_context(running_valkey(VALKEY_SOCKET))
                port = stack.enter_context(_picture_web())
                call_command("migrate", verbosity=0)
                self._measure(port, options)
        finally:
            connection.close()
            shutil.rmtree(DATA_FOLDER, ignore_errors=True)

    def _measure(self, port: int, options: dict[str, Any]) -> None:
        file = DATA_FOLDER / "list.csv"
        _write_list(file, port, lines=options["lines"], pictures=options["pictures"], labels=options["labels"])
        env = {"PIXCRAWLER_ALLOW_HOSTS": f"127.0.0.1:{port}", "DJANGO_SETTINGS_MODULE": "pixcrawler.settings"}
        job = self._submit(file, options, env)
        peak_mib = self._crawl(job, options, env)
        if peak_mib > LIMIT_MIB:
            raise CommandError(f"A process of the worker needed {peak_mib:.0f} MiB; the limit is {LIMIT_MIB}.")

    def _submit(self, file: Path, options: dict[str, Any], env: dict[str, str]) -> Job:
        self._tell(f"{connection.vendor}; a list of {options['lines']:,} lines, {file.stat().st_size / 2**20:.0f} MiB")
        command = ["crawl", "bench", "--source", "urls", "--urls-file", str(file), "--per-label", "1000000", "--json"]
        with _SmallWrites() as writes:
            started = time.monotonic()
            submitter = _started([sys.executable, "manage.py", *command], env, stdout=subprocess.PIPE)
            with MemorySampler(submitter.pid) as memory:
                output, _ = submitter.communicate()
            seconds = time.monotonic() - started
        if submitter.returncode:
            raise CommandError("The list was not submitted.")
        self._tell(f"submitted in {seconds:.1f} s, with at most {memory.peak_mib:.0f} MiB")
        self._tell(f"longest of {writes.count:,} small writes meanwhile: {writes.longest_s:.3f} s")
        return Job.objects.get(pk=json.loads(output)["job"])

    def _crawl(self, job: Job, options: dict[str, Any], env: dict[str, str]) -> float:
        """Runs a worker until it has done enough; gives the peak of its largest process in MiB."""
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "pixcrawler", "worker", "--loglevel=warning", "-E"]
        command += ["--pool=prefork", f"--concurrency={options['concurrency']}"]
        if options["tasks_per_child"]:
            command.append(f"--max-tasks-per-child={options['tasks_per_child']}")
        wanted = options["candidates"] or options["lines"]
        found = 0
        started = time.monotonic()
        worker = _started(command, env)
        try:
            with MemorySampler(worker.pid, is_marked=lambda: found >= _SETTLED_AFTER) as memory:
                told = _TOLD_EVERY
                while found < wanted and not job.is_terminal:
                    time.sleep(_POLL_S)
                    job.refresh_from_db()
                    found = progress.read(job).found
                    if found >= told:
                        self._tell(f"  {found:>9,} after {time.monotonic() - started:4.0f} s: {memory.now_mib:.0f} MiB")
                        told += _TOLD_EVERY
                    if worker.poll() is not None:
                        raise CommandError(f"The worker ended with {worker.returncode}.")
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(timeout=60)
        self._tell_crawl(progress.read(job), time.monotonic() - started, memory)
        return memory.peak_mib

    def _tell_crawl(self, now: progress.Progress, seconds: float, memory: MemorySampler) -> None:
        self._tell(
            f"{now.found:,} candidates in {seconds:.0f} s ({now.found / seconds:.0f} a second): {now.kept:,} kept, "
            f"{now.duplicate:,} duplicate, {now.rejected:,} rejected, {now.failed:,} failed, {now.skipped:,} skipped"
        )
        self._tell(f"{'process':>16}  {'first':>6}  {f'{_SETTLED_AFTER:,}':>6}  {'last':>6}  {'peak':>6}  MiB resident")
        for one in sorted(memory.processes.values(), key=lambda process: process.pid):
            mark = f"{one.at_mark_mib:.0f}" if one.at_mark_mib else "–"
            name = f"{one.name} {one.pid}"
            self._tell(f"{name:>16}  {one.first_mib:6.0f}  {mark:>6}  {one.last_mib:6.0f}  {one.peak_mib:6.0f}")
        self._tell(f"all processes of the worker together, shared pages once: at most {memory.peak_sum_mib:.0f} MiB")

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class _SmallWrites:
    """Writes a row again and again, as a crawl beside does; `longest_s` is how long one had to wait at most."""

    def __init__(self) -> None:
        self.count = 0
        self.longest_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "_SmallWrites":
        self._dataset_id = Dataset.objects.create(name="beside", slug="beside").pk
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.02):
                asked = time.monotonic()
                Dataset.objects.filter(pk=self._dataset_id).update(image_count=F("image_count") + 1)
                self.longest_s = max(self.longest_s, time.monotonic() - asked)
                self.count += 1
        finally:
            connection.close()


def _write_list(file: Path, port: int, *, lines: int, pictures: float, labels: int) -> None:
    """A CSV list: pictures, each with bytes of its own; addresses that the rules refuse; a few lines twice."""
    every = round(1 / pictures) if pictures else lines + 1
    with file.open("w", encoding="utf-8") as output:
        output.write("url,label,title\n")
        for number in range(lines):
            if number % every == 0:
                url = f"http://127.0.0.1:{port}/p/{number}.jpg"
            elif number % 97 == 0:
                url = f"http://10.0.0.1/{number - number % 9700}.jpg"
            elif number % 5 == 0:
                url = f"ftp://files.example/{number}.jpg"
            else:
                url = f"http://10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/albums/{number}.jpg"
            output.write(f"{url},label {number // 10 % labels},Picture {number}\n")


@contextmanager
def _picture_web() -> Iterator[int]:
    web = _started([sys.executable, "-m", "bench.picture_web"], {}, stdout=subprocess.PIPE)
    with _ended(web):
        assert web.stdout is not None  # noqa: S101
        yield int(web.stdout.readline())


@contextmanager
def _ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _started(command: list[str], env: dict[str, str], *, stdout: int | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen(command, env={**os.environ, **env}, cwd=settings.BASE_DIR, stdout=stdout, text=True)
