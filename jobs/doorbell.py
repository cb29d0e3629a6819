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

from jobs.models import Chunk, Job, Kind, Status
from jobs.redis_store import QUEUE, RedisError, client

log = logging.getLogger(__name__)

#: Messages on the queue at most: the rest waits as rows, so that a huge job does not fill Redis.
MAX_QUEUED = 1_000

#: Kind of job -> the task that plans it, and the one that does a chunk of it.
PLAN_TASKS = {
    Kind.CRAWL: "jobs.tasks.crawl_images_task",
    Kind.VALIDATE: "jobs.tasks.validate_dataset_task",
    Kind.REPAIR: "jobs.tasks.repair_dataset_task",
    Kind.EXPORT: "jobs.tasks.export_dataset_task",
}
CHUNK_TASKS = {
    Kind.CRAWL: "jobs.tasks.crawl_chunk_task",
    Kind.VALIDATE: "jobs.tasks.validate_chunk_task",
    Kind.REPAIR: "jobs.tasks.repair_chunk_task",
    Kind.EXPORT: "jobs.tasks.export_chunk_task",
}
#: The task that asks a source once.
CHECK_SOURCE_TASK = "jobs.tasks.check_source_task"


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


def ring_source(name: str) -> bool:
    """Asks a worker to check a source. False: the queue is unreachable; nobody asks again."""
    if queue_length() is None:
        return False
    try:
        current_app.send_task(CHECK_SOURCE_TASK, args=[name])
    except (OperationalError, RedisError, OSError):
        return False
    return True


def ring_job(job_id: int) -> bool:
    """Asks the workers to plan a job, however long the queue. False: the queue is unreachable."""
    kinds = Job.objects.filter(pk=job_id).values_list("pk", "kind")
    messages = [(PLAN_TASKS[Kind(kind)], pk) for pk, kind in kinds]
    return _ring(Job.objects.filter(status=Status.PENDING), messages, is_capped=False) == 1


def ring_chunks(chunk_ids: Sequence[int]) -> int:
    """Asks the workers to try chunks, as many as the queue has room for; gives the number of messages sent."""
    kinds = dict(Chunk.objects.order_by().filter(pk__in=chunk_ids).values_list("pk", "job__kind"))
    messages = [(CHUNK_TASKS[Kind(kinds[pk])], pk) for pk in chunk_ids if pk in kinds]
    return _ring(Chunk.objects.filter(status=Status.PENDING), messages)


def _ring(rows: QuerySet[Any], messages: Sequence[tuple[str, int]], *, is_capped: bool = True) -> int:
    """Sends (task, row's id) messages and notes it on the rows; gives how many were sent."""
    waiting = queue_length()
    if waiting is None:
        return 0
    chosen = messages[: max(0, MAX_QUEUED - waiting)] if is_capped else messages
    # Noted before it is sent: a worker may be done with it before this process goes on.
    rows.filter(pk__in=[row_id for _, row_id in chosen]).update(published_at=Now())
    for sent, (task, row_id) in enumerate(chosen):
        try:
            current_app.send_task(task, args=[row_id])
        except (OperationalError, RedisError, OSError) as error:
            log.warning("Message for %s %s was not sent (%s); the scheduler sends it later.", task, row_id, error)
            rows.filter(pk__in=[row_id for _, row_id in chosen[sent:]]).update(published_at=None)
            return sent
    return len(chosen)
