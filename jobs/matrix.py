"""The matrix of a crawl: keywords against sources, each cell what the chunks of one lane came to."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from django.db.models import Case, Count, Min, Q, QuerySet, Sum, When

from datasets.prepared import Prepared
from jobs.models import Chunk, Job, Status
from jobs.spec import CrawlSpec, Lane


class Cell(NamedTuple):
    """One lane in the matrix: what its chunks came to."""

    lane: Lane
    status: str
    kept: int
    exhausted: bool


class MatrixRow(NamedTuple):
    """One keyword; `wanted` is its label's target where no other keyword shares it.

    A tuple of tuples, which are compared at once with those that were drawn before.
    """

    keyword: str
    label: str
    cells: tuple[Cell | None, ...]
    kept: int
    wanted: int | None


def rows(job: Job, spec: CrawlSpec, shown: Sequence[tuple[str, str]]) -> list[MatrixRow]:
    """Rows of the matrix for these labels and keywords of the crawl."""
    cells = _cells(job, shown, is_all=len(shown) == len(spec.lanes_by_row))
    keywords_of = Counter(label for label, _ in spec.lanes_by_row)
    found = []
    for label, keyword in shown:
        lanes = spec.lanes_by_row[label, keyword]
        in_row = tuple(lane and (cells.get(lane) or _waiting(lane)) for lane in lanes)
        kept = sum(cell.kept for cell in in_row if cell)
        wanted = spec.per_label if keywords_of[label] == 1 else None
        found.append(MatrixRow(keyword, label, in_row, kept, wanted))
    return found


def _cells(job: Job, shown: Sequence[tuple[str, str]], *, is_all: bool) -> dict[Lane, Cell]:
    """What the chunks of each shown lane came to, summed up by the database; `is_all`: there are no others."""
    if not shown:
        return {}
    # Of a crawl that fits on a page the database is not told all names again.
    labels, keywords = ((), ()) if is_all else zip(*shown, strict=True)
    found = {}
    for label, keyword, source, kept, place, exhausted, strands in _sums(len(labels)).rows(job.pk, *labels, *keywords):
        lane = Lane(label, keyword, source)
        found[lane] = Cell(lane, _BY_WEIGHT[place], kept, exhausted >= strands)
    return found


#: Of several chunks in a cell, the state of the first of these is shown.
_BY_WEIGHT = tuple(
    status.value for status in (Status.PROCESSING, Status.FAILED, Status.PENDING, Status.CANCELLED, Status.COMPLETED)
)


@cache
def _sums(rows: int) -> Prepared:
    """For a job, and the labels and the keywords of so many rows (0: of all): what `_cells` reads of each lane."""

    def query(job_id: int, *names: str) -> QuerySet[Chunk, Any]:
        chunks = Chunk.objects.order_by().filter(job_id=job_id)
        if rows:
            chunks = chunks.filter(label__in=names[:rows], keyword__in=names[rows:])
        sums = {
            "kept_sum": Sum("kept"),
            "place": Min(Case(*(When(status=status, then=place) for place, status in enumerate(_BY_WEIGHT)))),
            "exhausted_count": Count("pk", filter=Q(exhausted=True)),
            "strand_count": Count("strand", distinct=True),
        }
        lane = ("label", "keyword", "source")
        summed: QuerySet[Chunk, Any] = chunks.values(*lane).annotate(**sums).values_list(*lane, *sums)
        return summed

    return Prepared(query, int, *[str] * (2 * rows))


def _waiting(lane: Lane) -> Cell:
    return Cell(lane, Status.PENDING.value, kept=0, exhausted=False)
