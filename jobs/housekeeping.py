"""Removes what has served its time: states of tasks in the database, sessions, files of exports that were given up,
uploads of jobs that ended. SQLite learns how many rows there are.

Once a day, in small pieces.
"""

import logging
from datetime import timedelta
from importlib import import_module

from celery import current_app
from celery.utils.time import maybe_timedelta
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django_celery_results.models import TaskResult

from datasets.blobs import BlobError
from jobs import exports, pace, uploads

log = logging.getLogger(__name__)

_EVERY_S = 86_400.0
_TURN = "housekeeping"
#: Rows that one DELETE removes: it holds its locks for milliseconds.
_BATCH_ROWS = 1_000
#: DELETEs of one pass: what is left after them waits for the next pass, so that the scheduler gets to its other work.
_BATCHES_A_PASS = 20

#: Of each index, where SQLite is to know how many rows there are.
_ROWS_LOOKED_AT = 400


def housekeeping() -> int:
    """Removes what has expired, if it is time; gives the number of rows of task states. For every scheduler pass.

    All schedulers together do it once a day; without Redis each does, and the second finds nothing to remove.
    Raises DatabaseError, and is due again then.
    """
    if not pace.is_due(_TURN, every_s=_EVERY_S):
        return 0
    try:
        _remove_files()
        removed = sum(_remove_batch() for _ in range(_BATCHES_A_PASS))
        if _old_results().exists():
            pace.make_due(_TURN)
        else:
            import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
            _count_for_sqlite()
    except DatabaseError:
        pace.make_due(_TURN)
        raise
    if removed:
        log.info("%s rows of old task states were removed.", f"{removed:,}")
    return removed


def _count_for_sqlite() -> None:
    """Lets SQLite look how many rows each index has, some hundredths of a second: else it takes one by its looks.

    PostgreSQL does that by itself.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA analysis_limit = {_ROWS_LOOKED_AT}")
            cursor.execute("ANALYZE")


def _remove_files() -> None:
    """A store that fails holds up nothing else; tomorrow it is tried again."""
    for what, remove in (("Exports", exports.remove_unwanted), ("Uploads", uploads.remove_unwanted)):
        try:
            remove()
        except BlobError as error:
            log.warning("%s that nobody wants any more are still there: %s", what, error)


def remove_old_results() -> int:
    """Removes all rows of task states older than `result_expires`, batch by batch; gives how many."""
    removed = 0
    while batch := _remove_batch():
        removed += batch
    return removed


def _remove_batch() -> int:
    batch = list(_old_results().order_by("date_done").values_list("pk", flat=True)[:_BATCH_ROWS])
    return TaskResult.objects.filter(pk__in=batch).delete()[0] if batch else 0


def _old_results() -> QuerySet[TaskResult]:
    expires: timedelta | None = maybe_timedelta(current_app.conf.result_expires)
    return TaskResult.objects.filter(date_done__lt=Now() - expires) if expires else TaskResult.objects.none()
