"""What needs the reader of a job's page: chunks that stopped or wait, downloads that failed, labels that are short."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from django.db.models import Count, F, Q, QuerySet, Value

from datasets.outcomes import RETRYABLE, Outcome
from jobs.models import Chunk, Job, LabelTarget, Status
from jobs.queries import is_short
from jobs.words import GAP, meaning

#: The worst ones; the others are counted.
SHOWN_PROBLEMS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What needs the reader: what happened, what it means and what to do, and whether a retry may help."""

    what: str
    why: str
    is_error: bool
    chunk_id: int | None = None
    reason: str = ""
    is_retryable: bool = False
    is_gap: bool = False


@dataclass(slots=True, kw_only=True)
class Counts:
    """Chunks by status, those that wait after an error, failed downloads by reason, (label, keyword) with a failure."""

    chunks: dict[str, int] = field(default_factory=lambda: {status.value: 0 for status in Status})
    waiting: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    troubled: set[tuple[str, str]] = field(default_factory=set)


def counts_of(job: Job) -> Counts:
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
    counts = Counts()
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


def problems_of(job: Job, counts: Counts) -> tuple[list[Problem], int]:
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
    # Where a chunk stopped, that is why, and what to mend first.
    if job.status == Status.COMPLETED and not failed_count and is_short(job):
        short = job.targets.order_by("pk").filter(kept__lt=F("wanted"))
        problems += [_gap(target) for target in short[:SHOWN_PROBLEMS]]
        count += short.count()
    return problems, count


def _gap(target: LabelTarget) -> Problem:
    return Problem(
        what=f"{target.label} is {target.wanted - target.kept:,} short",
        why=GAP.format(kept=target.kept, wanted=target.wanted),
        is_error=False,
        is_gap=True,
    )


def _problem_of(chunk: Chunk) -> Problem:
    if chunk.status == Status.FAILED:
        what = f"{chunk.title} stopped"
        return Problem(what=what, why=chunk.error, is_error=True, chunk_id=chunk.pk, is_retryable=True)
    return Problem(what=f"{chunk.title} waits", why=chunk.error, is_error=False)


def _failed_downloads(failures: Mapping[str, int]) -> list[Problem]:
    return [
        Problem(
            what=f"{number:,} download{'s' if number > 1 else ''} failed: {reason}",
            why=meaning(reason),
            is_error=False,
            reason=reason,
            is_retryable=reason in RETRYABLE,
        )
        for reason, number in sorted(failures.items(), key=lambda failure: -failure[1])
    ]
