"""What every page's frame shows: the health of the system and what is wrong with it, and the theme."""

import hashlib
import time
from functools import cache
from typing import Any

from django.http import HttpRequest

from datasets import preferences
from jobs import health, progress, system_state, watchers
from jobs.banners import banners, token
from jobs.health import Health
from jobs.redis_store import RedisError, client
from jobs.system_state import Work

_HEALTH = "pixcrawler.health"
_WORK = "pixcrawler.work"


def health_of(request: HttpRequest) -> Health:
    """The system's health, asked of Redis once a request: a Redis that is frozen costs every question half a second."""
    if _HEALTH not in request.META:
        request.META[_HEALTH] = health.system_health()
    seen: Health = request.META[_HEALTH]
    return seen


def health_and_version(request: HttpRequest, job_id: int, *, waited_s: int = 0) -> tuple[Health, str | None]:
    """The system's health and the job's version (`progress.version`), by one round trip to Redis.

    A page that asks again after `waited_s` seconds counts as a watcher.
    """
    try:
        with client().pipeline(transaction=False) as pipe:
            health.ask(pipe)
            progress.ask_version(pipe, job_id)
            if waited_s:
                watchers.note(pipe, job_id, waited_s)
            answers = iter(pipe.execute())
        seen, version = health.told(answers), progress.version_told(answers)
    except RedisError as error:
        seen, version = health.Health(error=error), None
    request.META[_HEALTH] = seen
    return seen, version


def work_of(request: HttpRequest) -> Work:
    """What is to be done, asked of the database once a request."""
    if _WORK not in request.META:
        request.META[_WORK] = system_state.work()
    work: Work = request.META[_WORK]
    return work


def frame_token(seen: Health) -> str:
    """Names what pages about the whole installation show, without a query; "": Redis is away, ask the rows.

    It changes once a minute by itself, for times that are told as "3 minutes ago".
    """
    anything = progress.version_of_all() if seen.redis else None
    if anything is None:
        return ""
    minute = int(time.time() // 60)
    told = (anything, seen.workers, seen.queued, token(seen), minute)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def page_frame(request: HttpRequest) -> dict[str, Any]:
    """`health` and `banners` (asked only where a template shows them, and once a page), `theme` and `single_keys`."""
    return {
        "health": lambda: health_of(request),
        "banners": cache(lambda: banners(health_of(request), work=lambda: work_of(request))),
        "theme": preferences.theme(request),
        "single_keys": preferences.single_keys(request),
    }
