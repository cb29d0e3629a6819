"""Signs of life in Redis: what pages ask on every request, and what workers and schedulers leave there."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jobs import meter
from jobs.redis_store import QUEUE, RedisError, client

#: A worker says that it lives every few seconds; one that has not for so long is gone.
_WORKER_SILENT_S = 20
#: After the last message that a worker threw away, it is told of for so long.
_REFUSALS_EXPIRE_S = 600

_WORKERS = "px:workers"
_SCHEDULER = "px:scheduler"
_REFUSED_CONTENT = "px:refused:content"
_REFUSED_TASKS = "px:refused:tasks"
#: What the slow checks found; jobs/banners.py writes and reads it.
NOTED = "px:noted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Seen at one moment. Where Redis does not answer, `error` says why, and all else is as if nothing lived.

    `queued` counts waiting messages, `scheduler_silent_s` the seconds since a scheduler's last pass (None: none was
    seen), `noted` is what the slow checks found, as it was written.
    """

    error: Exception | None = None
    workers: int = 0
    queued: int | None = None
    scheduler_silent_s: int | None = None
    noted: str = ""

    @property
    def redis(self) -> bool:
        return self.error is None


def system_health() -> Health:
    """Asks Redis once, in one round trip; gives up after half a second."""
    try:
        with client().pipeline(transaction=False) as pipe:
            ask(pipe)
            return told(iter(pipe.execute()))
    except RedisError as error:
        return Health(error=error)


def ask(pipe: Any) -> None:
    """Asks for the system's health, as a part of what is asked anyway."""
    pipe.time()
    pipe.zrange(_WORKERS, 0, -1, withscores=True)
    pipe.llen(QUEUE)
    pipe.mget(_SCHEDULER, NOTED)


def told(answers: Iterator[Any]) -> Health:
    """What the answers to `ask`, which come next, say."""
    (now_s, _), seen, queued, (scheduler_s, noted) = islice(answers, 4)
    return Health(
        workers=sum(seen_s >= now_s - _WORKER_SILENT_S for _, seen_s in seen),
        queued=queued,
        scheduler_silent_s=None if scheduler_s is None else now_s - int(scheduler_s),
        noted=noted or "",
    )


def meter_reading() -> meter.Reading | None:
    """What workers have counted; None: Redis is away."""
    try:
        return meter.read(client().hgetall(meter.KEY))
    except RedisError:
        return None


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


def note_worker_gone(name: str) -> None:
    """A worker's goodbye."""
    try:
        client().zrem(_WORKERS, name)
    except RedisError:
        return


def note_scheduler_alive() -> None:
    """A scheduler's sign of life, on Redis' clock; Redis being away costs nothing."""
    try:
        seconds, _ = client().time()
        client().set(_SCHEDULER, seconds)
    except RedisError:
        return


def note_refused_content(content_type: str, *, sender: str) -> None:
    """A worker threw a message away for its content type. Redis being away costs nothing."""
    _note_refused(_REFUSED_CONTENT, content_type, sender or "an unknown sender")


def note_refused_task(name: str, *, worker: str) -> None:
    """A worker threw a message away for a task that it does not know. Redis being away costs nothing."""
    _note_refused(_REFUSED_TASKS, name, worker)


def refused_content() -> dict[str, str]:
    """What workers threw away lately: content type -> sender. Raises RedisError."""
    return dict(client().hgetall(_REFUSED_CONTENT))


def refused_tasks() -> dict[str, str]:
    """What workers threw away lately: task -> worker that does not know it. Raises RedisError."""
    return dict(client().hgetall(_REFUSED_TASKS))


def _note_refused(key: str, what: str, who: str) -> None:
    try:
        with client().pipeline(transaction=False) as pipe:
            pipe.hset(key, what[:200], who[:200])
            pipe.expire(key, _REFUSALS_EXPIRE_S)
            pipe.execute()
    except RedisError:
        return
