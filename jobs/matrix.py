"""The matrix of a crawl: keywords against sources, each cell what the chunks of one lane came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Max, Q, Sum

from jobs.models import Job, Status
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
    planned = set(spec.lanes)
    sources = list(dict.fromkeys(lane.source for lane in spec.lanes))
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
    chunks = job.chunks.order_by().filter(
        label__in={label for label, _ in shown}, keyword__in={keyword for _, keyword in shown}
    )
    lanes = chunks.values("label", "keyword", "source").annotate(
        kept_sum=Sum("kept"),
        failed_sum=Sum("failed"),
        listed_most=Max("listed"),
        exhausted_count=Count("pk", filter=Q(exhausted=True)),
        strand_count=Count("strand", distinct=True),
        **{status.value: Count("pk", filter=Q(status=status)) for status in _BY_WEIGHT},
    )
    return {
        (lane := Lane(row["label"], row["keyword"], row["source"])): Cell(
            lane=lane,
            status=next(status.value for status in _BY_WEIGHT if row[status.value]),
            kept=row["kept_sum"],
            failed=row["failed_sum"],
            exhausted=row["exhausted_count"] >= row["strand_count"],
            listed=row["listed_most"],
        )
        for row in lanes
    }


#: Of several chunks in a cell, the state of the first of these is shown.
_BY_WEIGHT = (Status.PROCESSING, Status.FAILED, Status.PENDING, Status.CANCELLED, Status.COMPLETED)


def _waiting(lane: Lane) -> Cell:
    return Cell(lane=lane, status=Status.PENDING.value, kept=0, failed=0, exhausted=False, listed=None)
