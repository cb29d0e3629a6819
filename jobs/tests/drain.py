"""Does a job's work in this process, for tests that need no worker of their own."""

from jobs import planner, runner
from jobs.models import Job, Status

_MAX_CHUNKS = 500


def drain(job: Job) -> Job:
    """Plans and runs the job until nothing of it is pending; gives it as it is then."""
    planner.plan(job.pk)
    for _ in range(_MAX_CHUNKS):
        chunk = job.chunks.filter(status=Status.PENDING).order_by("id").first()
        if chunk is None or runner.run_chunk(chunk.pk) == "nothing to do":
            break
    job.refresh_from_db()
    return job
