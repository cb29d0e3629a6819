"""Chunks whose worker vanished or ran out of time: back to the queue, or given up when that happens again and again."""

import uuid

from django.db.models import F
from django_celery_results.models import TaskResult

from jobs import activity, lifecycle, planner
from jobs.models import Chunk, Level, Status

#: A chunk that was set back so often without recording anything in between is poison: the job goes on without it.
MAX_LOST_ATTEMPTS = 5


def set_back(chunk: Chunk, *, token: uuid.UUID | None, what: str, trace: str = "", only_expired: bool = False) -> bool:
    """Takes the chunk from whoever holds it by `token`; `what` says why, `trace` where. False: it was not theirs
    any more."""
    where = chunk.title
    count = F("lost_attempts") + 1
    if chunk.lost_attempts + 1 >= MAX_LOST_ATTEMPTS:
        sentence = (
            f"{what} {MAX_LOST_ATTEMPTS} times in a row. The chunk is given up; look into the worker's log for the "
            "cause, then retry it."
        )
        failed = planner.finish_chunk(
            chunk,
            Status.FAILED,
            token=token,
            only_expired=only_expired,
            lost_attempts=count,
            error_code="worker_lost",
            error=sentence,
            traceback=trace or _last_words(chunk),
        )
        if failed:
            activity.log(chunk.job_id, f"{where} stopped: {sentence}", level=Level.ERROR, chunk=chunk.pk)
        return failed
    moved = lifecycle.move_chunk(
        chunk.pk, Status.PENDING, token=token, only_expired=only_expired, lost_attempts=count, published_at=None
    )
    if moved:
        sentence = f"{where}: {what}. The chunk goes to another worker; what was recorded stays."
        activity.log(chunk.job_id, sentence, level=Level.WARNING, chunk=chunk.pk)
    return moved


def _last_words(chunk: Chunk) -> str:
    """What Celery wrote down of the chunk's last task: of a process that was killed, by which signal."""
    told = (
        TaskResult.objects.filter(task_id=chunk.task_id).values_list("traceback", "result").first()
        if chunk.task_id
        else None
    )
    return "\n".join(part for part in told if part) if told else ""
