"""Looks at everything that PixCrawler runs on, and says what is wrong, why it matters, and which command mends it.

The rules and their words are in jobs/diagnoses.py and pixcrawler/checks.py. Every symptom of the README's table has a
check here.
"""

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations

from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from jobs import diagnoses, examination, health, system_state
from jobs.diagnoses import Diagnosis
from jobs.redis_store import RedisError, address, client, server_facts
from pixcrawler import broker, checks

#: What people see -> the check that finds its cause. The README's table tells them the same.
SYMPTOMS: Mapping[str, str] = {
    "ConnectionRefusedError": "redis",
    "PENDING": "workers",
    "Refusing to deserialize": "queue content",
    "unregistered task": "worker code",
    "not enough values to unpack": "pool",
    "although workers are alive": "queue",
    "jobs that never end": "scheduler",
    "storage_full": "storage",
    "decoder_crashed": "decoder",
    "no such table": "migrations",
    "maxmemory": "redis eviction",
}

#: A clock: its name, and how to read it, in seconds since the epoch.
Clock = tuple[str, Callable[[], float]]


def examine() -> Iterator[Diagnosis]:
    """All checks, one after the other; one that cannot be made says so instead of ending the rest."""
    for name, check in _CHECKS.items():
        try:
            yield from check()
        except RedisError as error:
            yield _untold(name, f"Redis does not say ({type(error).__name__})", "See the line “redis”.")
        except DatabaseError as error:
            yield _untold(name, f"the database does not say ({type(error).__name__})", "See the line “database”.")


def _untold(check: str, why: str, step: str) -> Diagnosis:
    return diagnoses.warning(check, f"Cannot be told: {why}.", meaning="It may be well or not.", step=step)


def _database() -> Iterator[Diagnosis]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        yield diagnoses.problem(
            "database",
            f"The database does not answer ({type(error).__name__}).",
            meaning="Nothing works without it. Work under way is taken up again when it is back.",
            step="Start the database, or mend DATABASE_URL.",
        )
        return
    yield diagnoses.ok("database", f"{connection.vendor} answers.")


def _migrations() -> Iterator[Diagnosis]:
    executor = MigrationExecutor(connections["default"])
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if not missing:
        yield diagnoses.ok("migrations", "All are applied.")
        return
    yield diagnoses.problem(
        "migrations",
        f"{missing} migrations are not applied.",
        meaning="The code expects tables and columns that are not there (“no such table”, “does not exist”).",
        step="Apply them, then restart every process:",
        command="python manage.py migrate",
    )


def _redis() -> Iterator[Diagnosis]:
    try:
        facts = server_facts()
        where = address()
    except (RedisError, ValueError) as error:
        yield diagnoses.redis_away(error, address=broker.described(settings.REDIS_URL))
        return
    yield diagnoses.redis_version(str(facts["redis_version"]), address=where)
    yield diagnoses.eviction(str(facts.get("maxmemory_policy", "")))
    yield diagnoses.persistence(appends=bool(facts.get("aof_enabled")))


def _workers() -> Iterator[Diagnosis]:
    work = system_state.work()
    yield diagnoses.workers(_health().workers, waiting=work.waiting, since=work.since)


def _worker_code() -> Iterator[Diagnosis]:
    answers = list(examination.worker_code())
    yield from answers or [diagnoses.ok("worker code", "No worker says that it runs other code.")]


def _pool() -> Iterator[Diagnosis]:
    yield examination.pools(system=platform.system())


def _queue() -> Iterator[Diagnosis]:
    now, work = _health(), system_state.work()
    oldest_s = int((timezone.now() - work.since).total_seconds()) if work.since else 0
    yield diagnoses.queue(
        messages=now.queued or 0,
        waiting=work.waiting,
        running=work.running,
        oldest_s=max(0, oldest_s),
        workers_alive=now.workers,
    )


def _scheduler() -> Iterator[Diagnosis]:
    yield diagnoses.scheduler(_health().scheduler_silent_s, interval_s=settings.SCHEDULER_INTERVAL_S)


def _health() -> health.Health:
    """Raises RedisError where Redis does not answer: what it cannot tell is not to be taken for bad."""
    seen = health.system_health()
    if seen.error is not None:
        raise seen.error
    return seen


def _storage() -> Iterator[Diagnosis]:
    yield examination.storage()


def _decoder() -> Iterator[Diagnosis]:
    yield examination.decoder()


def _source_keys() -> Iterator[Diagnosis]:
    yield examination.source_keys()


def _sources() -> Iterator[Diagnosis]:
    yield examination.sources()


def _clocks() -> Iterator[Diagnosis]:
    """Compares each pair of clocks that can be asked. SQLite has none of its own: it runs in this process."""
    known: list[Clock] = [("this machine", time.time), ("Redis", _redis_clock)]
    if connection.vendor == "postgresql":
        known.append(("the database", _database_clock))
    return compared(known)


def compared(clocks: Iterable[Clock]) -> Iterator[Diagnosis]:
    """Each pair of clocks; what passes while they are read is no skew."""
    for (first, read_first), (second, read_second) in combinations(clocks, 2):
        before, between, after = read_first(), read_second(), read_first()
        yield diagnoses.clocks(first, second, skew_s=between - (before + after) / 2)


def _redis_clock() -> float:
    seconds, microseconds = client().time()
    return float(seconds + microseconds / 1e6)


def _database_clock() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


_CHECKS: Mapping[str, Callable[[], Iterator[Diagnosis]]] = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
    "workers": _workers,
    "worker code": _worker_code,
    "pool": _pool,
    "queue": _queue,
    "queue content": examination.messages,
    "scheduler": _scheduler,
    "storage": _storage,
    "decoder": _decoder,
    "source keys": _source_keys,
    "sources": _sources,
    "clocks": _clocks,
    "settings": checks.of_settings,
}
