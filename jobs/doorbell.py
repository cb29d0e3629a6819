"""Messages to the workers. A message only says "try chunk 17": a lost one is sent again, a second one does nothing.

Nothing here raises for Redis being away: what could not be sent keeps `published_at` empty, and the scheduler sends it.
"""

import logging
from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.db.models import QuerySet
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from jobs.models import Chunk, Job, Status
from jobs.redis_store import QUEUE, RedisError, client

log = logging.getLogger(__name__)

#: Messages on the queue at most: the rest waits as rows, so that a huge job does not fill Redis.
MAX_QUEUED = 1_000

PLAN_TASK = "jobs.tasks.crawl_images_task"
CHUNK_TASK = "jobs.tasks.crawl_chunk_task"


def queue_reachable() -> bool:
    """Whether Redis answers, asked for at most half a second."""
    try:
        return bool(client().ping())
    except RedisError:
        return False


def queue_length() -> int | None:
    """Messages that wait; None: Redis is away."""
    try:
        return int(client().llen(QUEUE))
    except RedisError:
        return None


def ring_job(job_id: int) -> bool:
    """Asks the workers to plan a job, however long the queue. False: the queue is unreachable."""
    return _ring(Job.objects.filter(pk=job_id, status=Status.PENDING), PLAN_TASK, [job_id], is_capped=False) == 1


def ring_chunks(chunk_ids: Sequence[int]) -> int:
    """Asks the workers to try chunks, as many as the queue has room for; gives the number of messages sent."""
    return _ring(Chunk.objects.filter(status=Status.PENDING), CHUNK_TASK, chunk_ids)


def _ring(rows: QuerySet[Any], task: str, ids: Sequence[int], *, is_capped: bool = True) -> int:
    waiting = queue_length()
    if waiting is None:
        return 0
    chosen = list(ids)[: max(0, MAX_QUEUED - waiting)] if is_capped else list(ids)
    # Noted before it is sent: a worker may be done with it before this process goes on.
    rows.filter(pk__in=chosen).update(published_at=Now())
    for sent, row_id in enumerate(chosen):
        try:
            current_app.send_task(task, args=[row_id])
        except (OperationalError, RedisError, OSError) as error:
            log.warning("Message for %s %s was not sent (%s); the scheduler sends it later.", task, row_id, error)
            rows.filter(pk__in=chosen[sent:]).update(published_at=None)
            return sent
    return len(chosen)
