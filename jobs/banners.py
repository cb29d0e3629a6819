"""What pages say of trouble with the things that PixCrawler runs on, cheap enough for every request.

What takes time is looked at by the scheduler now and then, and noted in Redis, where pages find it.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict

from django.conf import settings

from jobs import diagnoses, examination, pace, system_state
from jobs.diagnoses import Diagnosis, Level
from jobs.health import NOTED, Health
from jobs.redis_store import RedisError, address, client
from jobs.system_state import Work

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 30
#: Longer than it takes to look again, short enough that nobody is told of what was mended.
_NOTED_EXPIRES_S = 120

_looking = threading.Lock()


def banners(health: Health, *, work: Callable[[], Work] = system_state.work) -> list[Diagnosis]:
    """What is wrong, the worst first. Asks nothing but `work`, and that only where no worker lives."""
    if health.error is not None:
        return [diagnoses.redis_away(health.error, address=address())]
    found = [*_workers(health, work), *_beside_workers(health)]
    return sorted(found, key=lambda diagnosis: diagnosis.level is not Level.PROBLEM)


def token(health: Health) -> str:
    """Names what is wrong without a query: a page that polls is drawn again when it changes."""
    checks = [] if health.workers else ["workers"]
    return "-".join([*checks, *(diagnosis.check.replace(" ", "_") for diagnosis in _beside_workers(health))])


def note_findings_aside() -> None:
    """Lets a thread look at what takes time and note it for pages. To be called on every pass of a scheduler.

    All schedulers together look twice a minute. A disk that hangs holds up the thread, and no pass.
    """
    if not _looking.locked():
        threading.Thread(target=note_findings, name="findings", daemon=True).start()


def note_findings() -> None:
    """Looks at what takes time, about a second, if it is time to. Redis being away costs nothing."""
    with _looking:
        _look()


def _look() -> None:
    try:
        client().ping()
        if not pace.is_due("findings", every_s=_LOOK_EVERY_S):
            return
        found = _wrong(examination.for_pages())
        client().set(NOTED, json.dumps([asdict(diagnosis) for diagnosis in found]), ex=_NOTED_EXPIRES_S)
    except RedisError as error:
        log.debug("Nothing was noted for the pages: %s", error)


def _beside_workers(health: Health) -> list[Diagnosis]:
    scheduler = diagnoses.scheduler(health.scheduler_silent_s, interval_s=settings.SCHEDULER_INTERVAL_S)
    return _wrong([scheduler, *_noted(health)])


def _workers(health: Health, work: Callable[[], Work]) -> list[Diagnosis]:
    if health.workers:
        return []
    now = work()
    # Right after a flush of Redis, workers that work are not known yet.
    return [] if now.running else [diagnoses.workers(0, waiting=now.waiting, since=now.since)]


def _noted(health: Health) -> list[Diagnosis]:
    try:
        return [Diagnosis(**{**row, "level": Level(row["level"])}) for row in json.loads(health.noted or "[]")]
    except (ValueError, TypeError, LookupError):
        # Written by another version: the scheduler of this one writes it anew.
        return []


def _wrong(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    return [diagnosis for diagnosis in found if diagnosis.level is not Level.OK]
