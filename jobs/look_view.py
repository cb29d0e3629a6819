"""What a dry run's page shows of its lanes, row by row as the matrix of a crawl does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.look_models import Look
from jobs.models import Chunk, Job, Status
from jobs.spec import CrawlSpec, Lane

#: Licences and sizes that are named of each lane.
_SHOWN_KINDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLook:
    """One keyword × source; `look` is None until somebody has looked."""

    lane: Lane
    status: str = Status.PENDING.value
    error: str = ""
    look: Look | None = None

    @property
    def kinds(self) -> list[tuple[str, int]]:
        """The most frequent licences, and the sizes, each the most frequent first."""
        if self.look is None:
            return []
        return [*_by_count(self.look.licences)[:_SHOWN_KINDS], *_by_count(self.look.sizes)]

    @property
    def refused(self) -> list[tuple[str, int]]:
        return _by_count(self.look.refused) if self.look else []


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def rows(job: Job, spec: CrawlSpec, shown: Sequence[tuple[str, str]]) -> list[LaneLook]:
    """The lanes of these labels and keywords, in their order, by one query."""
    chunks = Chunk.objects.order_by().filter(
        job=job, label__in={label for label, _ in shown}, keyword__in={keyword for _, keyword in shown}
    )
    seen = chunks.select_related("look").defer("look__keys", "traceback")
    found = {Lane(chunk.label, chunk.keyword, chunk.source): chunk for chunk in seen}
    searched = set(shown)
    lanes = [lane for lane in spec.lanes if (lane.label, lane.keyword) in searched]
    return [_row(lane, found.get(lane)) for lane in lanes]


def _row(lane: Lane, chunk: Chunk | None) -> LaneLook:
    if chunk is None:
        return LaneLook(lane=lane)
    return LaneLook(lane=lane, status=chunk.status, error=chunk.error, look=getattr(chunk, "look", None))
