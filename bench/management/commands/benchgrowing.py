"""manage.py benchgrowing: one size of `make bench-growth` (bench/growth.py), which asks it for a round a line."""

import hashlib
import json
import random
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandParser, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from bench.copies import copy_rows
from bench.seed import Seeded, Size, seed
from bench.settings import DATA_FOLDER, VALKEY_SOCKET
from bench.valkey import running_valkey
from datasets import near
from datasets.imaging.types import ImageFacts
from datasets.services import NewImage, Origin
from jobs import lifecycle, planner, recorder
from jobs.chunk_work import FLUSH_RESULTS
from jobs.crawl.types import Candidate
from jobs.crawl.urls import url_key
from jobs.models import Chunk, Job, LabelTarget, Status
from jobs.recorder import Result
from jobs.spec import CrawlSpec

#: Chunks of a round, and answers of each page.
_CHUNKS = 6
_PAGES = 10

#: Images that a process of a worker records before another one takes its place.
_IMAGES_OF_A_PROCESS = settings.CELERY_WORKER_MAX_TASKS_PER_CHILD * settings.CHUNK_SIZE


class Command(BaseCommand):
    help = "Seeds a database, and tells what an image costs in it for each line that comes in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--images", type=int, required=True)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            with running_valkey(VALKEY_SOCKET):
                call_command("migrate", verbosity=0)
                call_command("collectstatic", verbosity=0, interactive=False)
                settings.ALLOWED_HOSTS = ["testserver"]
                size = Size.of(options["images"])
                beside = _Beside(seed(size), size)
                _settled()
                self._tell(beside.first())
                for _ in sys.stdin:
                    self._tell(beside.round())
        finally:
            shutil.rmtree(DATA_FOLDER, ignore_errors=True)

    def _tell(self, figures: dict[str, dict[str, float]]) -> None:
        self.stdout.write(json.dumps(figures))
        self.stdout.flush()


class _Beside:
    """A crawl under way into the large dataset, with as many chunks behind it as the dataset has images for."""

    def __init__(self, rows: Seeded, size: Size) -> None:
        self._rows = rows
        self._chance = random.Random(size.images)
        self._job = _crawl(rows, size)
        self._known = list(rows.dataset.images.order_by("pk").values_list("url", flat=True)[: FLUSH_RESULTS // 2])
        self._client = Client()
        self._client.force_login(rows.user)
        self._number = 0

    def first(self) -> dict[str, dict[str, float]]:
        """What a process does once: the hashes of all images, told per image that it then records."""
        with _cost(_IMAGES_OF_A_PROCESS) as spent:
            near.warm(self._rows.dataset)
        return {"read all hashes": spent}

    def round(self) -> dict[str, dict[str, float]]:
        spent = {"already known": _nothing(), "record": _nothing(), "end of a chunk": _nothing()}
        for _ in range(_CHUNKS):
            self._chunk(spent)
        pages = {
            "page of the gallery": f"/datasets/{self._rows.dataset.slug}/",
            "page of the report": f"/datasets/{self._rows.dataset.slug}/report/",
        }
        for name, address in pages.items():
            self._client.get(address)
            with _cost(_PAGES) as spent[name]:
                for _ in range(_PAGES):
                    self._client.get(address)
        return spent

    def _chunk(self, spent: dict[str, dict[str, float]]) -> None:
        """Takes a chunk that is open, fills its quota, ends it, and so opens those that follow."""
        chunk_id = self._job.chunks.filter(status=Status.PENDING).order_by("pk").values_list("pk", flat=True)[0]
        lease = lifecycle.claim_chunk(chunk_id, worker="bench", task_id="bench")
        if lease is None:
            raise RuntimeError(f"Chunk {chunk_id} could not be taken.")
        chunk = Chunk.objects.select_related("job", "job__dataset").get(pk=chunk_id)
        images = chunk.quota
        while chunk.quota:
            results = [self._result(chunk) for _ in range(min(chunk.quota, FLUSH_RESULTS))]
            candidates = [result.candidate for result in results]
            there = [Candidate(url=url, source=chunk.source) for url in self._known]
            with _cost(_CHUNKS * images, spent["already known"]):
                recorder.known(chunk, [*candidates, *there])
            with _cost(_CHUNKS * images, spent["record"]):
                chunk = recorder.record(lease, chunk, results)
        with _cost(_CHUNKS * images, spent["end of a chunk"]):
            planner.finish_chunk(chunk, Status.COMPLETED, token=lease.token)

    def _result(self, chunk: Chunk) -> Result:
        """A picture that nobody has, as fetching and decoding would give it."""
        self._number += 1
        url = f"https://photos.example/fresh/{self._rows.dataset.pk}/{self._number}.jpg"
        sha256 = hashlib.sha256(url.encode()).hexdigest()
        facts = ImageFacts(
            sha256=sha256, size_bytes=90_000, format="JPEG", mode="RGB", width_px=1024, height_px=768, frames=1,
            phash=self._chance.getrandbits(64) - 2**63, dhash=self._chance.getrandbits(64) - 2**63, thumbnail=b"",
        )  # fmt: skip
        candidate = Candidate(url=url, source=chunk.source, title=f"A robin, picture {self._number}")
        origin = Origin(
            source=chunk.source, source_id="", url=url, url_key=url_key(url), page_url="", title=candidate.title,
            creator="", creator_url="", licence_code="by", licence_version="4.0", licence_url="", attribution="",
            tags=(), ml_use="unknown",
        )  # fmt: skip
        image = NewImage(
            label=chunk.label,
            keyword=chunk.keyword,
            facts=facts,
            blob_name=f"originals/{sha256[:2]}/{sha256}.jpg",
            thumb_name=f"thumbs/{sha256[:2]}/{sha256}.jpg",
            origin=origin,
        )
        return Result(
            candidate=candidate, image=image, sha256=sha256, format="JPEG", width_px=1024, height_px=768,
            size_bytes=90_000, seconds=0.1, attempts=1, transfer_s=0.05,
        )  # fmt: skip


def _crawl(rows: Seeded, size: Size) -> Job:
    """Chunks that have ended for all images of the dataset, evenly over the lanes, and one open chunk."""
    spec = CrawlSpec.from_json(rows.ended.spec)
    now = timezone.now()
    job = Job.objects.create(
        dataset=rows.dataset, spec=spec.to_json(), status=Status.PROCESSING, started_at=now, created_by=rows.user,
        wanted=2 * size.images,
    )  # fmt: skip
    LabelTarget.objects.bulk_create(LabelTarget(job=job, label=label, wanted=2**30) for label in spec.labels)
    lanes = spec.lanes[: size.ended_chunks]
    Chunk.objects.bulk_create(
        Chunk(
            job=job, label=lane.label, keyword=lane.keyword, source=lane.source, status=Status.COMPLETED,
            finished_at=now, found=50, kept=50,
        )
        for lane in lanes
    )  # fmt: skip
    copy_rows(Chunk, {"job_id": job.pk}, size.ended_chunks, {"window": "{column} + {n}"})
    quota = settings.CHUNK_SIZE
    LabelTarget.objects.filter(job=job, label=lanes[0].label).update(reserved=quota)
    Chunk.objects.create(
        job=job, label=lanes[0].label, keyword=lanes[0].keyword, source=lanes[0].source, window=2**20, quota=quota
    )
    return job


def _settled() -> None:
    """As autovacuum leaves a PostgreSQL that has run for a while."""
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _nothing() -> dict[str, float]:
    return {"cpu_ms": 0.0, "database_ms": 0.0, "wall_ms": 0.0}


@contextmanager
def _cost(parts: int, spent: dict[str, float] | None = None) -> Iterator[dict[str, float]]:
    """Adds the block's milliseconds for each of so many parts: by the clock, and of processor time.

    `cpu_ms` is that of this process and of its connection, which is a process of PostgreSQL; `database_ms` is the
    latter's part of it.
    """
    spent = _nothing() if spent is None else spent
    wall_s, own_s, database_s = time.perf_counter(), time.process_time(), _database_s()
    yield spent
    database_ms = 1000 * (_database_s() - database_s) / parts
    spent["cpu_ms"] += 1000 * (time.process_time() - own_s) / parts + database_ms
    spent["database_ms"] += database_ms
    spent["wall_ms"] += 1000 * (time.perf_counter() - wall_s) / parts


def _database_s() -> float:
    """Processor time of our connection, by the nanosecond and for everybody on this machine to read."""
    if connection.vendor != "postgresql":
        return 0.0
    schedule = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    return int(schedule.read_text().split()[0]) / 1e9
