"""manage.py benchpolling: what a poll costs, and what many watchers of one job cost its crawl (docs/performance.md)."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.db import connection
from django.test import Client

from bench.contestants import cleared
from bench.meters import cpu_s, machine
from bench.photo_server import folder_of_environment, photographs, serving
from bench.poll_costs import PollCost, poll_costs
from bench.runs import written_at
from bench.seed import Size, seed
from bench.settings import DATA_FOLDER, VALKEY_SOCKET
from bench.valkey import running_valkey
from datasets.people import OPERATOR
from jobs.models import Job
from pixcrawler.management.commands.quickstart import our_processes
from pixcrawler.supervisor import ChildSpec
from scripts.with_postgres import free_port

#: Nobody; as often as the page of a job that few watch asks; as often as this page asks by itself.
NOBODY, EVERY_2_S, AS_ASKED = "nobody", "every 2 s", "as the page asks"

_START_TIMEOUT_S = 60
_LABELS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """One crawl: images per second between the first and the last file; processor seconds by part meanwhile.

    `polls` and what follows is what the watchers had: answers by status, those that did not come, seconds they waited.
    """

    watchers: str
    round: int
    images: int
    per_s: float
    seconds: float
    cpu_s: Mapping[str, float]
    polls: int = 0
    statuses: Mapping[str, int] | None = None
    failures: int = 0
    median_s: float = 0.0
    p95_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Medians over the rounds. `speed` is that of the crawl beside that of one with nobody watching in the same round.

    `share` is what polls took of the processor time of all cores: of the web process as it was measured, and of the
    database as a poll by itself takes.
    """

    watchers: str
    speed: float
    lowest: float
    highest: float
    polls_per_s: float
    web_ms: float
    watchers_ms: float
    share: float
    median_s: float
    p95_s: float


def _watched(kind: str, crawls: list[Crawled], alone: Mapping[int, Crawled], database_ms: float) -> Watched:
    speeds = [crawl.per_s / alone[crawl.round].per_s for crawl in crawls]
    polls_per_s = median(crawl.polls / crawl.seconds for crawl in crawls)
    web_ms = median(1000 * crawl.cpu_s["web"] / max(1, crawl.polls) for crawl in crawls)
    return Watched(
        watchers=kind,
        speed=median(speeds),
        lowest=min(speeds),
        highest=max(speeds),
        polls_per_s=polls_per_s,
        web_ms=web_ms,
        watchers_ms=median(1000 * crawl.cpu_s["watchers"] / max(1, crawl.polls) for crawl in crawls),
        share=polls_per_s * (web_ms + database_ms) / 1000 / (os.cpu_count() or 1),
        median_s=median(crawl.median_s for crawl in crawls),
        p95_s=median(crawl.p95_s for crawl in crawls),
    )


class Command(BaseCommand):
    help = "Measures polls of a running job's page, and a crawl with nobody and with many who watch it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--short", action="store_true", help="1,000 images and 2 rounds, within five minutes.")
        parser.add_argument("--images", type=int, help="Images of a crawl (4,000).")
        parser.add_argument("--rounds", type=int, help="Rounds (5).")
        parser.add_argument("--watchers", type=int, default=200, help="Browsers that watch (200).")
        parser.add_argument("--polls", type=int, help="Polls of each kind that are measured by themselves (1,000).")
        parser.add_argument("--photos", type=Path, default=folder_of_environment(), help="A folder of JPEG files.")
        parser.add_argument("--output", type=Path, default=Path("var/bench/polling.json"), help="Where figures go.")

    def handle(self, *_args: Any, **options: Any) -> None:
        # SIGTERM passes through `finally` like any other end.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        settings.ALLOWED_HOSTS = ["testserver"]
        images = options["images"] or (1_000 if options["short"] else 4_000)
        rounds = options["rounds"] or (2 if options["short"] else 5)
        polls = options["polls"] or (500 if options["short"] else 1_000)
        try:
            with ExitStack() as stack:
                valkey = stack.enter_context(running_valkey(VALKEY_SOCKET))
                call_command("migrate", verbosity=0)
                call_command("collectstatic", verbosity=0, interactive=False)
                port = stack.enter_context(serving(photographs(options["photos"]), latency_s=0))
                costs = poll_costs(seed(Size(images=3_000)), polls=polls)
                self._tell_costs(costs)
                web = stack.enter_context(_Installation.running(valkey, photo_port=port))
                crawls = self._crawls(web, images, rounds, options["watchers"])
        finally:
            connection.close()
            shutil.rmtree(DATA_FOLDER, ignore_errors=True)
        figures = {
            "machine": machine(),
            "database": connection.vendor,
            "watchers": options["watchers"],
            "polls": [asdict(cost) for cost in costs],
            "crawls": [asdict(crawl) for crawl in crawls],
            "watched": [asdict(one) for one in self._tell_crawls(crawls, costs[1].database_ms)],
        }
        options["output"].parent.mkdir(parents=True, exist_ok=True)
        options["output"].write_text(json.dumps(figures, indent=1))
        self._tell(f"All figures: {options['output']}")

    def _crawls(self, web: "_Installation", images: int, rounds: int, watchers: int) -> list[Crawled]:
        """In each round one crawl of each kind, beginning with another one each time; one before that, to warm up."""
        cookies = _cookies(watchers)
        web.crawl(NOBODY, round=0, images=min(images, 300), cookies=[])
        kinds, crawls = [NOBODY, EVERY_2_S, AS_ASKED], []
        for round in range(1, rounds + 1):
            for kind in kinds:
                crawl = web.crawl(kind, round=round, images=images, cookies=[] if kind == NOBODY else cookies)
                self._tell(f"round {round}, {kind}: {crawl.per_s:.0f} images/s, {crawl.polls:,} polls")
                crawls.append(crawl)
            kinds = [*kinds[1:], kinds[0]]
        return crawls

    def _tell_costs(self, costs: list[PollCost]) -> None:
        self._tell(f"{connection.vendor}; {machine()}")
        self._tell(f"{'poll':36} {'status':>6} {'queries':>7} {'kB':>5}  web process, best and median  database")
        for one in costs:
            self._tell(
                f"{one.poll:36} {one.status:6} {one.queries:7} {one.body_bytes / 1000:5.1f}  "
                f"{one.best_ms:10.2f} ms {one.median_ms:8.2f} ms {one.database_ms:13.2f} ms"
            )

    def _tell_crawls(self, crawls: list[Crawled], database_ms: float) -> list[Watched]:
        alone = {crawl.round: crawl for crawl in crawls if crawl.watchers == NOBODY}
        found = []
        for kind in (EVERY_2_S, AS_ASKED):
            one = _watched(kind, [crawl for crawl in crawls if crawl.watchers == kind], alone, database_ms)
            self._tell(
                f"watched {kind}: {one.speed:.3f} of the speed alone ({one.lowest:.3f} to {one.highest:.3f}), "
                f"{one.polls_per_s:.0f} polls/s; processor ms per poll: web {one.web_ms:.2f}, the watchers themselves "
                f"{one.watchers_ms:.2f}; web and database took {100 * one.share:.1f} % of all processor time there is; "
                f"half of the answers came within {1000 * one.median_s:.0f} ms, 95 % within {1000 * one.p95_s:.0f} ms"
            )
            found.append(one)
        return found

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installation:
    """What `quickstart` runs, by process id; `photo_port` is the loopback web's, `web_port` the web server's."""

    pids: Mapping[str, int]
    photo_port: int
    web_port: int

    @classmethod
    @contextmanager
    def running(cls, valkey_pid: int, *, photo_port: int) -> "Iterator[_Installation]":
        web_port = free_port()
        env = {"PIXCRAWLER_ALLOW_HOSTS": f"127.0.0.1:{photo_port}", "DJANGO_SETTINGS_MODULE": "pixcrawler.settings"}
        (DATA_FOLDER / "run").mkdir(exist_ok=True)
        pids = {"Valkey": valkey_pid}
        if postgres := os.environ.get("PIXCRAWLER_TEST_POSTGRES_DIR"):
            pids["PostgreSQL"] = int((Path(postgres) / "data" / "postmaster.pid").read_text().split()[0])
        with ExitStack() as stack:
            for spec in our_processes("127.0.0.1", web_port):
                pids[spec.name] = stack.enter_context(_running(spec, env)).pid
            yield cls(pids=pids, photo_port=photo_port, web_port=web_port)

    def crawl(self, watchers: str, *, round: int, images: int, cookies: list[str]) -> Crawled:
        """Crawls a list of its own into a dataset of its own; watched from its submission to its end."""
        job = self._submitted(f"Round {round}, {watchers}", images)
        started, before_s = time.perf_counter(), {part: cpu_s([pid]) for part, pid in self.pids.items()}
        with self._watching(job, cookies, 2.0 if watchers == EVERY_2_S else None) as browsers:
            while not job.is_terminal:
                time.sleep(0.5)
                job.refresh_from_db()
            seconds = time.perf_counter() - started
            used_s = {part: cpu_s([pid]) - before_s[part] for part, pid in self.pids.items()}
            used_s["watchers"] = cpu_s([browsers.pid]) if browsers else 0.0
            if browsers:
                browsers.terminate()
            told = json.loads(browsers.communicate()[0]) if browsers else {}
        if job.kept != images:
            raise CommandError(f"Only {job.kept} of {images} images were kept: {job.summary}")
        files = written_at((DATA_FOLDER / "media" / "originals").rglob("*.jpg"))
        cleared(DATA_FOLDER / "media")
        statuses: dict[str, int] = told.pop("statuses", {})
        return Crawled(
            watchers=watchers,
            round=round,
            images=images,
            per_s=(len(files) - 1) / (files[-1] - files[0]),
            seconds=seconds,
            cpu_s=used_s,
            polls=sum(statuses.values()),
            statuses=statuses,
            **{name: told[name] for name in ("failures", "median_s", "p95_s") if name in told},
        )

    def _submitted(self, name: str, images: int) -> Job:
        first = images * (1 + Job.objects.count())
        file = DATA_FOLDER / "list.csv"
        lines = (
            f"http://127.0.0.1:{self.photo_port}/p/{number}.jpg,label {number % _LABELS}"
            for number in range(first, first + images)
        )
        file.write_text("\n".join(["url,label", *lines]))
        wanted = str(-(-images // _LABELS))
        command = ["crawl", name, "--source", "urls", "--urls-file", str(file), "--per-label", wanted, "--json"]
        output = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=settings.BASE_DIR,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "pixcrawler.settings"},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        return Job.objects.get(pk=json.loads(output)["job"])

    @contextmanager
    def _watching(
        self, job: Job, cookies: list[str], every_s: float | None
    ) -> "Iterator[subprocess.Popen[bytes] | None]":
        if not cookies:
            yield None
            return
        order = {"port": self.web_port, "address": f"/jobs/{job.pk}/live/?v=", "cookies": cookies, "every_s": every_s}
        browsers = subprocess.Popen(
            [sys.executable, "-m", "bench.watchers"],
            cwd=settings.BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with _ended(browsers):
            assert browsers.stdin is not None  # noqa: S101
            browsers.stdin.write(json.dumps(order).encode())
            browsers.stdin.close()
            browsers.stdin = None
            yield browsers


def _cookies(number: int) -> list[str]:
    """Sessions of so many operators."""
    group, cookies = Group.objects.get(name=OPERATOR), []
    for place in range(number):
        user = User.objects.create_user(f"watcher {place}")
        user.groups.add(group)
        client = Client()
        client.force_login(user)
        cookies.append(f"sessionid={client.cookies['sessionid'].value}")
    return cookies


@contextmanager
def _running(spec: ChildSpec, env: Mapping[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    log = DATA_FOLDER / f"{spec.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            spec.argv, cwd=spec.cwd, env={**os.environ, **spec.env, **env}, stdout=output, stderr=output
        )
        with _ended(process):
            yield process


@contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ends the process with the block, in good order where it takes no longer than a minute."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_START_TIMEOUT_S)
            process.kill()
            process.wait()
