"""The matrix of a crawl: keywords against sources, each cell what the chunks of one lane came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum

from datasets.prepared import Prepared
from jobs.models import Chunk, Job, Status
from jobs.spec import CrawlSpec, Lane


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
class MatrixRow:
    """One keyword; `wanted` is its label's target where no other keyword shares it."""

    keyword: str
    label: str
    cells: tuple[Cell | None, ...]
    kept: int
    wanted: int | None


def rows(
    job: Job, spec: CrawlSpec, shown: Sequence[tuple[str, str]], keywords_of: Mapping[str, int]
) -> list[MatrixRow]:
    """Rows of the matrix for these labels and keywords; `keywords_of` counts the keywords of each label."""
    cells = _cells(job, shown)
    planned = dict.fromkeys(spec.lanes)
    sources = list(dict.fromkeys(lane.source for lane in planned))
    found = []
    for label, keyword in shown:
        lanes = [lane if (lane := Lane(label, keyword, source)) in planned else None for source in sources]
        in_row = tuple(cells.get(lane, _waiting(lane)) if lane else None for lane in lanes)
        kept = sum(cell.kept for cell in in_row if cell)
        wanted = spec.per_label if keywords_of[label] == 1 else None
        found.append(MatrixRow(keyword=keyword, label=label, cells=in_row, kept=kept, wanted=wanted))
    return found


def _cells(job: Job, shown: Sequence[tuple[str, str]]) -> dict[Lane, Cell]:
    """What the chunks of each shown lane came to, summed up by the database."""
    if not shown:
        return {}
    labels, keywords = zip(*shown, strict=True)
    found = {}
    for label, keyword, source, kept, failed, listed, exhausted, strands, *chunks in _sums(len(shown)).rows(
        job.pk, *labels, *keywords
    ):
        lane = Lane(label, keyword, source)
        found[lane] = Cell(
            lane=lane,
            status=next(status.value for status, number in zip(_BY_WEIGHT, chunks, strict=True) if number),
            kept=kept,
            failed=failed,
            exhausted=exhausted >= strands,
            listed=listed,
        )
    return found


#: Of several chunks in a cell, the state of the first of these is shown.
_BY_WEIGHT = (Status.PROCESSING, Status.FAILED, Status.PENDING, Status.CANCELLED, Status.COMPLETED)


@cache
def _sums(rows: int) -> Prepared:
    """For a job, and the labels and the keywords of so many rows: what `_cells` reads of each lane."""

    def query(job_id: int, *names: str) -> QuerySet[Chunk, Any]:
        chunks = Chunk.objects.order_by().filter(job_id=job_id, label__in=names[:rows], keyword__in=names[rows:])
        sums = {
            "kept_sum": Sum("kept"),
            "failed_sum": Sum("failed"),
            "listed_most": Max("listed"),
            "exhausted_count": Count("pk", filter=Q(exhausted=True)),
            "strand_count": Count("strand", distinct=True),
            **{status.value: Count("pk", filter=Q(status=status)) for status in _BY_WEIGHT},
        }
        lane = ("label", "keyword", "source")
        summed: QuerySet[Chunk, Any] = chunks.values(*lane).annotate(**sums).values_list(*lane, *sums)
        return summed

    return Prepared(query, int, *[str] * (2 * rows))


def _waiting(lane: Lane) -> Cell:
    return Cell(lane=lane, status=Status.PENDING.value, kept=0, failed=0, exhausted=False, listed=None)
