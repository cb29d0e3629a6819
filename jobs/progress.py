"""Live counters in Redis: a cache for pages that poll, rebuilt from the rows whenever it is missing.

One hash per job: `status`, `version` (changes with every write), and per chunk its absolute counters. Absolute, not
increments, so that a write that is repeated or lost never makes them drift.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Sum

from jobs.models import Chunk, Job
from jobs.redis_store import RedisError, client

#: The ledger's numbers: what was found, and the outcomes that add up to it.
OUTCOME_COUNTERS = ("found", "kept", "duplicate", "rejected", "failed", "skipped")
COUNTERS = (*OUTCOME_COUNTERS, "size_bytes")

#: A day after the last write nobody watches any more.
_EXPIRES_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a job stands; `version` is "" where Redis has none."""

    status: str
    found: int
    kept: int
    duplicate: int
    rejected: int
    failed: int
    skipped: int
    size_bytes: int
    version: str
    from_redis: bool


def publish(chunk: Chunk) -> None:
    """Writes a chunk's counters; after a flushed Redis those of the whole job. Redis being away costs nothing."""
    key = _key(chunk.job_id)
    try:
        if not client().hexists(key, "status"):
            rebuild(chunk.job)
            return
        _write(key, {_field(chunk.pk): _packed(chunk)})
    except RedisError:
        return


def rebuild(job: Job) -> None:
    """Writes the whole hash from the rows. Redis being away costs nothing."""
    chunks = Chunk.objects.filter(job=job).only("pk", *COUNTERS)
    try:
        _write(
            _key(job.pk), {"status": job.status, **{_field(chunk.pk): _packed(chunk) for chunk in chunks.iterator()}}
        )
    except RedisError:
        return


def touch(job_id: int, *, status: str | None = None) -> None:
    """Tells watching pages that something of the job changed."""
    key = _key(job_id)
    try:
        if client().hexists(key, "status"):
            _write(key, {"status": status} if status else {})
    except RedisError:
        return


def version(job_id: int) -> str | None:
    """A token that changes whenever anything of the job changes; None: Redis is away or has none."""
    try:
        token: str | None = client().hget(_key(job_id), "version")
        return token
    except RedisError:
        return None


def read(job: Job) -> Progress:
    """Redis first while the job runs, the rows where Redis has nothing or the job has ended."""
    if not job.is_terminal:
        try:
            stored = client().hgetall(_key(job.pk))
        except RedisError:
            stored = {}
        if "status" in stored:
            totals = _summed(value for name, value in stored.items() if name.startswith("chunk:"))
            return Progress(status=job.status, version=stored["version"], from_redis=True, **totals)
        sums = Chunk.objects.filter(job=job).aggregate(**{name: Sum(name, default=0) for name in COUNTERS})
        return Progress(status=job.status, version="", from_redis=False, **sums)
    return Progress(status=job.status, version="", from_redis=False, **{name: getattr(job, name) for name in COUNTERS})


def _summed(packed: Iterable[str]) -> dict[str, int]:
    totals = [0] * len(COUNTERS)
    for value in packed:
        for index, number in enumerate(value.split(",")):
            totals[index] += int(number)
    return dict(zip(COUNTERS, totals, strict=True))


def _write(key: str, values: dict[str, str]) -> None:
    with client().pipeline(transaction=True) as pipe:
        pipe.hset(key, mapping={**values, "version": secrets.token_hex(6)})
        pipe.expire(key, _EXPIRES_S)
        pipe.execute()


def _packed(chunk: Chunk) -> str:
    return ",".join(str(getattr(chunk, name)) for name in COUNTERS)


def _key(job_id: int) -> str:
    return f"px:job:{job_id}"


def _field(chunk_id: int) -> str:
    return f"chunk:{chunk_id}"
