"""Removes for good what has grown old: files of exports, findings, whole jobs. Images and versions always stay.

Every statement removes a bounded number of rows, so that crawls beside it wait for milliseconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from datasets import audit
from datasets.audit_models import Verb
from jobs import activity, export_services, exports, uploads
from jobs.export_models import Export
from jobs.models import TERMINAL, Activity, Chunk, Finding, Job, ListedUrl

_BATCH_ROWS: Final = 1_000

#: The rows of a job that may be many, those first that name others.
_ROWS: Final[tuple[type[models.Model], ...]] = (Finding, ListedUrl, Activity, Chunk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What went, or would go: exports whose files went, findings, jobs, and the bytes of files."""

    exports: int = 0
    findings: int = 0
    jobs: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Purged") -> "Purged":
        return Purged(
            exports=self.exports + other.exports,
            findings=self.findings + other.findings,
            jobs=self.jobs + other.jobs,
            size_bytes=self.size_bytes + other.size_bytes,
        )


def old_exports(age: timedelta, *, by: User | None, dry_run: bool) -> Purged:
    """Takes the files of exports away that were finished before that; their versions give the same bytes again.

    Raises BlobError, and Refused where a file cannot be removed.
    """
    found = Export.objects.filter(_ended(age, "job__"), removed_at__isnull=True, ready_at__isnull=False)
    purged = Purged()
    for export in found.order_by("pk"):
        if not dry_run:
            export_services.remove_export(job_id=export.pk, by=by)
        purged += Purged(exports=1, size_bytes=export.size_bytes)
    return purged


def old_findings(age: timedelta, *, by: User | None, dry_run: bool) -> Purged:
    """Removes what jobs that ended before that found, candidate by candidate; their counters stay.

    Such a job can be topped up, but not tell reasons or retry single candidates.
    """
    jobs = Job.objects.filter(_ended(age))
    findings = Finding.objects.order_by().filter(job__in=jobs)
    if dry_run:
        return Purged(findings=findings.count())
    removed = _delete_all(findings)
    if removed:
        audit.record(by, Verb.DELETED, f"Purged {removed:,} findings of jobs that ended {age.days} days ago or earlier")
    return Purged(findings=removed)


def old_jobs(age: timedelta, *, by: User | None, dry_run: bool) -> Purged:
    """Removes jobs that ended before that with all their rows, uploads and files of exports. Raises BlobError."""
    purged = Purged()
    for job in Job.objects.filter(_ended(age)).select_related("dataset").order_by("pk"):
        export = Export.objects.filter(job=job).first()
        size_bytes = export.size_bytes if export and export.removed_at is None else 0
        purged += Purged(jobs=1, findings=job.findings.count(), exports=int(size_bytes > 0), size_bytes=size_bytes)
        if not dry_run:
            _remove(job, export, by=by)
    return purged


#: What can be asked for -> what removes it.
KINDS: Final[Mapping[str, Callable[..., Purged]]] = {
    "exports": old_exports,
    "findings": old_findings,
    "jobs": old_jobs,
}


def _remove(job: Job, export: Export | None, *, by: User | None) -> None:
    if export is not None:
        exports.remove_files(export)
    for rows in _ROWS:
        _delete_all(rows._default_manager.order_by().filter(job=job))
    with transaction.atomic():
        # Somebody may have retried it meanwhile; then it stays, as a job without a past.
        if not Job.objects.filter(pk=job.pk, status__in=TERMINAL).delete()[0]:
            activity.log(job.pk, "Its earlier findings were purged.")
            return
        audit.record(by, Verb.DELETED, "Purged an old job", dataset=job.dataset, job_id=job.pk)
    uploads.remove_of(job)


def _ended(age: timedelta, path: str = "") -> Q:
    return Q(**{f"{path}status__in": TERMINAL, f"{path}finished_at__lt": Now() - age})


def _delete_all(rows: QuerySet[models.Model]) -> int:
    removed = 0
    while batch := list(rows.values_list("pk", flat=True)[:_BATCH_ROWS]):
        removed += rows.model._default_manager.filter(pk__in=batch).delete()[0]
    return removed
