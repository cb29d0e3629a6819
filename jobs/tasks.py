"""The Celery tasks: thin doors to planner and runner. A message may come late, twice or never; each task copes."""

import traceback
from typing import Any

from celery import shared_task
from django.db import InterfaceError, OperationalError, connection

from jobs import kept, log_context, planner, runner, source_watch
from jobs.models import Job, Status


@shared_task
def crawl_images_task(job_id: int) -> str:
    """Hands out the chunks of a pending crawl."""
    return _plan(job_id)


@shared_task
def validate_dataset_task(job_id: int) -> str:
    """Hands out the chunks of a pending validation."""
    return _plan(job_id)


@shared_task
def repair_dataset_task(job_id: int) -> str:
    """Hands out the chunks of a pending repair."""
    return _plan(job_id)


@shared_task
def export_dataset_task(job_id: int) -> str:
    """Opens the first part of a pending export."""
    return _plan(job_id)


@shared_task(bind=True)
def crawl_chunk_task(self: Any, chunk_id: int) -> str:
    """Does one keyword × source × window."""
    return _run(chunk_id, self.request.id)


@shared_task(bind=True)
def validate_chunk_task(self: Any, chunk_id: int) -> str:
    """Looks at one range of a dataset's images, or for duplicates among all of them."""
    return _run(chunk_id, self.request.id)


@shared_task(bind=True)
def repair_chunk_task(self: Any, chunk_id: int) -> str:
    """Fetches the damaged ones of one range of a dataset's images again."""
    return _run(chunk_id, self.request.id)


@shared_task(bind=True)
def export_chunk_task(self: Any, chunk_id: int) -> str:
    """Freezes a version, writes its files, or reads them back."""
    return _run(chunk_id, self.request.id)


@shared_task
def count_dataset_task(dataset_id: int) -> str:
    """Counts what a large dataset holds, for its pages."""
    kept.draw(dataset_id)
    return "counted"


@shared_task
def check_source_task(name: str) -> str:
    """Asks a source once, for the page of sources."""
    return source_watch.check(name) or "answered"


def _plan(job_id: int) -> str:
    log_context.begin(job=job_id)
    try:
        return "planned" if planner.plan(job_id) else "nothing to do"
    except (OperationalError, InterfaceError):
        # The database went away or was busy: the job stays pending, and the scheduler asks again.
        connection.close()
        Job.objects.filter(pk=job_id, status=Status.PENDING).update(published_at=None)
        raise
    except Exception as error:
        sentence = f"Planning failed ({type(error).__name__}: {error}). Mend the cause, then retry."
        planner.give_up(job_id, sentence, traceback=traceback.format_exc())
        raise


def _run(chunk_id: int, task_id: str | None) -> str:
    log_context.begin(chunk=chunk_id)
    try:
        return runner.run_chunk(chunk_id, task_id=task_id or "")
    except MemoryError:
        # Celery ends the whole worker on a MemoryError; the chunk is set back already, the worker is well.
        raise RuntimeError("The chunk needed more memory than there is.") from None
