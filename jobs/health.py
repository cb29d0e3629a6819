"""Signs of life in Redis: what pages ask on every request, and what workers and schedulers leave there."""

from dataclasses import dataclass

from jobs.redis_store import QUEUE, RedisError, client

#: A worker says that it lives every few seconds; one that has not for so long is gone.
_WORKER_SILENT_S = 20
#: A message that workers refused is worth telling of for so long.
_REFUSALS_EXPIRE_S = 3600

_WORKERS = "px:workers"
_SCHEDULER = "px:scheduler"
_REFUSED = "px:refused"
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
            pipe.time()
            pipe.zrange(_WORKERS, 0, -1, withscores=True)
            pipe.llen(QUEUE)
            pipe.mget(_SCHEDULER, NOTED)
            (now_s, _), seen, queued, (scheduler_s, noted) = pipe.execute()
    except RedisError as error:
        return Health(error=error)
    return Health(
        workers=sum(seen_s >= now_s - _WORKER_SILENT_S for _, seen_s in seen),
        queued=queued,
        scheduler_silent_s=None if scheduler_s is None else now_s - int(scheduler_s),
        noted=noted or "",
    )


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


def note_refused(*, content_type: str = "", sender: str = "", task: str = "") -> None:
    """A worker threw a message away: for its content type, or else for its task, which it does not know."""
    field = f"content {content_type}" if content_type else f"task {task}"
    try:
        with client().pipeline(transaction=False) as pipe:
            pipe.hset(_REFUSED, field[:200], (sender or "an unknown sender")[:200])
            pipe.expire(_REFUSED, _REFUSALS_EXPIRE_S)
            pipe.execute()
    except RedisError:
        return


def refused() -> tuple[dict[str, str], set[str]]:
    """What workers threw away lately: content type -> sender, and the names of unknown tasks. Raises RedisError."""
    stored = client().hgetall(_REFUSED)
    content = {field.removeprefix("content "): by for field, by in stored.items() if field.startswith("content ")}
    return content, {field.removeprefix("task ") for field in stored if field.startswith("task ")}
