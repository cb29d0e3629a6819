"""Celery's task history in the admin: each row leads to the job it worked for, where a retry belongs.

What is retried is a job or a chunk, never a message.
"""

# Django calls these methods with more than each needs.
# ruff: noqa: ARG002

import re
from collections.abc import Collection
from typing import Any

import django_celery_results.admin  # noqa: F401  registers its own pages, which ours take the place of
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django_celery_results.models import GroupResult, TaskResult

from datasets.admin import ReadOnlyAdmin
from datasets.admin_lists import NewestValuesFilter
from jobs.admin import job_link
from jobs.doorbell import CHUNK_TASKS, PLAN_TASKS
from jobs.models import Chunk, Job

admin.site.unregister([TaskResult, GroupResult])
# Beside its filters a list of eight columns has no room left for a second navigation.
admin.site.enable_nav_sidebar = False


def jobs_of(tasks: list[Any]) -> dict[int, int]:
    """The id of the job that each task worked for, by the task row's id; rows of a deleted job are left out."""
    of_jobs = _arguments(tasks, PLAN_TASKS.values())
    of_chunks = _arguments(tasks, CHUNK_TASKS.values())
    jobs = set(Job.objects.filter(pk__in=of_jobs.values()).values_list("pk", flat=True))
    chunks = dict(Chunk.objects.filter(pk__in=of_chunks.values()).values_list("pk", "job_id"))
    return {
        **{pk: job_id for pk, job_id in of_jobs.items() if job_id in jobs},
        **{pk: chunks[chunk_id] for pk, chunk_id in of_chunks.items() if chunk_id in chunks},
    }


def _arguments(tasks: list[Any], names: Collection[str]) -> dict[int, int]:
    """The argument of each task of these names, by the task row's id."""
    return {task.pk: number for task in tasks if task.task_name in names and (number := _argument(task))}


def _argument(task: Any) -> int | None:
    """The one argument of our tasks, out of the text that the history keeps of it: "[17]" or "(17,)"."""
    match = re.search(r"\d{1,18}", task.task_args or "")
    return int(match[0]) if match else None


class TaskChangeList(ChangeList):
    """Looks up the jobs of a whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        tasks = list(self.result_list)
        jobs = jobs_of(tasks)
        for task in tasks:
            task.job_id = jobs.get(task.pk)
        self.result_list = tasks


@admin.register(TaskResult)
class TaskResultAdmin(ReadOnlyAdmin):
    """What workers did, message by message; it survives Redis."""

    list_display = ("task_id", "of_job", "task_name", "status", "result", "worker", "date_done")
    list_filter = ("status", ("task_name", NewestValuesFilter), "date_done")
    search_fields = ("task_id", "task_name", "task_args", "worker")
    readonly_fields = ("of_job", "date_created", "date_started", "date_done")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TaskChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        task = super().get_object(request, object_id, from_field)
        if task is not None:
            task.job_id = jobs_of([task]).get(task.pk)
        return task

    @admin.display(description="job")
    def of_job(self, task: Any) -> SafeString | str:
        return job_link(task.job_id) if task.job_id else "–"
