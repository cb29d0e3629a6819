"""One run of one contestant over one list, and what it cost."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


class RunFailed(Exception):
    """A contestant did not do what it was to do; the message says what, and where its own words are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`loop_s` lies between the first and the last image kept, `whole_s` between start and end of the processes.

    `cpu_s` is user and system time by part of the contestant; `start_cpu_s` is how much of it was spent before the
    first image. `peak_mib` is the highest sum of PSS over all its processes, `peak_parts_mib` what each part had then.
    """

    contestant: str
    latency_ms: int
    round: int
    images: int
    loop_s: float
    whole_s: float
    cpu_s: dict[str, float]
    start_cpu_s: float
    peak_mib: float
    peak_parts_mib: dict[str, float] = field(default_factory=dict)

    @property
    def loop_per_s(self) -> float:
        return (self.images - 1) / self.loop_s

    @property
    def whole_per_s(self) -> float:
        return self.images / self.whole_s

    @property
    def cpu_ms(self) -> float:
        """Processor time per image, with start."""
        return 1000 * sum(self.cpu_s.values()) / self.images

    @property
    def loop_cpu_ms(self) -> float:
        """Processor time per image, without start."""
        return 1000 * (sum(self.cpu_s.values()) - self.start_cpu_s) / self.images


def written_at(pictures: Iterable[Path]) -> list[float]:
    """When the files were written, first to last, in seconds of time.time()."""
    return sorted(picture.stat().st_mtime_ns / 1e9 for picture in pictures)
