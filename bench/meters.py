"""What processes use: processor time and memory of whole process trees, sampled while they run."""

import bisect
import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

_INTERVAL_S = 0.5
_MIB = 2**20


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of the trees so far, with that of processes in them that have ended and were waited for."""
    return _sum(pids, lambda process: sum(process.cpu_times()[:4]))


def pss_mib(pids: Iterable[int]) -> float:
    """Proportional memory of the trees: what processes share counts once."""
    return _sum(pids, lambda process: process.memory_full_info().pss / _MIB)


def _sum(pids: Iterable[int], of: Callable[[psutil.Process], float]) -> float:
    total = 0.0
    for pid in pids:
        for process in _tree(pid):
            # It may have ended since.
            with suppress(psutil.Error):
                total += of(process)
    return total


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def waited_cpu_s(process: "subprocess.Popen[bytes]") -> float:
    """Waits for the end; gives the processor time of the process and of all that it has waited for itself."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


@dataclass(slots=True)
class Meter:
    """Samples trees of processes, each under the part it plays, from a thread of its own until the block ends.

    `peak_mib` is the highest sum over all parts, `peak_parts_mib` what each of them had then.
    """

    parts: dict[str, int]
    peak_mib: float = 0.0
    peak_parts_mib: dict[str, float] = field(default_factory=dict)
    _series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._sample()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def cpu_s_until(self, part: str, moment: float) -> float:
        """Processor seconds of a part until a moment of time.time(), as a line between two samples has it."""
        return between(self._series[part], moment)

    def _run(self) -> None:
        while not self._stop.wait(_INTERVAL_S):
            self._sample()

    def _sample(self) -> None:
        memory_mib = {}
        for part, pid in self.parts.items():
            self._series.setdefault(part, []).append((time.time(), cpu_s([pid])))
            memory_mib[part] = pss_mib([pid])
        if sum(memory_mib.values()) > self.peak_mib:
            self.peak_mib, self.peak_parts_mib = sum(memory_mib.values()), memory_mib


def between(series: list[tuple[float, float]], moment: float) -> float:
    """The value at a moment of a series of (moment, value); before its start and after its end, the nearest one."""
    at = bisect.bisect_left(series, (moment,))
    if at in (0, len(series)):
        return series[min(at, len(series) - 1)][1]
    (earlier, low), (later, high) = series[at - 1], series[at]
    return low + (high - low) * (moment - earlier) / (later - earlier)


def machine() -> dict[str, str | int]:
    """What all figures depend on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    memory_gib = round(psutil.virtual_memory().total / 2**30)
    cores, python = os.cpu_count() or 1, platform.python_version()
    return {"processor": model, "cores": cores, "memory_gib": memory_gib, "python": python}
