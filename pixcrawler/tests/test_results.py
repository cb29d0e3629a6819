"""Task states in Redis, history in the database, and neither able to spoil the work."""

import json
import subprocess
import sys

import pytest
from celery import current_app
from django.conf import settings
from django_celery_results.models import TaskResult

from jobs.redis_store import client
from pixcrawler.results import RedisAndDatabaseBackend


def backend(address: str = "") -> RedisAndDatabaseBackend:
    url = address or settings.CELERY_RESULT_BACKEND.partition("+")[2]
    return RedisAndDatabaseBackend(app=current_app, url=url)


@pytest.mark.django_db
def test_a_final_state_is_in_redis_and_in_the_history() -> None:
    backend().store_result("task-1", "completed", "SUCCESS")

    assert json.loads(client().get("celery-task-meta-task-1"))["status"] == "SUCCESS"
    assert TaskResult.objects.get(task_id="task-1").status == "SUCCESS"


@pytest.mark.django_db
def test_a_passing_state_is_in_redis_alone() -> None:
    backend().store_result("task-2", None, "STARTED")

    assert json.loads(client().get("celery-task-meta-task-2"))["status"] == "STARTED"
    assert not TaskResult.objects.exists()


@pytest.mark.django_db
def test_finished_work_stays_finished_when_redis_is_dead() -> None:
    dead = backend("socket:///nowhere/valkey.sock?virtual_host=1")

    dead._store_result("task-3", "completed", "SUCCESS")

    assert TaskResult.objects.get(task_id="task-3").status == "SUCCESS"


def test_the_environments_plain_address_does_not_replace_our_backend() -> None:
    """Celery itself reads CELERY_RESULT_BACKEND; the class in front of it has to survive that."""
    code = (
        "import django, os; django.setup(); from celery import current_app as app;"
        "print(type(app.backend).__name__, app.conf.task_serializer, app.conf.accept_content, app.conf.task_acks_late)"
    )
    environment = {"CELERY_RESULT_BACKEND": "redis://localhost:6379/1", "DJANGO_SETTINGS_MODULE": "pixcrawler.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "", "PIXCRAWLER_DATA_DIR": str(settings.DATA_DIR), **environment},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "RedisAndDatabaseBackend json ['json'] True"
