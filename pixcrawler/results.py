"""The result backend: task states live in Redis, where pages read them; final ones are also rows of the database."""

import logging
from typing import Any

from celery import states
from celery.backends.redis import RedisBackend
from django_celery_results.backends import DatabaseBackend

from jobs.crawl.redaction import redacted_deeply
from jobs.housekeeping import remove_old_results

log = logging.getLogger(__name__)

_FINAL = states.READY_STATES | {states.RETRY}


class RedisAndDatabaseBackend(RedisBackend):
    """Redis first for the living, the database for the history that survives Redis.

    Neither store may turn work that is done into a failure: the ledger is the truth, this is its echo.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._history = DatabaseBackend(app=self.app)  # type: ignore[attr-defined]

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Nothing: nobody waits on results, and a subscription would hang every publisher when Redis is away."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        # An exception's words and its traceback may quote what a source was asked.
        result, args, kwargs = (redacted_deeply(part) for part in (result, args, kwargs))
        if state in _FINAL:
            try:
                self._history._store_result(task_id, result, state, *args, **kwargs)
            except Exception:
                log.exception("The history row of task %s could not be written; its work is not affected.", task_id)
        try:
            return super()._store_result(task_id, result, state, *args, **kwargs)  # type: ignore[misc]
        except Exception as error:
            log.warning("The state of task %s could not be written to Redis (%s); its work is done.", task_id, error)
            return result

    def cleanup(self) -> None:
        """Removes history rows older than `result_expires`; Redis forgets by itself."""
        remove_old_results()
