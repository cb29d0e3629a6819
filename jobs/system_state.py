"""The state of what PixCrawler runs on, for the System page and /metrics."""

import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Case, Count, F, Min, Q, Sum, When
from django.db.models.functions import Coalesce, Greatest, Now

from datasets.models import Dataset
from datasets.outcomes import Outcome
from jobs.health import Health
from jobs.models import Chunk, Job, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Chunks that are due and wait for a worker, since when the oldest of them has, and chunks that run.

    `database_ms` is how long the database took to tell.
    """

    waiting: int
    running: int
    since: datetime | None
    database_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemState:
    """Seen at one moment; a number is None where it could not be learnt."""

    health: Health
    work: Work
    disk_used_percent: int | None
    disk_free_bytes: int | None


def state(health: Health, work: Work) -> SystemState:
    """Asks the disk, which takes a moment."""
    disk = disk_usage()
    return SystemState(
        health=health,
        work=work,
        disk_used_percent=round(100 * disk.used / disk.total) if disk else None,
        disk_free_bytes=disk.free if disk else None,
    )


def work() -> Work:
    """What is to be done, in one query. A chunk waits since it was made, a worker last had it, or it came due.

    One that is tried again in a later run waits since its last message: when the retry was asked for is not known.
    """
    due = Q(job__paused_at__isnull=True) & (Q(not_before__isnull=True) | Q(not_before__lte=Now()))
    waiting = Q(status=Status.PENDING, job__status=Status.PROCESSING) & due
    since = Greatest(
        Case(When(run__gt=1, published_at__isnull=False, then=F("published_at")), default=F("created_at")),
        Coalesce(F("started_at"), F("created_at")),
        Coalesce(F("not_before"), F("created_at")),
    )
    started = time.perf_counter()
    numbers = Chunk.objects.filter(status__in=[Status.PENDING, Status.PROCESSING]).aggregate(
        waiting=Count("pk", filter=waiting),
        running=Count("pk", filter=Q(status=Status.PROCESSING)),
        since=Min(since, filter=waiting),
    )
    return Work(**numbers, database_ms=(time.perf_counter() - started) * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows there are: jobs by (kind, status), chunks by status, findings by (kind, outcome).

    `images` and `image_bytes` are those of all datasets.
    """

    jobs: Mapping[tuple[str, str], int]
    chunks: Mapping[str, int]
    findings: Mapping[tuple[str, str], int]
    images: int
    image_bytes: int


def counts() -> Counts:
    """Three queries over jobs, chunks and datasets; images and findings, which are many, are summed up there."""
    outcomes = [outcome.value for outcome in Outcome]
    jobs: dict[tuple[str, str], int] = {}
    findings: Counter[tuple[str, str]] = Counter()
    groups = Job.objects.order_by().values("kind", "status")
    for kind, status, number, *sums in groups.annotate(number=Count("pk")).values_list(
        "kind", "status", "number", *(Sum(outcome) for outcome in outcomes)
    ):
        jobs[kind, status] = number
        findings.update({(kind, outcome): total for outcome, total in zip(outcomes, sums, strict=True)})
    chunks = Chunk.objects.order_by().values("status").annotate(number=Count("pk"))
    images = Dataset.objects.order_by().aggregate(images=Sum("image_count"), image_bytes=Sum("size_bytes"))
    return Counts(
        jobs=jobs,
        chunks=dict(chunks.values_list("status", "number")),
        findings=findings,
        images=images["images"] or 0,
        image_bytes=images["image_bytes"] or 0,
    )


def disk_usage() -> "shutil._ntuple_diskusage | None":
    """Of the disk that holds the media folder, in bytes; None: it cannot be asked."""
    for folder in (settings.MEDIA_ROOT, settings.DATA_DIR):
        try:
            return shutil.disk_usage(folder)
        except OSError:
            continue
    return None
