"""What pages ask of jobs. Nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from django.contrib.auth.models import User
from django.db.models import BigIntegerField, Count, OuterRef, Q, QuerySet, Subquery

from datasets.access import Right, shared_or_own
from datasets.counting import CountUpTo
from datasets.models import Dataset, Image, ValidationLevel
from datasets.prepared import Prepared, PreparedObjects
from jobs import lifecycle
from jobs.models import NEEDS_ATTENTION, OPEN, TERMINAL, Chunk, Job, Kind, LabelTarget, Status
from jobs.progress import Progress
from jobs.spec import CrawlSpec, ExportSpec, ValidationSpec
from jobs.words import (
    CANCELLING,
    PAUSED,
    STATUS_WORDS,
    STORING_LIST,
    WITH_GAPS,
    StatusWord,
)

#: Jobs on a page of their list.
PAGE_SIZE = 30


#: The tabs of the jobs list, and what each shows.
TABS: dict[str, tuple[str, Q]] = {
    "all": ("All", Q()),
    "attention": ("Needs attention", NEEDS_ATTENTION),
    "running": ("Running", Q(status=Status.PROCESSING)),
    "waiting": ("Waiting", Q(status=Status.PENDING)),
    "finished": ("Finished", Q(status=Status.COMPLETED)),
    "cancelled": ("Cancelled", Q(status=Status.CANCELLED)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOnDataset:
    """The newest crawl, validation and repair of a dataset that have not ended.

    `levels` are those that the validation does.
    """

    crawl: Job | None
    validation: Job | None
    repair: Job | None
    levels: Sequence[str]


class JobState(NamedTuple):
    """What a poll reads of a job's row: what its page must not tell late."""

    status: str
    run: int
    paused_at: datetime | None
    cancel_requested_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(job.status, job.run, job.paused_at, job.cancel_requested_at)


def _jobs(pk: int) -> QuerySet[Job]:
    return Job.objects.order_by().filter(pk=pk)


def _states(pk: int) -> QuerySet[Job, Any]:
    return _jobs(pk).values_list(*JobState._fields)


_STATE_FOR_ALL: Final = Prepared(_states, int)
_STATE_FOR_ONE: Final = Prepared(lambda pk, user_id: _states(pk).filter(shared_or_own(user_id, "dataset__")), int, int)


#: An address may name a greater one; no row has it, and SQLite cannot be asked for it.
_LARGEST_ID: Final = BigIntegerField.MAX_BIGINT


def state_seen_by(user: User, job_id: int) -> JobState | None:
    """The job's state; None where there is no such job, or the user may not see it. One query, cheap to make."""
    if job_id > _LARGEST_ID:
        return None
    sees_all = user.has_perm(Right.SEE_ALL)
    rows = _STATE_FOR_ALL.rows(job_id) if sees_all else _STATE_FOR_ONE.rows(job_id, user.pk)
    return JobState(*rows[0]) if rows else None


_WITH: Final = ("dataset", "created_by")
_JOB_FOR_ALL: Final = PreparedObjects(Job, _jobs, int, related=_WITH)
_JOB_FOR_ONE: Final = PreparedObjects(
    Job, lambda pk, user_id: _jobs(pk).filter(shared_or_own(user_id, "dataset__")), int, int, related=_WITH
)


def job_seen_by(user: User, job_id: int) -> Job | None:
    """The job with its dataset and its maker; None as for its state. One query, cheap to make."""
    if job_id > _LARGEST_ID:
        return None
    sees_all = user.has_perm(Right.SEE_ALL)
    jobs = _JOB_FOR_ALL.objects(job_id) if sees_all else _JOB_FOR_ONE.objects(job_id, user.pk)
    return jobs[0] if jobs else None


def can_top_up(job: Job) -> bool:
    """Whether an ended job may be asked for more images."""
    return job.is_crawl and lifecycle.can_retry(job) and not job.dry_run and job.chunks.exists()


def jobs_ahead(job: Job) -> int:
    """How many jobs wait in front of one that has not started."""
    return Job.objects.filter(status=Status.PENDING, pk__lt=job.pk).count() if job.status == Status.PENDING else 0


def done(job: Job, now: Progress) -> int:
    """How much of what is wanted is done: a crawl counts what it kept, other jobs what they looked at."""
    return now.kept if job.is_crawl else now.found


def subject(job: Job) -> str:
    """What the job is about, in a few words."""
    match job.kind:
        case Kind.VALIDATE:
            return f"level {ValidationSpec.from_json(job.spec).level}"
        case Kind.REPAIR:
            return "damaged images"
        case Kind.EXPORT:
            spec = ExportSpec.from_json(job.spec)
            return f"{spec.format}, version {spec.version}" if spec.version else spec.format
    return f"{len(CrawlSpec.from_json(job.spec).lanes):,} keyword × source"


def status_word(job: Job) -> StatusWord:
    """How the job's state is called on pages."""
    if job.cancel_requested_at is not None and not job.is_terminal:
        return CANCELLING
    if job.paused_at is not None and not job.is_terminal:
        return PAUSED
    if not job.has_whole_list and not job.is_terminal:
        return STORING_LIST
    if job.status == Status.COMPLETED and (job.failed or is_short(job)):
        return WITH_GAPS
    return STATUS_WORDS[job.status]


def is_short(job: Job) -> bool:
    """Whether a crawl kept fewer images than it was asked for."""
    return job.is_crawl and not job.dry_run and job.kept < job.wanted


def tab_counts(seen: Q) -> list[tuple[str, str, int]]:
    """(key, title, number of jobs, as datasets.counting has it) of each tab of the jobs list, by one query."""
    asked = {key: CountUpTo(Job.objects.filter(seen, condition)) for key, (_, condition) in TABS.items()}
    # Of any one job, to be asked at all: none is needed where there is no job.
    counts = Job.objects.order_by("pk").values(**asked).first() or dict.fromkeys(TABS, 0)
    return [(key, title, counts[key]) for key, (title, _) in TABS.items()]


def jobs_page(seen: Q, *, tab: str, search: str, after: int | None) -> tuple[list[Job], int | None]:
    """One page of jobs, newest first, and the `after` of the next page (None: this is the last)."""
    jobs: QuerySet[Job] = Job.objects.select_related("dataset", "created_by").filter(seen, TABS[tab][1])
    if search:
        # Each by itself, so that names and labels are read once and not for every job.
        named = Dataset.objects.order_by().filter(name__icontains=search).values("pk")
        labelled = LabelTarget.objects.order_by().filter(label__icontains=search).values("job")
        jobs = jobs.filter(Q(dataset__in=named) | Q(pk__in=labelled))
    if after is not None:
        jobs = jobs.filter(pk__lt=after)
    page = list(jobs.order_by("-pk")[: PAGE_SIZE + 1])
    return page[:PAGE_SIZE], page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewJobs:
    """The newest jobs under way with their stopped chunks, those that failed or ended with failures worth a look, and
    those that ended last."""

    running: Sequence[tuple[Job, int]]
    troubled: Sequence[Job]
    finished: Sequence[Job]


def overview_jobs(seen: Q, limit: int = 5) -> OverviewJobs:
    """At most so many of each by one query, of the datasets that `seen` lets through (datasets.access.seen_by)."""
    jobs = Job.objects.order_by("-pk").filter(seen)
    wanted = (
        jobs.filter(status__in=OPEN),
        jobs.filter(TABS["attention"][1]),
        jobs.filter(status__in=TERMINAL).order_by("-finished_at"),
    )
    stopped = Chunk.objects.order_by().filter(job=OuterRef("pk"), status=Status.FAILED).values("job")
    annotated = Job.objects.order_by().annotate(stopped=Subquery(stopped.annotate(n=Count("pk")).values("n")))
    # Each looked up by its ids: of an alternative, all jobs would be read.
    first, *others = (annotated.select_related("dataset").filter(pk__in=some.values("pk")[:limit]) for some in wanted)
    # A job that ended in trouble comes twice.
    by_id = {job.pk: job for job in first.union(*others, all=True)}
    found = [by_id[pk] for pk in sorted(by_id, reverse=True)]
    ended = [job for job in found if job.finished_at is not None]
    return OverviewJobs(
        running=[(job, job.stopped or 0) for job in found if not job.is_terminal][:limit],
        troubled=[job for job in ended if _needs_attention(job)][:limit],
        finished=sorted(ended, key=lambda job: job.finished_at or job.created_at, reverse=True)[:limit],
    )


def _needs_attention(job: Job) -> bool:
    """What the tab of that name shows."""
    return job.status == Status.FAILED or (job.status == Status.COMPLETED and job.failed > 0)


def work_on(dataset_id: int) -> WorkOnDataset:
    """What a dataset's pages tell of jobs that look at its images or bring some back."""
    under_way = Job.objects.filter(dataset_id=dataset_id, dry_run=False, status__in=OPEN).order_by("pk")
    newest = {job.kind: job for job in under_way}
    validation = newest.get(Kind.VALIDATE)
    levels = ValidationLevel.values
    done = levels[: levels.index(ValidationSpec.from_json(validation.spec).level) + 1] if validation else []
    return WorkOnDataset(
        crawl=newest.get(Kind.CRAWL), validation=validation, repair=newest.get(Kind.REPAIR), levels=done
    )


#: New images that a gallery tells of exactly.
MOST_NEW = 1_000


def newer_images(dataset_id: int, than: int) -> int:
    """How many images came to the dataset after the one with that id, at most MOST_NEW."""
    return Image.objects.order_by().filter(dataset=dataset_id, pk__gt=than)[:MOST_NEW].count()
