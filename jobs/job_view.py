"""Everything that the live part of a job's page shows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from django.utils import timezone

from datasets.outcomes import Outcome, Reason, outcome_of
from jobs import left_out, lifecycle, look_view, matrix, newest, problems
from jobs.asked import Asked
from jobs.look_view import LaneLook
from jobs.matrix import MatrixRow
from jobs.models import TERMINAL, Job, Status
from jobs.newest import SHOWN_PICTURES, Line, Picture
from jobs.outlook import Outlook
from jobs.problems import Problem
from jobs.progress import OUTCOME_COUNTERS, Progress
from jobs.queries import done, jobs_ahead, status_word
from jobs.spec import CrawlSpec
from jobs.standing import Around, Standing, lasted, speed, standing
from jobs.words import KIND_WORDS, KindWords, StatusWord

#: Matrix rows on a job's page.
SHOWN_KEYWORDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of a job is asked for: a page of its keywords, and whether only what went wrong."""

    page: int = 1
    only_problems: bool = False


@dataclass(kw_only=True)
class JobView:
    """Everything that a job's live part shows."""

    job: Job
    progress: Progress
    word: StatusWord
    part: Part = field(default_factory=Part)
    standing: Standing = field(default_factory=lambda: Standing(words=""))
    asked: Asked | None = None
    sources: Sequence[str] = ()
    rows: list[MatrixRow] = field(default_factory=list)
    #: Of a dry run, instead of rows.
    looks: list[LaneLook] = field(default_factory=list)
    row_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    chunk_counts: dict[str, int] = field(default_factory=dict)
    images: tuple[Picture, ...] = ()
    #: (reason, outcome, number) of what a validation or a repair found.
    reasons: list[tuple[str, str, int]] = field(default_factory=list)
    activities: tuple[Line, ...] = ()
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
    def lanes(self) -> int:
        """How many keyword × source there are in a dry run, a chunk each."""
        return sum(self.chunk_counts.values())

    @property
    def looked_at(self) -> int:
        """How many of them are done with."""
        return sum(self.chunk_counts.get(status, 0) for status in TERMINAL)

    @property
    def outlook(self) -> Outlook | None:
        return Outlook.from_json(self.job.outlook) if self.job.outlook else None

    @cached_property
    def percent(self) -> int:
        if self.job.dry_run:
            return 100 * self.looked_at // max(1, self.lanes)
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

    @cached_property
    def shares(self) -> dict[str, int]:
        """Percent of what was found, by outcome; empty where nothing was."""
        found = self.progress.found
        outcomes = OUTCOME_COUNTERS[1:]
        return {name: round(100 * getattr(self.progress, name) / found) for name in outcomes} if found else {}

    @property
    def pages(self) -> int:
        """How many pages the keywords fill."""
        return max(1, -(-self.row_count // SHOWN_KEYWORDS))

    @property
    def first_row(self) -> int:
        return (self.part.page - 1) * SHOWN_KEYWORDS + 1

    @property
    def last_row(self) -> int:
        return min(self.row_count, self.first_row + SHOWN_KEYWORDS - 1)

    @property
    def pace(self) -> str:
        """The speed and when the target is met at it, in words; "" where neither is known."""
        now = speed(self.job, self.done, self.seen_at)
        if now is None:
            return ""
        told = f"{now.images_per_s:.1f} images/s"
        if now.done_at is None:
            return told
        return f"{told} · about {lasted(self.seen_at, now.done_at)} left, done near {now.done_at:%H:%M} UTC"

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


def job_view(job: Job, progress: Progress, *, part: Part, has_queue: bool, workers: int) -> JobView:
    """The live part of a job's page. What it reads does not grow with the job, but for counts along an index.

    Of findings and images it reads nothing where `progress` tells what is to be known of them.
    """
    counts = problems.counts_of(job, failures=_failures(progress))
    found, problem_count = problems.problems_of(job, counts)
    new = newest.of(
        job,
        pictures=SHOWN_PICTURES if job.is_crawl else 0,
        only_problems=part.only_problems,
        known=progress.pictures,
    )
    view = JobView(
        job=job,
        progress=progress,
        word=status_word(job),
        part=part,
        problems=found,
        problem_count=problem_count,
        chunk_counts=counts.chunks,
        images=new.pictures,
        activities=new.lines,
    )
    view.standing = standing(
        job,
        progress,
        running=counts.chunks[Status.PROCESSING.value],
        ended=sum(counts.chunks[status] for status in TERMINAL),
        pace=view.pace,
        around=Around(has_queue=has_queue, workers=workers, jobs_ahead=jobs_ahead(job)),
        seen_at=view.seen_at,
    )
    if job.is_crawl:
        _add_matrix(view, counts.troubled)
    else:
        view.reasons = _reasons(job, progress)
    return view


def _failures(progress: Progress) -> dict[str, int] | None:
    """By reason; None where they are to be counted."""
    if progress.left_out is None:
        return None
    return {
        reason: number for reason, number in progress.left_out.items() if outcome_of(Reason(reason)) is Outcome.FAILED
    }


def _reasons(job: Job, progress: Progress) -> list[tuple[str, str, int]]:
    """The most frequent first."""
    numbers = left_out.of_job(job.kind, job.pk) if progress.left_out is None else progress.left_out
    ordered = sorted(numbers.items(), key=lambda told: (-told[1], told[0]))
    return [(reason, outcome_of(Reason(reason)).value, number) for reason, number in ordered]


def _add_matrix(view: JobView, troubled: Collection[tuple[str, str]]) -> None:
    """Keywords and sources of a crawl, and what became of each."""
    job = view.job
    spec = CrawlSpec.from_json(job.spec)
    view.asked = Asked.of(job, spec)
    view.sources = spec.lane_sources
    chosen = [row for row in spec.lanes_by_row if row in troubled or not view.part.only_problems]
    chosen.sort(key=lambda row: row not in troubled)
    view.row_count = len(chosen)
    if view.first_row > max(1, view.row_count):
        view.part = replace(view.part, page=1)
    first = view.first_row - 1
    shown = chosen[first : first + SHOWN_KEYWORDS]
    if job.dry_run:
        view.looks = look_view.rows(job, spec, shown)
    else:
        view.rows = matrix.rows(job, spec, shown)
