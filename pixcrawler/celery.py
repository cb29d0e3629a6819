"""The Celery application: `celery -A pixcrawler worker`, or better `manage.py runworker`."""

import gc
import logging
import os
from typing import Any

from celery import Celery
from celery.apps import worker as celery_worker
from celery.signals import (
    celeryd_init,
    heartbeat_sent,
    setup_logging,
    task_postrun,
    task_rejected,
    task_unknown,
    worker_init,
    worker_shutdown,
)
from celery.utils.log import get_multiprocessing_logger
from django.conf import settings

from jobs import health, log_context
from pixcrawler import logs
from pixcrawler.alive import note_alive

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pixcrawler.settings")
# SIGTERM means: hand the chunk back and leave, not: wait for the end of the running task.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")


class PixCrawlerCelery(Celery):
    """Celery reads the plain address in CELERY_RESULT_BACKEND before any setting; our backend class comes first."""

    backend_cls = settings.CELERY_RESULT_BACKEND


app = PixCrawlerCelery("pixcrawler")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["jobs"])


@setup_logging.connect
def _log_as_everywhere(loglevel: int, **kwargs: Any) -> None:
    """Being there keeps Celery from putting its own handlers and its own form beside those of LOGGING."""
    logging.getLogger().setLevel(loglevel)
    if (of_pool := get_multiprocessing_logger()) is not None:
        of_pool.propagate = True
        of_pool.setLevel(logging.ERROR)


@celeryd_init.connect
def _begin(sender: str, instance: Any, **kwargs: Any) -> None:
    logs.worker_name = sender
    if settings.LOG_FORMAT == logs.JSON:
        # What Celery prints beside its log: the banner, and a word when it is told to stop.
        instance.quiet = True
        setattr(celery_worker, "safe_say", lambda words, *_: logs.write_line(words))  # noqa: B010


#: Objects made and not yet freed before Python looks for circles among them; 700 by default.
_GARBAGE_THRESHOLD = 10_000


@worker_init.connect
def _spare_what_stays(**kwargs: Any) -> None:
    """What is loaded by now stays for the life of the worker: Python need not look through it for garbage, at a quarter
    of what recording a picture costs. Before the first process is forked, since whoever looks through it writes to all
    of it: the parent would between two forks, and leave the first process alone with its pages.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)


@task_postrun.connect
def _done(**kwargs: Any) -> None:
    log_context.begin()


@heartbeat_sent.connect
def _alive(sender: Any, **kwargs: Any) -> None:
    note_alive()
    health.note_worker_alive(sender.eventer.hostname)


@worker_shutdown.connect
def _gone(sender: Any, **kwargs: Any) -> None:
    health.note_worker_gone(sender.hostname)


@task_unknown.connect
def _unknown(sender: Any, name: str, **kwargs: Any) -> None:
    health.note_refused_task(name, worker=sender.hostname)


@task_rejected.connect
def _rejected(message: Any, **kwargs: Any) -> None:
    health.note_refused_content(str(message.content_type), sender=str((message.headers or {}).get("origin", "")))
