"""A crawl that is struck by a fault in its middle, and what must hold after it."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import requests
from django.conf import settings
from django.db import connection

from conftest import wait_until
from datasets import blobs, orphans
from datasets.models import Image
from datasets.storage import TEMPORARY_SUFFIX
from datasets.tests.pictures import encoded, noisy
from faults.stack import Stack, Worker
from jobs.models import TERMINAL, Chunk, Finding, Job, Status
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb

KEYWORDS = tuple(f"subject {number}" for number in range(6))
IMAGES = 300

#: The longest that anybody waits for work to go on, for a job to end, for a cancel and for a page, in seconds.
RESTART_S = 60.0
END_S = 150.0
CANCEL_S = 5.0
ANSWER_S = 5.0

_LONG_AGO_S = 1_000_000_000


@dataclass
class Visitor:
    """Somebody who looks at the job's page and asks the API for it, all the time."""

    url: str
    headers: dict[str, str]
    cookies: dict[str, str]
    answers: list[tuple[int, float]] = field(default_factory=list)
    _gone: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def looking_at(self, job_id: int) -> Iterator[None]:
        thread = threading.Thread(target=self._look, args=[job_id], daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._gone.set()
            thread.join(timeout=30)

    def _look(self, job_id: int) -> None:
        while not self._gone.wait(0.4):
            for path in (f"/jobs/{job_id}/", f"/api/v1/jobs/{job_id}"):
                started = time.monotonic()
                try:
                    status = requests.get(
                        self.url + path, headers=self.headers, cookies=self.cookies, timeout=20, allow_redirects=False
                    ).status_code
                except requests.RequestException:
                    status = 0
                self.answers.append((status, time.monotonic() - started))

    @property
    def slowest_s(self) -> float:
        return max((seconds for _, seconds in self.answers), default=0.0)

    @property
    def statuses(self) -> set[int]:
        return {status for status, _ in self.answers}


@dataclass(kw_only=True)
class Crawl:
    """One crawl on a stack, from a web of pictures of its own.

    `struck` is the fault, after `fault_after` pictures; `recovered_s` counts from its end until everything that it
    caught under way is in new hands or done, and something new is recorded.
    """

    name: str
    stack: Stack
    web: PhotoWeb
    token: str
    session: str
    tell: Callable[[str], None]
    images: int = IMAGES
    fault_after: int = 50
    job: Job = field(init=False)
    recovered_s: float = 0.0
    slowest_s: float = 0.0
    _expected: dict[str, str] = field(default_factory=dict)
    _visitor: Visitor = field(init=False)

    def submit(self) -> None:
        """Puts the pictures into the web and posts the job."""
        self.fill_web()
        answer = self.post("/api/v1/jobs/", self.body())
        assert answer.status_code == 201, answer.text
        self.follow(answer.json()["job"])

    def follow(self, job_id: int) -> None:
        """It is this job that is struck and checked."""
        self.job = Job.objects.get(pk=job_id)

    def fill_web(self) -> None:
        """Puts the pictures into the web, each in the results of one keyword."""
        for number in range(self.images):
            keyword = KEYWORDS[number % len(KEYWORDS)]
            body = encoded(noisy(72, 72, seed=number))
            path = f"/{number}.jpg"
            self.web.add_photo(path, body, words=keyword)
            self._expected[hashlib.sha256(body).hexdigest()] = path

    def body(self) -> dict[str, object]:
        """What the job asks for: all there is, by every keyword."""
        per_label = -(-self.images // len(KEYWORDS))
        return {"dataset": "Subjects", "keywords": KEYWORDS, "sources": ["openverse"], "per_label": per_label}

    def post(self, path: str, body: dict[str, object] | None = None, **headers: str) -> requests.Response:
        """Sends a request to the API, and takes its time into account."""
        started = time.monotonic()
        answer = requests.post(
            self.stack.url + path, json=body, headers={"Authorization": f"Bearer {self.token}", **headers}, timeout=30
        )
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        return answer

    def page(self) -> str:
        """The job's page as a browser gets it."""
        answer = requests.get(f"{self.stack.url}/jobs/{self.job.pk}/", cookies={"sessionid": self.session}, timeout=30)
        assert answer.status_code == 200
        return answer.text

    def recorded(self) -> int:
        return Finding.objects.filter(job=self.job).count()

    def middle(self) -> None:
        """Returns when a part of the pictures is recorded."""
        wait_until(lambda: self.recorded() >= self.fault_after, seconds=60)
        assert 0 < self.recorded() < self.images * 4 // 5, "the fault would not fall in the middle"

    @contextmanager
    def struck(self) -> Iterator[None]:
        """The fault, in the middle of the crawl; it ends with the block, and then the crawl goes on."""
        self._visitor = Visitor(self.stack.url, {"Authorization": f"Bearer {self.token}"}, {"sessionid": self.session})
        with self._visitor.looking_at(self.job.pk):
            self.middle()
            yield
            connection.close()
            self._wait_for_recovery(self._held())
            wait_until(self.ended, seconds=END_S)
            # One more look at how it ended.
            time.sleep(1)

    def is_worked_on(self) -> bool:
        return Chunk.objects.filter(job=self.job, status=Status.PROCESSING).exists()

    def freeze_at_work(self, worker: Worker) -> None:
        """Stops all of a worker, while the job's chunks are in work."""
        freeze_at_work(worker, [self.job])

    def has_seen(self, status: int) -> bool:
        """Whether somebody who looked at the job got an answer of that status."""
        return status in self._visitor.statuses

    def ended(self) -> bool:
        self.job.refresh_from_db()
        return self.job.status in TERMINAL

    def check(
        self,
        *,
        says: str | tuple[str, ...] = "",
        status: Status = Status.COMPLETED,
        may_answer: tuple[int, ...] = (200,),
    ) -> None:
        """Everything that must hold after a fault; `says` is what the job's activity log tells of it, or the
        ways in which it may tell it."""
        self._check_rows(status)
        self._check_files()
        self._check_answers(may_answer)
        log = "\n".join(self.job.activities.values_list("sentence", flat=True))
        assert any(words in log for words in (says if isinstance(says, tuple) else (says,))), log
        self._check_retry()
        self._report()

    def retry(self) -> None:
        """Asks for what failed or was not done, and waits for the end."""
        answer = self.post(f"/api/v1/jobs/{self.job.pk}/retry")
        assert answer.status_code == 202, answer.text
        wait_until(self.ended, seconds=END_S)

    def missing(self) -> int:
        """How many of the pictures the dataset does not have."""
        return len(self._expected.keys() - set(self._kept()))

    def name_of(self, number: int) -> str:
        """The name of the blob that the picture becomes."""
        sha256 = next(sha256 for sha256, path in self._expected.items() if path == f"/{number}.jpg")
        return f"originals/{sha256[:2]}/{sha256}.jpg"

    def ends_among_orphans(self) -> bool:
        """Whether the crawl has ended; if not, all pictures that the media store lacks lie there, unnamed for years."""
        for sha256, path in self._expected.items():
            name = Path(settings.MEDIA_ROOT) / f"originals/{sha256[:2]}/{sha256}.jpg"
            if not name.exists():
                name.parent.mkdir(parents=True, exist_ok=True)
                planted = name.with_suffix(".planted")
                planted.write_bytes(self.web.pages[path](0)[2])
                os.utime(planted, (_LONG_AGO_S, _LONG_AGO_S))
                # A worker may have written the picture meanwhile: then that file counts.
                with suppress(FileExistsError):
                    os.link(planted, name)
                planted.unlink()
        return self.ended()

    def repeated(self) -> int:
        """Downloads of pictures beyond the first of each."""
        return sum(self.web.hits[path] - 1 for path in self._expected.values() if self.web.hits[path])

    def busy_pid(self) -> int:
        """The pool process that holds a chunk at the moment."""
        chunk = Chunk.objects.filter(job=self.job, status=Status.PROCESSING).order_by("-started_at").first()
        assert chunk is not None
        return int(chunk.worker.rpartition(":")[2])

    def _held(self) -> dict[int, UUID | None]:
        return dict(Chunk.objects.filter(job=self.job, status=Status.PROCESSING).values_list("pk", "lease_token"))

    def _wait_for_recovery(self, held: dict[int, UUID | None]) -> None:
        ended_at, before = time.monotonic(), self.recorded()
        wait_until(
            lambda: self.ended() or (self.recorded() > before and not held.items() & self._held().items()),
            seconds=RESTART_S,
        )
        self.recovered_s = time.monotonic() - ended_at

    def _kept(self) -> list[str]:
        return list(Image.objects.filter(dataset=self.job.dataset_id).values_list("sha256", flat=True))

    def _check_rows(self, status: Status) -> None:
        assert self.job.status == status, (self.job.status, self.job.summary)
        assert_ledger_holds(self.job)
        kept = self._kept()
        assert len(kept) == len(set(kept)), "an image is there twice"
        if status == Status.COMPLETED:
            assert set(kept) == set(self._expected), f"{self.missing()} images are lost: {self.job.summary}"
        shown = requests.get(
            f"{self.stack.url}/api/v1/jobs/{self.job.pk}", headers={"Authorization": f"Bearer {self.token}"}, timeout=10
        ).json()
        assert shown["kept"] == len(kept) == self.job.kept

    def _check_files(self) -> None:
        names = dict(Image.objects.values_list("blob_name", "sha256"))
        for name, sha256 in names.items():
            with blobs.open(name) as blob:
                assert hashlib.sha256(blob.read()).hexdigest() == sha256
        sweep_orphans()
        assert set(blobs.names("originals")) == set(names)
        assert sum(1 for _ in blobs.names("thumbs")) == len(names)
        assert not list(settings.MEDIA_ROOT.rglob(f"*{TEMPORARY_SUFFIX}"))

    def _check_answers(self, may_answer: tuple[int, ...]) -> None:
        self.slowest_s = max(self.slowest_s, self._visitor.slowest_s)
        assert self._visitor.statuses <= set(may_answer), self._visitor.answers
        assert self.slowest_s <= ANSWER_S, f"an answer took {self.slowest_s:.1f} s"

    def _check_retry(self) -> None:
        """A retry of a job that wants nothing is refused, and changes nothing."""
        before = (self.job.run, self.recorded(), len(self._kept()))
        answer = self.post(f"/api/v1/jobs/{self.job.pk}/retry")
        self.job.refresh_from_db()
        assert (answer.status_code, before) == (409, (self.job.run, self.recorded(), len(self._kept())))

    def _report(self) -> None:
        kept = self._kept()
        self.tell(
            f"{self.name}: recovered in {self.recovered_s:.1f} s, downloads repeated {self.repeated()}, "
            f"images lost {self.missing()}, images doubled {len(kept) - len(set(kept))} "
            f"(of {self.images}; slowest answer {self.slowest_s:.2f} s)"
        )


def freeze_at_work(worker: Worker, jobs: Sequence[Job]) -> None:
    """Stops all of a worker while a chunk of the jobs is held: it may just have put one down."""
    held = Chunk.objects.filter(job__in=jobs, status=Status.PROCESSING)
    for _ in range(20):
        wait_until(held.exists, seconds=RESTART_S)
        worker.send(signal.SIGSTOP)
        if held.exists():
            return
        worker.send(signal.SIGCONT)
    raise AssertionError("the worker was never caught at work")


def sweep_orphans() -> None:
    """Removes what no row names, however young: nobody works any more."""
    for prefix in orphans.PREFIXES:
        orphans.sweep_prefix(prefix, grace_s=0)
