"""What one poll of a running job's page costs in processor time, through the whole middleware, without a network."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count, cycle

import psutil
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.db.models import Max
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from bench.seed import Seeded
from datasets.models import Image
from datasets.outcomes import Outcome
from jobs import brought, progress
from jobs.health import note_scheduler_alive, note_worker_alive
from jobs.models import Chunk, Finding, Status
from jobs.redis_store import client

_WARM_UP = 20
_PART = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PollCost:
    """Processor ms per poll: of the web process (the cheapest part of all, and the median), and of the database's."""

    poll: str
    status: int
    queries: int
    body_bytes: int
    best_ms: float
    median_ms: float
    database_ms: float


class _Batches:
    """What a worker of the seeded crawl commits and tells, a batch at a time; the pictures have no rows."""

    def __init__(self, rows: Seeded) -> None:
        under_way = Chunk.objects.filter(job=rows.live, status=Status.PROCESSING).select_related("job")
        self._chunks = cycle(under_way)
        self._ids = count(1 + (rows.dataset.images.aggregate(last=Max("pk"))["last"] or 0))

    def bring(self) -> None:
        """Ten pictures more and two downloads that failed, of the next chunk that is under way."""
        chunk = next(self._chunks)
        chunk.found, chunk.kept, chunk.failed = chunk.found + 12, chunk.kept + 10, chunk.failed + 2
        chunk.save(update_fields=["found", "kept", "failed"])
        images = [Image(pk=next(self._ids), label=chunk.label) for _ in range(10)]
        failed = [Finding(outcome=Outcome.FAILED.value, reason=reason) for reason in ("timeout", "http_5xx")]
        brought.note(chunk, images, failed, retried=0)
        progress.publish(chunk)


class Watcher:
    """A browser of the seeded user; each poll goes through the WSGI application as a server calls it."""

    def __init__(self, rows: Seeded) -> None:
        signed_in = Client()
        signed_in.force_login(rows.user)
        self._cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in signed_in.cookies.items())
        self._application = WSGIHandler()
        self._requests = RequestFactory()
        self.job_id = rows.live.pk

    def poll(self, version: str) -> tuple[int, int]:
        """Status and length of the answer."""
        headers = {"Cookie": self._cookie, "HX-Request": "true", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
        asked = self._requests.get(f"/jobs/{self.job_id}/live/?v={version}&h=&s=2", headers=headers)
        told: list[int] = []
        answer = self._application(asked.environ, lambda status, _headers: told.append(int(status[:3])))  # type: ignore[arg-type]
        body = b"".join(answer)
        answer.close()
        return told[0], len(body)


def poll_costs(rows: Seeded, *, polls: int) -> list[PollCost]:
    """Unchanged ones; changed ones that another watcher has had drawn; changed ones that are drawn for this watcher."""
    watcher, batches, seen = Watcher(rows), _Batches(rows), ""

    def alive() -> None:
        note_worker_alive("worker")
        note_scheduler_alive()

    def seen_lately() -> None:
        nonlocal seen
        alive()
        seen = progress.version(watcher.job_id) or ""

    def drawn_for_nobody() -> None:
        alive()
        batches.bring()
        client().delete(*client().keys(f"px:job:{watcher.job_id}:drawn:*"), "nothing")

    asked: Mapping[str, tuple[Callable[[], None], Callable[[], tuple[int, int]]]] = {
        "unchanged": (seen_lately, lambda: watcher.poll(seen)),
        "changed, drawn for another watcher": (alive, lambda: watcher.poll("old")),
        "changed, drawn for this watcher": (drawn_for_nobody, lambda: watcher.poll("old")),
    }
    return [_cost(poll, polls, before=before, ask=ask) for poll, (before, ask) in asked.items()]


def _cost(poll: str, polls: int, *, before: Callable[[], None], ask: Callable[[], tuple[int, int]]) -> PollCost:
    for _ in range(_WARM_UP):
        before()
        status, body_bytes = ask()
    before()
    with CaptureQueriesContext(connection) as seen:
        ask()
    queries = len(seen)
    gc.collect()
    server = _database_process()
    used_s = sum(server.cpu_times()[:2]) if server else 0.0
    parts_ms = []
    for _ in range(max(1, polls // _PART)):
        spent_s = 0.0
        for _ in range(_PART):
            before()
            started = time.process_time()
            ask()
            spent_s += time.process_time() - started
        parts_ms.append(1000 * spent_s / _PART)
    used_s = (sum(server.cpu_times()[:2]) if server else 0.0) - used_s
    return PollCost(
        poll=poll,
        status=status,
        queries=queries,
        body_bytes=body_bytes,
        best_ms=min(parts_ms),
        median_ms=sorted(parts_ms)[len(parts_ms) // 2],
        database_ms=1000 * used_s / (len(parts_ms) * _PART),
    )


def _database_process() -> psutil.Process | None:
    """The process of PostgreSQL that works for us; None where there is none of its own."""
    if connection.vendor != "postgresql":
        return None
    connection.ensure_connection()
    # However old it is: another one would have another process.
    connection.close_at = None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return psutil.Process(cursor.fetchone()[0])
