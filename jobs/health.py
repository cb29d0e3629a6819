"""Whether work can get done: what pages show in the bar, cheap enough for every request."""

from dataclasses import dataclass

from jobs.redis_store import QUEUE, RedisError, client

#: A worker says that it lives every few seconds; one that has not for so long is gone.
_WORKER_SILENT_S = 20

_WORKERS = "px:workers"
_SCHEDULER = "px:scheduler"


@dataclass(frozen=True, slots=True)
class Health:
    """`queued` counts waiting messages; it is None, and workers 0, where Redis does not answer."""

    redis: bool
    workers: int
    queued: int | None


def system_health() -> Health:
    """Asks Redis once; gives up after half a second."""
    try:
        seconds, _ = client().time()
        with client().pipeline(transaction=False) as pipe:
            pipe.zcount(_WORKERS, seconds - _WORKER_SILENT_S, "+inf")
            pipe.llen(QUEUE)
            workers, queued = pipe.execute()
        return Health(redis=True, workers=workers, queued=queued)
    except RedisError:
        return Health(redis=False, workers=0, queued=None)


def note_worker_alive(name: str) -> None:
    """A worker's sign of life, on Redis' clock; Redis being away costs nothing."""
    try:
        seconds, _ = client().time()
        with client().pipeline(transaction=False) as pipe:
            pipe.zadd(_WORKERS, {name: seconds})
            pipe.zremrangebyscore(_WORKERS, "-inf", seconds - 3600)
            pipe.execute()
    except RedisError:
        return


def note_scheduler_alive() -> None:
    """A scheduler's sign of life, on Redis' clock; Redis being away costs nothing."""
    try:
        seconds, _ = client().time()
        client().set(_SCHEDULER, seconds)
    except RedisError:
        return


def scheduler_silent_s() -> int | None:
    """Seconds since a scheduler's last pass; None: none was ever seen. Raises RedisError."""
    seconds, _ = client().time()
    seen = client().get(_SCHEDULER)
    return seconds - int(seen) if seen else None


def note_worker_gone(name: str) -> None:
    """A worker's goodbye."""
    try:
        client().zrem(_WORKERS, name)
    except RedisError:
        return
