"""The job's log as its user reads it: whole sentences, in the transaction of what they tell.

The operator's log gets each of them too, once it is committed.
"""

import logging
from typing import Any

from django.db import transaction

from jobs import log_context
from jobs.crawl.redaction import redacted, redacted_deeply
from jobs.models import Activity, Level

_log = logging.getLogger(__name__)

_LEVELS = {Level.INFO: logging.INFO, Level.WARNING: logging.WARNING, Level.ERROR: logging.ERROR}


def log(job_id: int, sentence: str, *, level: Level = Level.INFO, **data: Any) -> None:
    """Adds a line to the job's log; `data` must survive JSON."""
    Activity.objects.create(job_id=job_id, level=level, sentence=redacted(sentence), data=redacted_deeply(data))

    def tell() -> None:
        with log_context.at(job=job_id):
            _log.log(_LEVELS[level], "Job %s: %s", job_id, sentence)

    transaction.on_commit(tell, robust=True)
