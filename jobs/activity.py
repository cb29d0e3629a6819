"""The job's log as its user reads it: whole sentences, in the transaction of what they tell."""

from typing import Any

from jobs.models import Activity, Level


def log(job_id: int, sentence: str, *, level: Level = Level.INFO, **data: Any) -> None:
    """Adds a line to the job's log; `data` must survive JSON."""
    Activity.objects.create(job_id=job_id, level=level, sentence=sentence, data=data)
