"""/metrics for Prometheus: what rows, Redis and the disk tell at the moment of the question.

Nothing is kept in this process: several web processes give the same answer, and a restart loses nothing. What workers
count lies in Redis (jobs/meter.py), all else is asked for. docs/monitoring.md has each name with its meaning.
"""

import logging
import platform
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import accumulate
from typing import Final

import celery
import django
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from datasets.outcomes import Outcome
from jobs import health, meter, notices, system_state
from jobs.models import Kind, Status
from jobs.notice_models import Channel
from jobs.wiring import VERSION

log = logging.getLogger(__name__)

_PREFIX: Final = "pixcrawler_"
_UNREADABLE: Final = "The database does not answer: /metrics tells only what Redis and the disk give (%s)."


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The numbers, for whoever sends the token of PIXCRAWLER_METRICS_TOKEN. Without one set there is no such page."""
    if not settings.METRICS_TOKEN:
        log.warning("/metrics was asked for and is switched off: set PIXCRAWLER_METRICS_TOKEN and restart.")
        return HttpResponse("not found\n", content_type="text/plain", status=HTTPStatus.NOT_FOUND)
    if not _may_read(request.headers.get("Authorization", "")):
        answer = HttpResponse("the token is missing or wrong\n", content_type="text/plain")
        answer.status_code = HTTPStatus.UNAUTHORIZED
        answer["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return answer
    return HttpResponse(generate_latest(_REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _may_read(authorization: str) -> bool:
    scheme, _, token = authorization.partition(" ")
    is_known = secrets.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    return scheme.lower() == "bearer" and is_known


class Installation(Collector):
    """Everything that /metrics tells, asked for anew each time. A part that does not answer is left out."""

    def collect(self) -> Iterator[Metric]:
        yield _build_info()
        yield from _of_rows()
        yield from _of_redis()
        yield from _of_disk()

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry that wants the names would ask the database while the program is loaded."""
        return ()


def _build_info() -> Metric:
    info = _gauge("build_info", "What runs here; always 1.", ["version", "python", "django", "celery"])
    info.add_metric([VERSION, platform.python_version(), django.get_version(), celery.__version__], 1)
    return info


def _of_rows() -> Iterator[Metric]:
    up = _gauge("database_up", "Whether the database answers: 1 or 0.")
    jobs = _gauge("jobs", "Jobs by what they do and where they stand.", ["kind", "status"])
    chunks = _gauge("chunks", "Chunks by where they stand.", ["status"])
    findings = _gauge("findings", "Candidates and images in the ledgers of all jobs.", ["kind", "outcome"])
    images = _gauge("images", "Images of all datasets.")
    image_bytes = _gauge("image_bytes", "Bytes of the images of all datasets.")
    waiting = _gauge("chunks_waiting", "Chunks that are due and wait for a worker.")
    age = _gauge("oldest_waiting_chunk_seconds", "For how long the oldest of them has waited; 0: none waits.")
    undelivered = _gauge("notices", "Completion notices that wait, or were given up.", ["channel", "state"])
    told = (jobs, chunks, findings, images, image_bytes, waiting, age, undelivered)
    try:
        counts, work, not_sent = system_state.counts(), system_state.work(), notices.counts()
    except DatabaseError as error:
        log.warning(_UNREADABLE, error)
        up.add_metric([], 0)
        yield from (up, *told)
        return
    up.add_metric([], 1)
    for kind in Kind:
        for status in Status:
            jobs.add_metric([kind, status], counts.jobs.get((kind, status), 0))
        for outcome in Outcome:
            findings.add_metric([kind, outcome], counts.findings.get((kind, outcome), 0))
    for status in Status:
        chunks.add_metric([status], counts.chunks.get(status, 0))
    for channel in Channel:
        for state in notices.STATES:
            undelivered.add_metric([channel, state], not_sent.get((channel, state), 0))
    images.add_metric([], counts.images)
    image_bytes.add_metric([], counts.image_bytes)
    waiting.add_metric([], work.waiting)
    age.add_metric([], max(0.0, (datetime.now(UTC) - work.since).total_seconds()) if work.since else 0)
    yield from (up, *told)


def _of_redis() -> Iterator[Metric]:
    seen = health.system_health()
    up = _gauge("redis_up", "Whether Redis answers: 1 or 0.")
    up.add_metric([], int(seen.redis))
    workers = _gauge("workers", "Worker services that gave a sign of life in the last 20 s.")
    queued = _gauge("queue_messages", "Messages to the workers on the queue.")
    silent = _gauge("scheduler_silent_seconds", "Since the last pass of a scheduler.")
    if seen.redis:
        workers.add_metric([], seen.workers)
        queued.add_metric([], seen.queued or 0)
    if seen.scheduler_silent_s is not None:
        silent.add_metric([], seen.scheduler_silent_s)
    yield from (up, workers, queued, silent)
    yield from _of_workers(health.meter_reading() if seen.redis else None)


def _of_workers(counted: meter.Reading | None) -> Iterator[Metric]:
    """What workers have added up; without Redis the names alone, since a 0 would be taken for a new beginning."""
    verdicts = CounterMetricFamily(
        f"{_PREFIX}outcomes", "Verdicts that were given, each retry anew.", labels=["kind", "outcome", "reason"]
    )
    fetched = CounterMetricFamily(f"{_PREFIX}fetched_bytes", "Bytes of files that were downloaded.", labels=["source"])
    latency = HistogramMetricFamily(
        f"{_PREFIX}download_seconds",
        "Time of one download with its redirects and attempts, without waiting.",
        labels=["source", "host_class"],
    )
    if counted is not None:
        for labels, number in counted.verdicts.items():
            verdicts.add_metric(labels, number)
        for source, number in counted.fetched_bytes.items():
            fetched.add_metric([source], number)
        for series, seen in counted.latency.items():
            bounds = [*map(str, meter.BUCKETS_S), "+Inf"]
            latency.add_metric(series, list(zip(bounds, accumulate(seen.buckets), strict=True)), seen.seconds)
    yield from (verdicts, fetched, latency)


def _of_disk() -> Iterator[Metric]:
    disk = system_state.disk_usage()
    free = _gauge("storage_free_bytes", "Free on the disk of the media folder.")
    total = _gauge("storage_size_bytes", "Size of the disk of the media folder.")
    if disk is not None:
        free.add_metric([], disk.free)
        total.add_metric([], disk.total)
    yield from (free, total)


def _gauge(name: str, meaning: str, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", meaning, labels=list(labels))


_REGISTRY: Final = CollectorRegistry(auto_describe=False)
_REGISTRY.register(Installation())
