"""The Celery application: `celery -A pixcrawler worker`, or better `manage.py runworker`."""

import os
from typing import Any

from celery import Celery
from celery.signals import heartbeat_sent, task_rejected, task_unknown, worker_shutdown
from django.conf import settings

from jobs import health

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pixcrawler.settings")
# SIGTERM means: hand the chunk back and leave, not: wait for the end of the running task.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")


class PixCrawlerCelery(Celery):
    """Celery reads the plain address in CELERY_RESULT_BACKEND before any setting; our backend class comes first."""

    backend_cls = settings.CELERY_RESULT_BACKEND


app = PixCrawlerCelery("pixcrawler")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["jobs"])


@heartbeat_sent.connect
def _alive(sender: Any, **kwargs: Any) -> None:
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
