"""Jobs, chunks and the ledger in the admin: read-only, with the verbs of jobs.services as actions."""

# Django calls these methods with more than each needs.
# ruff: noqa: ARG002

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from datasets.admin import ReadOnlyAdmin, Rows
from datasets.admin_lists import NewestValuesFilter
from datasets.counting import number_of
from jobs import lifecycle, notice_admin, services, source_admin, takedown_admin  # noqa: F401  three register pages
from jobs.models import Activity, Chunk, Finding, Job, LabelTarget, ListedUrl, Status
from jobs.progress import OUTCOME_COUNTERS
from jobs.token_models import ApiToken

#: Refusals that are told in their own sentences, and jobs that a result links to; more would bury the result.
_TOLD = 5

#: The lists that a job's page leads to.
_LISTS_OF_A_JOB = (("labels", LabelTarget), ("chunks", Chunk), ("findings", Finding), ("log", Activity))


class VerbAdmin(ReadOnlyAdmin):
    """Rows that verbs act on, for people who may change jobs. Every act is written to the admin's log."""

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.change_job")

    def apply(
        self,
        request: HttpRequest,
        groups: Iterable[Sequence[Any]],
        verb: Callable[[Sequence[Any], User], Job],
        *,
        done: str,
        why_not: Callable[[Sequence[Any]], str],
    ) -> None:
        """Does the verb to each group of rows, all or none of a group; says in words to how many, and why not."""
        refused: Counter[str] = Counter()
        sentences: dict[str, None] = {}
        count = 0
        jobs: dict[int, None] = {}
        by = cast(User, request.user)
        for rows in groups:
            try:
                job = verb(rows, by)
            except services.Refused as refusal:
                refused[why_not(rows)] += len(rows)
                sentences[refusal.message] = None
            else:
                for row in rows:
                    self.log_change(request, row, f"{done} by an action.")
                count += len(rows)
                jobs[job.pk] = None
        result: str = _result(done, count, refused)
        if jobs:
            result = format_html("{} {}", result, _live_links(list(jobs)))
        self.message_user(request, result, messages.WARNING if refused else messages.SUCCESS)
        for sentence in list(sentences)[:_TOLD]:
            self.message_user(request, sentence, messages.WARNING)


def _live_links(job_ids: Sequence[int]) -> SafeString:
    """Links to the live pages of the first jobs of them."""
    return format_html_join(
        ", ",
        '<a href="{}">Job {}</a>',
        ((reverse("job", args=[job_id]), job_id) for job_id in job_ids[:_TOLD]),
    )


def _result(done: str, count: int, refused: Counter[str]) -> str:
    """Such as “Retried 3, refused 1 (still running).”"""
    if not refused:
        return f"{done} {count}."
    one_reason = len(refused) == 1
    reasons = ", ".join(reason if one_reason else f"{number} {reason}" for reason, number in refused.most_common())
    return f"{done} {count}, refused {refused.total()} ({reasons})."


def _why_not_retried(job_id: int) -> str:
    job = Job.objects.get(pk=job_id)
    if job.is_terminal and not job.has_whole_list:
        return "list never whole"
    return "nothing to retry" if lifecycle.can_retry(job) else "still running"


def _why_not_cancelled(job_id: int) -> str:
    return "already ended" if Job.objects.get(pk=job_id).is_terminal else "being cancelled already"


def job_link(job_id: int) -> SafeString:
    """A link to the job's page in the admin."""
    return format_html('<a href="{}">Job {}</a>', reverse("admin:jobs_job_change", args=[job_id]), job_id)


class OfAJobAdmin(ReadOnlyAdmin):
    """Rows of a job, which link to it."""

    @admin.display(description="job")
    def of_job(self, row: Any) -> SafeString:
        return job_link(row.job_id)


@admin.register(Job)
class JobAdmin(VerbAdmin):
    """Retry and cancel from the list; a job that has ended may be deleted, its images stay."""

    actions = ("retry", "cancel")
    list_display = (
        "__str__",
        "kind",
        "dataset",
        "status",
        "done_of_wanted",
        "chunks_failed",
        "created_by",
        "started_at",
    )
    list_filter = ("status", "kind", "dry_run", ("created_by", admin.RelatedOnlyFieldListFilter), "created_at")
    list_select_related = ("dataset", "created_by")
    search_fields = ("dataset__name", "chunks__keyword", "chunks__label")
    readonly_fields = ("lists", "done_of_wanted", "created_at")
    fieldsets = (
        (None, {"fields": ("dataset", "status", "done_of_wanted", "summary", "lists")}),
        ("Ledger", {"fields": (*OUTCOME_COUNTERS, "size_bytes")}),
        ("What was asked for", {"fields": ("kind", "dry_run", "spec", "listed_count", "created_by")}),
        (
            "Times",
            {"fields": ("run", "created_at", "published_at", "started_at", "cancel_requested_at", "finished_at")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        failed = Chunk.objects.filter(job=OuterRef("pk"), status=Status.FAILED).order_by().values("job")
        jobs: QuerySet[Job] = super().get_queryset(request)
        return jobs.annotate(failed_chunks=Subquery(failed.annotate(n=Count("pk")).values("n")))

    def get_search_results(self, request: HttpRequest, queryset: Rows, search_term: str) -> tuple[Rows, bool]:
        found, is_repeated = super().get_search_results(request, queryset, search_term)
        if not is_repeated:
            return found, False
        # Each job once by its id: else whole rows are compared, one for every chunk that has the word.
        return queryset.filter(pk__in=found.order_by().values("pk")), False

    @admin.display(description="done")
    def done_of_wanted(self, job: Job) -> str:
        return "dry run" if job.dry_run else f"{job.kept if job.is_crawl else job.found:,} of {job.wanted:,}"

    @admin.display(description="failed chunks")
    def chunks_failed(self, job: Any) -> int:
        return job.failed_chunks or 0

    @admin.display(description="its rows")
    def lists(self, job: Job) -> SafeString:
        return format_html_join(
            " · ",
            '<a href="{}?{}">{}</a>',
            (
                (
                    reverse(f"admin:jobs_{model._meta.model_name}_changelist"),
                    urlencode({"job__id__exact": job.pk}),
                    name,
                )
                for name, model in _LISTS_OF_A_JOB
            ),
        )

    @admin.action(description="Retry selected jobs", permissions=["operate"])
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self.apply(
            request,
            ([job] for job in jobs),
            lambda rows, by: services.retry_job(job_id=rows[0].pk, by=by),
            done="Retried",
            why_not=lambda rows: _why_not_retried(rows[0].pk),
        )

    @admin.action(description="Cancel selected jobs", permissions=["operate"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self.apply(
            request,
            ([job] for job in jobs),
            lambda rows, by: services.cancel_job(job_id=rows[0].pk, by=by),
            done="Cancelled",
            why_not=lambda rows: _why_not_cancelled(rows[0].pk),
        )

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # Jobs are deleted one at a time, each after its own confirmation.
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return request.user.has_perm("jobs.delete_job") and (obj is None or obj.is_terminal)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What goes with a job, in one line each: its findings may be a hundred thousand."""
        lines = [
            f"{job} with {number_of(job.chunks.count(), 'chunk')} and {number_of(job.findings.count(), 'finding')}. "
            f"What it kept stays in the dataset {job.dataset}: {number_of(job.kept, 'image')}."
            for job in objs
        ]
        return lines, {"jobs": len(lines)}, set(), []


@admin.register(Chunk)
class ChunkAdmin(VerbAdmin, OfAJobAdmin):
    """One keyword × source × window each; what failed may be retried."""

    actions = ("retry",)
    list_display = ("__str__", "of_job", "status", "label", "kept", "found", "attempts", "error_code", "worker")
    list_filter = ("status", ("source", NewestValuesFilter), ("error_code", NewestValuesFilter))
    search_fields = ("keyword", "label", "worker", "task_id", "job__dataset__name")
    readonly_fields = ("trace", "task", "created_at")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "job",
                    "status",
                    "label",
                    "keyword",
                    "source",
                    "strand",
                    "window",
                    "error_code",
                    "error",
                    "trace",
                )
            },
        ),
        ("Ledger", {"fields": (*OUTCOME_COUNTERS, "size_bytes")}),
        ("Window", {"fields": ("position", "quota", "listed", "exhausted")}),
        ("Worker", {"fields": ("worker", "task", "run", "attempts", "lost_attempts", "refusals", "lease_expires_at")}),
        ("Times", {"fields": ("created_at", "published_at", "not_before", "started_at", "finished_at")}),
    )

    @admin.display(description="traceback")
    def trace(self, chunk: Chunk) -> SafeString | str:
        if not chunk.traceback:
            return "–"
        return format_html("<details><summary>Show</summary><pre>{}</pre></details>", chunk.traceback)

    @admin.display(description="last task")
    def task(self, chunk: Chunk) -> SafeString | str:
        if not chunk.task_id:
            return "–"
        tasks = reverse("admin:django_celery_results_taskresult_changelist")
        return format_html('<a href="{}?{}">{}</a>', tasks, urlencode({"q": chunk.task_id}), chunk.task_id)

    @admin.action(description="Retry selected chunks", permissions=["operate"])
    def retry(self, request: HttpRequest, chunks: QuerySet[Chunk]) -> None:
        by_job: dict[int, list[Chunk]] = {}
        for chunk in chunks:
            by_job.setdefault(chunk.job_id, []).append(chunk)
        self.apply(
            request,
            by_job.values(),
            lambda rows, by: services.retry_chunks(job_id=rows[0].job_id, chunk_ids={c.pk for c in rows}, by=by),
            done="Retried",
            why_not=lambda rows: _why_not_retried(rows[0].job_id),
        )


@admin.register(Finding)
class FindingAdmin(OfAJobAdmin):
    """What became of every candidate."""

    list_display = ("url", "of_job", "outcome", "reason", "detail", "created_at")
    list_filter = ("outcome", "reason")
    search_fields = ("url", "sha256", "detail")
    readonly_fields = ("created_at",)


@admin.register(Activity)
class ActivityAdmin(OfAJobAdmin):
    """The jobs' log as their users read it."""

    list_display = ("at", "of_job", "level", "sentence")
    list_filter = ("level", "at")
    search_fields = ("sentence", "job__dataset__name")
    readonly_fields = ("at",)


@admin.register(LabelTarget)
class LabelTargetAdmin(OfAJobAdmin):
    """How far each label of a job is."""

    list_display = ("label", "of_job", "wanted", "kept", "reserved")
    search_fields = ("label", "job__dataset__name")


@admin.register(ListedUrl)
class ListedUrlAdmin(OfAJobAdmin):
    """The addresses that came with a job."""

    list_display = ("url", "of_job", "label", "position")
    search_fields = ("url", "label")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Whose tokens there are; deleting one revokes it."""

    list_display = ("name", "user", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    exclude = ("digest",)
    readonly_fields = ("created_at",)

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return request.user.has_perm("jobs.delete_apitoken")
