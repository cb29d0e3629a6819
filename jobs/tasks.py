"""The Celery tasks: thin doors to planner and runner. A message may come late, twice or never; each task copes."""

import traceback
from typing import Any

from celery import shared_task

from jobs import activity, lifecycle, planner, runner
from jobs.models import Level, Status


@shared_task
def crawl_images_task(job_id: int) -> str:
    """Hands out the chunks of a pending job."""
    try:
        return "planned" if planner.plan(job_id) else "nothing to do"
    except Exception as error:
        sentence = f"Planning failed ({type(error).__name__}: {error}). Mend the cause, then retry."
        if lifecycle.move_job(job_id, Status.FAILED, summary=sentence):
            activity.log(job_id, sentence, level=Level.ERROR, traceback=traceback.format_exc())
        raise


@shared_task(bind=True)
def crawl_chunk_task(self: Any, chunk_id: int) -> str:
    """Does one keyword × source × window."""
    try:
        return runner.run_chunk(chunk_id, task_id=self.request.id or "")
    except MemoryError:
        # Celery ends the whole worker on a MemoryError; the chunk is failed already, the worker is well.
        raise RuntimeError("The chunk needed more memory than there is.") from None
