"""Looks at everything that PixCrawler runs on, and says what is wrong, why it matters, and which command mends it.

Every symptom of the README's table has a check here.
"""

import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from datasets import blobs
from jobs import doorbell, health
from jobs.models import Chunk, Status
from jobs.redis_store import RedisError, client
from pixcrawler import broker

#: Of the clocks of this machine, the database and Redis.
_LARGEST_SKEW_S = 5.0
_LEAST_FREE_BYTES = 2_000_000_000
_OLDEST_REDIS = (6, 0)
_PROBE_SHA256 = "0" * 64


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What one check found; `mend` is the command or step that mends it, "" where all is well."""

    check: str
    level: Level
    finding: str
    mend: str = ""


def examine() -> Iterator[Diagnosis]:
    """All checks, one after the other; one that cannot be made says so instead of ending the rest."""
    for name, check in _CHECKS.items():
        try:
            yield from check(name)
        except (RedisError, OSError) as error:
            yield _problem(name, f"Redis does not answer ({type(error).__name__}).", _START_REDIS)
        except DatabaseError as error:
            yield _problem(name, f"The database does not answer ({type(error).__name__}).", _START_DATABASE)


_START_REDIS = "Start it with redis-server (or make run, which brings its own), or mend CELERY_BROKER_URL."
_START_DATABASE = "Start the database, or mend DATABASE_URL."


def _database(name: str) -> Iterator[Diagnosis]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    executor = MigrationExecutor(connections["default"])
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield _problem(name, f"{len(missing)} migrations are not applied.", "python manage.py migrate")
    else:
        yield _ok(name, f"{connection.vendor} answers, all migrations are applied.")


def _redis(name: str) -> Iterator[Diagnosis]:
    where = broker.described(settings.CELERY_BROKER_URL)
    if not doorbell.queue_reachable():
        yield _problem(name, f"Connection refused: nothing answers at {where}.", _START_REDIS)
        return
    facts = client().info()
    version = tuple(int(part) for part in str(facts["redis_version"]).split(".")[:2])
    yield (
        _ok(name, f"Version {facts['redis_version']} answers at {where}.")
        if version >= _OLDEST_REDIS
        else _problem(name, f"Version {facts['redis_version']} is too old.", "Install Redis 6 or newer, or Valkey.")
    )
    policy = str(facts.get("maxmemory_policy", "unknown"))
    if policy not in {"noeviction", "unknown"}:
        mend = "redis-cli config set maxmemory-policy noeviction"
        yield _problem("redis eviction", f"The policy {policy} may drop messages when memory is short.", mend)
    else:
        yield _ok("redis eviction", f"The policy is {policy}.")
    if not facts.get("aof_enabled"):
        finding = "Nothing is appended to disk: a restart forgets messages. The scheduler sends them again."
        yield _warning("redis persistence", finding, "redis-cli config set appendonly yes")
    else:
        yield _ok("redis persistence", "Messages are appended to disk.")


def _workers(name: str) -> Iterator[Diagnosis]:
    alive = health.system_health().workers
    if not alive:
        finding = "No worker is alive: tasks stay PENDING and nothing is crawled."
        yield _problem(name, finding, "python manage.py runworker")
        return
    yield _ok(name, f"{alive} alive.")
    ours = {task for task in current_app.tasks if task.startswith("jobs.")} or {doorbell.PLAN_TASK, doorbell.CHUNK_TASK}
    known = current_app.control.inspect(timeout=1.0).registered() or {}
    for worker, tasks in known.items():
        if strange := ours - set(tasks):
            finding = f"{worker} does not know {', '.join(sorted(strange))}: it runs old code."
            yield _problem("worker code", finding, "Restart that worker.")


def _pool(name: str) -> Iterator[Diagnosis]:
    if platform.system() == "Windows":
        finding = "Windows cannot fork: a prefork worker fails with “not enough values to unpack”."
        yield _warning(name, finding, "python manage.py runworker (it takes the solo pool)")
    else:
        yield _ok(name, f"prefork works on {platform.system()}.")


def _queue(name: str) -> Iterator[Diagnosis]:
    waiting = doorbell.queue_length() or 0
    oldest = (
        Chunk.objects.filter(status=Status.PENDING, job__status=Status.PROCESSING, not_before__isnull=True)
        .order_by("created_at")
        .values_list("created_at", flat=True)
        .first()
    )
    age_s = int((timezone.now() - oldest).total_seconds()) if oldest else 0
    yield _ok(name, f"{waiting} messages wait; the oldest chunk waits for {age_s} s.")


def _scheduler(name: str) -> Iterator[Diagnosis]:
    silent_s = health.scheduler_silent_s()
    if silent_s is None or silent_s > 6 * max(1.0, settings.SCHEDULER_INTERVAL_S):
        seen = "was never seen" if silent_s is None else f"has been silent for {silent_s} s"
        finding = f"The scheduler {seen}: lost messages are not sent again."
        yield _problem(name, finding, "python manage.py runscheduler")
    else:
        yield _ok(name, f"Its last pass was {silent_s} s ago.")


def _storage(name: str) -> Iterator[Diagnosis]:
    try:
        probe = blobs.put_thumbnail(b"probe", sha256=_PROBE_SHA256)
        blobs.delete(probe)
    except blobs.BlobError as error:
        yield _problem(name, str(error), f"Make {settings.MEDIA_ROOT} writable for the worker, with space on it.")
        return
    free = shutil.disk_usage(settings.DATA_DIR).free
    gigabytes = f"{free / 1e9:.1f} GB are free."
    if free < _LEAST_FREE_BYTES:
        yield _warning(name, gigabytes, "Free some space: a full disk stops the crawls.")
    else:
        yield _ok(name, f"Writable, {gigabytes}")


def _clocks(name: str) -> Iterator[Diagnosis]:
    seconds, microseconds = client().time()
    skew_s = abs(time.time() - (seconds + microseconds / 1e6))
    if skew_s > _LARGEST_SKEW_S:
        finding = f"This machine's clock and that of Redis differ by {skew_s:.0f} s."
        yield _warning(name, finding, "Set both clocks by NTP, for example: timedatectl set-ntp true")
    else:
        yield _ok(name, f"This machine and Redis differ by {skew_s:.1f} s.")


def _settings(name: str) -> Iterator[Diagnosis]:
    given = current_app.conf
    if list(given.accept_content) != ["json"] or given.task_serializer != "json":
        finding = "Tasks are not JSON: workers refuse their content (“Refusing to deserialize”)."
        yield _problem(name, finding, "Run every process with this project's settings, DJANGO_SETTINGS_MODULE unset.")
        return
    yield _ok(name, "JSON only, UTC.")
    if settings.DEBUG:
        yield _warning("debug", "Debug pages are on; they show secrets.", "Unset PIXCRAWLER_DEBUG.")
    if not settings.CONTACT:
        finding = "Crawled sites are given no contact; some refuse such crawlers."
        yield _warning("contact", finding, "Set PIXCRAWLER_CONTACT to a mail address or web page.")


def _ok(check: str, finding: str) -> Diagnosis:
    return Diagnosis(check=check, level=Level.OK, finding=finding)


def _warning(check: str, finding: str, mend: str) -> Diagnosis:
    return Diagnosis(check=check, level=Level.WARNING, finding=finding, mend=mend)


def _problem(check: str, finding: str, mend: str) -> Diagnosis:
    return Diagnosis(check=check, level=Level.PROBLEM, finding=finding, mend=mend)


_CHECKS: dict[str, Callable[[str], Iterator[Diagnosis]]] = {
    "database": _database,
    "redis": _redis,
    "workers": _workers,
    "pool": _pool,
    "queue": _queue,
    "scheduler": _scheduler,
    "storage": _storage,
    "clocks": _clocks,
    "settings": _settings,
}
