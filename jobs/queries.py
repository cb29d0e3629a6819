"""What pages ask of jobs. Nothing here writes."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Sum, Value
from django.utils import timezone

from datasets.models import Image, ValidationLevel
from datasets.outcomes import RETRYABLE, Outcome
from jobs import lifecycle
from jobs.models import TERMINAL, Activity, Chunk, Job, Kind, LabelTarget, Status
from jobs.progress import Progress
from jobs.spec import CrawlSpec, ExportSpec, Lane, ValidationSpec
from jobs.words import (
    CANCELLING,
    FAILURES,
    KIND_WORDS,
    OTHER_FAILURE,
    PAUSED,
    STATUS_WORDS,
    STORING_LIST,
    WITH_GAPS,
    KindWords,
    StatusWord,
)

#: Matrix rows, problems, thumbnails and log lines on a job's page.
SHOWN_KEYWORDS = 30
SHOWN_PROBLEMS = 12
SHOWN_IMAGES = 8
SHOWN_ACTIVITIES = 8
PAGE_SIZE = 30

#: A pace is told once so many images were kept in so many seconds: before, it would jump.
_PACE_FROM_KEPT = 5
_PACE_FROM_S = 5.0

#: The tabs of the jobs list, and what each shows.
TABS: dict[str, tuple[str, Q]] = {
    "all": ("All", Q()),
    "attention": ("Needs attention", Q(status=Status.FAILED) | Q(status=Status.COMPLETED, failed__gt=0)),
    "running": ("Running", Q(status=Status.PROCESSING)),
    "waiting": ("Waiting", Q(status=Status.PENDING)),
    "finished": ("Finished", Q(status=Status.COMPLETED)),
    "cancelled": ("Cancelled", Q(status=Status.CANCELLED)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One lane in the matrix: what its chunks came to."""

    lane: Lane
    status: str
    kept: int
    failed: int
    exhausted: bool
    listed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOnDataset:
    """The newest validation and repair of a dataset that have not ended; `levels` are those the validation does."""

    validation: Job | None
    repair: Job | None
    levels: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One keyword; `wanted` is its label's target where no other keyword shares it."""

    keyword: str
    label: str
    cells: Sequence[Cell | None]
    kept: int
    wanted: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What needs the reader: what happened, what it means and what to do, and whether a retry may help."""

    what: str
    why: str
    is_error: bool
    chunk_id: int | None = None
    reason: str = ""
    is_retryable: bool = False


@dataclass(slots=True, kw_only=True)
class JobView:
    """Everything that a job's live part shows."""

    job: Job
    progress: Progress
    word: StatusWord
    label_count: int = 0
    sources: list[str] = field(default_factory=list)
    rows: list[MatrixRow] = field(default_factory=list)
    hidden_rows: int = 0
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    chunk_counts: dict[str, int] = field(default_factory=dict)
    images: list[Image] = field(default_factory=list)
    #: (reason, outcome, number) of what a validation or a repair found.
    reasons: list[tuple[str, str, int]] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    seen_at: datetime = field(default_factory=timezone.now)

    @property
    def done(self) -> int:
        """How much of what is wanted is done."""
        return done(self.job, self.progress)

    @property
    def words(self) -> KindWords:
        """How the page calls what the job does."""
        return KIND_WORDS[self.job.kind]

    @property
    def percent(self) -> int:
        wanted = self.job.wanted
        return 100 if self.job.is_terminal and not wanted else min(100, 100 * self.done // max(1, wanted))

    @property
    def is_short(self) -> bool:
        """Whether an ended job has something to be looked at, though it did not fail."""
        if self.job.is_crawl:
            return self.job.kept < self.job.wanted and not self.job.dry_run
        return bool(self.job.rejected or self.job.failed or self.job.status == Status.CANCELLED)

    @property
    def tenth(self) -> int:
        """The percent in steps of ten: what is announced to those who listen, at most once a step."""
        return self.percent // 10 * 10

    @property
    def bar(self) -> list[tuple[str, float, float]]:
        """(css class, start, width) of the stacked bar in percent of what was found."""
        parts, start = [], 0.0
        total = max(1, self.progress.found)
        shown = (("k", self.progress.kept), ("d", self.progress.duplicate), ("r", self.progress.rejected))
        for css, number in (*shown, ("f", self.progress.failed)):
            width = 100 * number / total
            if number:
                parts.append((css, round(start, 2), round(max(width - 0.25, 0.3), 2)))
            start += width
        return parts

    @property
    def images_per_s(self) -> float | None:
        """Images done per second since the start; None where that would mislead: too early, halted, a second run."""
        job = self.job
        is_going = job.status == Status.PROCESSING and not job.cancel_requested_at and not job.paused_at
        if not is_going or job.run > 1 or job.started_at is None:
            return None
        seconds = (self.seen_at - job.started_at).total_seconds()
        is_early = self.done < _PACE_FROM_KEPT or seconds < _PACE_FROM_S
        return None if is_early else self.done / seconds

    @property
    def done_at(self) -> datetime | None:
        """When the target is met at this pace."""
        pace, missing = self.images_per_s, self.job.wanted - self.done
        return self.seen_at + timedelta(seconds=missing / pace) if pace and missing > 0 else None

    @property
    def retry_word(self) -> str:
        """What the button of a retry says; "" where a retry would find nothing to do."""
        if not lifecycle.can_retry(self.job):
            return ""
        if not any(self.chunk_counts.values()):
            return "Try again"
        if self.job.is_crawl and self.done >= self.job.wanted and not self.job.dry_run:
            return ""
        if self.job.status == Status.CANCELLED:
            return "Go on"
        return "Retry failed" if any(problem.is_retryable for problem in self.problems) else ""


def can_top_up(job: Job) -> bool:
    """Whether an ended job may be asked for more images."""
    return job.is_crawl and lifecycle.can_retry(job) and not job.dry_run and job.chunks.exists()


def job_view(job: Job, progress: Progress) -> JobView:
    """The live part of a job's page. What it reads does not grow with the job, but for counts along an index."""
    counts = _counts(job)
    problems, problem_count = _problems(job, counts)
    view = JobView(
        job=job,
        progress=progress,
        word=status_word(job),
        problems=problems,
        problem_count=problem_count,
        chunk_counts=counts.chunks,
        activities=list(job.activities.order_by("-id")[:SHOWN_ACTIVITIES]),
    )
    if job.is_crawl:
        _add_matrix(view, counts.troubled)
    else:
        told = job.findings.order_by().exclude(reason="").values_list("reason", "outcome")
        view.reasons = list(told.annotate(n=Count("pk")).order_by("-n", "reason"))
    return view


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


def _add_matrix(view: JobView, troubled: Collection[tuple[str, str]]) -> None:
    """Keywords, sources and the newest pictures of a crawl."""
    job = view.job
    spec = CrawlSpec.from_json(job.spec)
    searched = list(dict.fromkeys((lane.label, lane.keyword) for lane in spec.lanes))
    view.label_count = len({label for label, _ in searched})
    view.sources = list(dict.fromkeys(lane.source for lane in spec.lanes))
    view.rows = _rows(job, spec, searched, troubled)
    view.hidden_rows = max(0, len(searched) - SHOWN_KEYWORDS)
    view.images = list(Image.objects.filter(job_id=job.pk).select_related("dataset").order_by("-id")[:SHOWN_IMAGES])


def status_word(job: Job) -> StatusWord:
    """How the job's state is called on pages."""
    if job.cancel_requested_at is not None and not job.is_terminal:
        return CANCELLING
    if job.paused_at is not None and not job.is_terminal:
        return PAUSED
    if not job.has_whole_list and not job.is_terminal:
        return STORING_LIST
    if job.status == Status.COMPLETED and job.failed:
        return WITH_GAPS
    return STATUS_WORDS[job.status]


def tab_counts(seen: Q) -> list[tuple[str, str, int]]:
    """(key, title, number of jobs) of each tab of the jobs list, by one query."""
    counts = Job.objects.filter(seen).aggregate(
        **{key: Count("pk", filter=condition) for key, (_, condition) in TABS.items() if key != "all"}, all=Count("pk")
    )
    return [(key, title, counts[key]) for key, (title, _) in TABS.items()]


def jobs_page(seen: Q, *, tab: str, search: str, after: int | None) -> tuple[list[Job], int | None]:
    """One page of jobs, newest first, and the `after` of the next page (None: this is the last)."""
    jobs: QuerySet[Job] = Job.objects.select_related("dataset", "created_by").filter(seen, TABS[tab][1])
    if search:
        labelled = LabelTarget.objects.filter(job=OuterRef("pk"), label__icontains=search)
        jobs = jobs.filter(Q(dataset__name__icontains=search) | Q(Exists(labelled)))
    if after is not None:
        jobs = jobs.filter(pk__lt=after)
    page = list(jobs.order_by("-pk")[: PAGE_SIZE + 1])
    return page[:PAGE_SIZE], page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewJobs:
    """The newest jobs under way, those that failed or ended with failures worth a look, and those that ended last."""

    running: Sequence[Job]
    troubled: Sequence[Job]
    finished: Sequence[Job]


def overview_jobs(seen: Q, limit: int = 5) -> OverviewJobs:
    """At most so many of each by one query, of the datasets that `seen` lets through (datasets.access.seen_by)."""
    jobs = Job.objects.order_by("-pk").filter(seen)
    wanted = (
        jobs.exclude(status__in=TERMINAL),
        jobs.filter(TABS["attention"][1]),
        jobs.filter(status__in=TERMINAL).order_by("-finished_at"),
    )
    conditions = (Q(pk__in=some.values("pk")[:limit]) for some in wanted)
    found = list(jobs.select_related("dataset").filter(reduce(or_, conditions)))
    ended = [job for job in found if job.finished_at is not None]
    return OverviewJobs(
        running=[job for job in found if not job.is_terminal][:limit],
        troubled=[job for job in ended if _needs_attention(job)][:limit],
        finished=sorted(ended, key=lambda job: job.finished_at or job.created_at, reverse=True)[:limit],
    )


def _needs_attention(job: Job) -> bool:
    """What the tab of that name shows."""
    return job.status == Status.FAILED or (job.status == Status.COMPLETED and job.failed > 0)


def work_on(dataset_id: int) -> WorkOnDataset:
    """What a dataset's pages tell of jobs that look at its images or bring some back."""
    under_way = Job.objects.filter(dataset_id=dataset_id).exclude(status__in=TERMINAL).order_by("-pk")
    validation = under_way.filter(kind=Kind.VALIDATE).first()
    levels = ValidationLevel.values
    done = levels[: levels.index(ValidationSpec.from_json(validation.spec).level) + 1] if validation else []
    return WorkOnDataset(validation=validation, repair=under_way.filter(kind=Kind.REPAIR).first(), levels=done)


def _rows(
    job: Job, spec: CrawlSpec, searched: Sequence[tuple[str, str]], troubled: Collection[tuple[str, str]]
) -> list[MatrixRow]:
    """The matrix's first rows: keywords with a failed chunk before the others, each in the order asked for."""
    shown = sorted(searched, key=lambda row: row not in troubled)[:SHOWN_KEYWORDS]
    cells = _cells(job, shown)
    planned = set(spec.lanes)
    sources = list(dict.fromkeys(lane.source for lane in spec.lanes))
    keywords_of = Counter(label for label, _ in searched)
    rows = []
    for label, keyword in shown:
        lanes = [lane if (lane := Lane(label, keyword, source)) in planned else None for source in sources]
        in_row = [cells.get(lane, _waiting(lane)) if lane else None for lane in lanes]
        kept = sum(cell.kept for cell in in_row if cell)
        wanted = spec.per_label if keywords_of[label] == 1 else None
        rows.append(MatrixRow(keyword=keyword, label=label, cells=in_row, kept=kept, wanted=wanted))
    return rows


def _cells(job: Job, shown: Sequence[tuple[str, str]]) -> dict[Lane, Cell]:
    """What the chunks of each shown lane came to, summed up by the database."""
    chunks = job.chunks.order_by().filter(
        label__in={label for label, _ in shown}, keyword__in={keyword for _, keyword in shown}
    )
    lanes = chunks.values("label", "keyword", "source").annotate(
        kept_sum=Sum("kept"),
        failed_sum=Sum("failed"),
        listed_most=Max("listed"),
        exhausted_count=Count("pk", filter=Q(exhausted=True)),
        **{status.value: Count("pk", filter=Q(status=status)) for status in _BY_WEIGHT},
    )
    return {
        (lane := Lane(row["label"], row["keyword"], row["source"])): Cell(
            lane=lane,
            status=next(status.value for status in _BY_WEIGHT if row[status.value]),
            kept=row["kept_sum"],
            failed=row["failed_sum"],
            exhausted=row["exhausted_count"] > 0,
            listed=row["listed_most"],
        )
        for row in lanes
    }


#: Of several chunks in a cell, the state of the first of these is shown.
_BY_WEIGHT = (Status.PROCESSING, Status.FAILED, Status.PENDING, Status.CANCELLED, Status.COMPLETED)


def _waiting(lane: Lane) -> Cell:
    return Cell(lane=lane, status=Status.PENDING.value, kept=0, failed=0, exhausted=False, listed=None)


@dataclass(slots=True, kw_only=True)
class _Counts:
    """Chunks by status, those that wait after an error, failed downloads by reason, (label, keyword) with a failure."""

    chunks: dict[str, int] = field(default_factory=lambda: {status.value: 0 for status in Status})
    waiting: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    troubled: set[tuple[str, str]] = field(default_factory=set)


def _counts(job: Job) -> _Counts:
    """All that is counted of a job's chunks and failed downloads, by one query."""
    chunks, nothing = job.chunks.order_by(), Value("")
    failed = job.findings.order_by().filter(outcome=Outcome.FAILED.value)
    parts = (
        chunks.values(part=Value("chunks"), one=F("status"), two=nothing),
        _waiting_after_error(job).order_by().values(part=Value("waiting"), one=nothing, two=nothing),
        failed.values(part=Value("failures"), one=F("reason"), two=nothing),
        chunks.filter(status=Status.FAILED).values(part=Value("troubled"), one=F("label"), two=F("keyword")),
    )
    first, *others = (part.annotate(n=Count("pk")).values_list("part", "one", "two", "n") for part in parts)
    counts = _Counts()
    for part, one, two, n in first.union(*others, all=True):
        match part:
            case "chunks":
                counts.chunks[one] = n
            case "waiting":
                counts.waiting = n
            case "failures":
                counts.failures[one] = n
            case _:
                counts.troubled.add((one, two))
    return counts


def _waiting_after_error(job: Job) -> QuerySet[Chunk]:
    return job.chunks.order_by("id").filter(status=Status.PENDING).exclude(error="")


def _problems(job: Job, counts: _Counts) -> tuple[list[Problem], int]:
    """The first problems, the worst ones in front, and how many there are."""
    failed_count = counts.chunks[Status.FAILED.value]
    problems = _failed_downloads(counts.failures)
    count = failed_count + counts.waiting + len(problems)
    if failed_count or counts.waiting:
        failed = job.chunks.order_by("id").filter(status=Status.FAILED)
        first = (some.values("pk")[:SHOWN_PROBLEMS] for some in (failed, _waiting_after_error(job)))
        shown = job.chunks.order_by("id").filter(reduce(or_, (Q(pk__in=some) for some in first)))
        chunks = list(shown.only("job", "status", "keyword", "source", "window", "error"))
        stopped = [_problem_of(chunk) for chunk in chunks if chunk.status == Status.FAILED]
        waits = [_problem_of(chunk) for chunk in chunks if chunk.status != Status.FAILED]
        problems = [*stopped, *waits, *problems]
    return problems, count


def _problem_of(chunk: Chunk) -> Problem:
    if chunk.status == Status.FAILED:
        what = f"{chunk.title} stopped"
        return Problem(what=what, why=chunk.error, is_error=True, chunk_id=chunk.pk, is_retryable=True)
    return Problem(what=f"{chunk.title} waits", why=chunk.error, is_error=False)


def _failed_downloads(failures: Mapping[str, int]) -> list[Problem]:
    return [
        Problem(
            what=f"{number:,} download{'s' if number > 1 else ''} failed: {reason}",
            why=FAILURES.get(reason, OTHER_FAILURE),
            is_error=False,
            reason=reason,
            is_retryable=reason in RETRYABLE,
        )
        for reason, number in sorted(failures.items(), key=lambda failure: -failure[1])
    ]
