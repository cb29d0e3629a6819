"""Downloads that are not under way."""

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from jobs.crawl.download import Download


@dataclass(slots=True)
class Waiting:
    """Downloads by the time when they may begin (monotonic seconds); of equals, the first to come is first."""

    _heap: list[tuple[float, int, Download]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, download: Download, *, due_at: float) -> None:
        heapq.heappush(self._heap, (due_at, next(self._order), download))

    def pop_due(self, now: float) -> Download | None:
        return heapq.heappop(self._heap)[2] if self._heap and self._heap[0][0] <= now else None

    def next_due_at(self) -> float:
        return self._heap[0][0] if self._heap else math.inf
