"""What needs the reader of a job's page: chunks that stopped or wait, downloads that failed, labels that are short."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from django.db.models import Count, F, Q, QuerySet, Value

from datasets.outcomes import RETRYABLE, Outcome
from datasets.prepared import Prepared
from jobs.models import Chunk, Finding, Job, LabelTarget, Status, chunk_title
from jobs.queries import is_short
from jobs.words import GAP, meaning

#: The worst ones; the others are counted.
SHOWN_PROBLEMS = 12

_STOPPED = Q(status=Status.FAILED)
_WAITS_AFTER_ERROR = Q(status=Status.PENDING) & ~Q(error="")


class Problem(NamedTuple):
    """What needs the reader: what happened, what it means and what to do, and whether a retry may help."""

    what: str
    why: str
    is_error: bool
    chunk_id: int | None = None
    reason: str = ""
    is_retryable: bool = False
    is_gap: bool = False


class Halted(NamedTuple):
    """A chunk that stopped, or that waits after an error."""

    chunk_id: int
    is_stopped: bool
    title: str
    error: str


@dataclass(slots=True, kw_only=True)
class Counts:
    """Chunks by status, those that wait after an error, failed downloads by reason, (label, keyword) with a failure.

    `shown` are the first chunks that stopped, and the first that wait after an error.
    """

    chunks: dict[str, int] = field(default_factory=lambda: {status.value: 0 for status in Status})
    waiting: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    troubled: set[tuple[str, str]] = field(default_factory=set)
    shown: list[Halted] = field(default_factory=list)


def counts_of(job: Job, *, failures: Mapping[str, int] | None = None) -> Counts:
    """All that is counted of a job's chunks and failed downloads, and the chunks that are shown, by one query.

    Where `failures` are known, no download is counted.
    """
    counts = Counts(failures=dict(failures or {}))
    rows = _with_failures(job.pk) if failures is None else _OF_CHUNKS.rows(job.pk)
    for part, one, two, three, four, n in rows:
        match part:
            case "chunks":
                counts.chunks[one] = n
            case "waiting":
                counts.waiting = n
            case "failures":
                counts.failures[one] = n
            case "troubled":
                counts.troubled.add((one, two))
            case _:
                counts.shown.append(Halted(n, one == Status.FAILED, chunk_title(two, three), four))
    return counts


def _of_chunks(job_id: int) -> QuerySet[Chunk, Any]:
    """Rows of (part, one, two, three, four, number)."""
    chunks, nothing = Chunk.objects.order_by().filter(job_id=job_id), Value("")
    counted = (
        chunks.values(part=Value("chunks"), one=F("status"), two=nothing),
        chunks.filter(_WAITS_AFTER_ERROR).values(part=Value("waiting"), one=nothing, two=nothing),
        chunks.filter(_STOPPED).values(part=Value("troubled"), one=F("label"), two=F("keyword")),
    )
    first, *others = (_numbered(part) for part in counted)
    return first.union(*others, *_shown(chunks), all=True)


_OF_CHUNKS: Final = Prepared(_of_chunks, int)


def _with_failures(job_id: int) -> QuerySet[Chunk, Any]:
    failed = Finding.objects.order_by().filter(job_id=job_id, outcome=Outcome.FAILED.value)
    return _of_chunks(job_id).union(
        _numbered(failed.values(part=Value("failures"), one=F("reason"), two=Value(""))), all=True
    )


def _numbered(parts: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    numbered: QuerySet[Any, Any] = parts.annotate(n=Count("pk"), three=Value(""), four=Value(""))
    return numbered.values_list("part", "one", "two", "three", "four", "n")


def _shown(chunks: QuerySet[Chunk]) -> tuple[QuerySet[Chunk, Any], QuerySet[Chunk, Any]]:
    """The first of each, looked up by their ids: of an alternative, all chunks of the job would be read."""
    first, second = (
        Chunk.objects.order_by()
        .filter(pk__in=chunks.filter(which).order_by("id").values("pk")[:SHOWN_PROBLEMS])
        .annotate(part=Value("shown"))
        .values_list("part", "status", "keyword", "source", "error", "id")
        for which in (_STOPPED, _WAITS_AFTER_ERROR)
    )
    return first, second


def problems_of(job: Job, counts: Counts) -> tuple[list[Problem], int]:
    """The first problems, the worst ones in front, and how many there are."""
    failed_count = counts.chunks[Status.FAILED.value]
    problems = _failed_downloads(counts.failures)
    count = failed_count + counts.waiting + len(problems)
    halted = sorted(counts.shown, key=lambda chunk: (not chunk.is_stopped, chunk.chunk_id))
    problems = [*(_problem_of(chunk) for chunk in halted), *problems]
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


def _problem_of(chunk: Halted) -> Problem:
    if chunk.is_stopped:
        what = f"{chunk.title} stopped"
        return Problem(what=what, why=chunk.error, is_error=True, chunk_id=chunk.chunk_id, is_retryable=True)
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
