"""Samples the memory of a process and of all that it started, from a thread of its own."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

_MIB = 2**20
_INTERVAL_S = 0.5


@dataclass(slots=True)
class ProcessMemory:
    """One process in MiB of resident memory: at first, at the mark, highest, and last."""

    pid: int
    name: str
    first_mib: float = 0.0
    at_mark_mib: float | None = None
    peak_mib: float = 0.0
    last_mib: float = 0.0

    def see(self, mib: float, *, is_marked: bool) -> None:
        self.first_mib = self.first_mib or mib
        self.peak_mib = max(self.peak_mib, mib)
        self.last_mib = mib
        if is_marked and self.at_mark_mib is None:
            self.at_mark_mib = mib


@dataclass(slots=True)
class MemorySampler:
    """`processes` by pid, and the highest sum of their proportional memory (PSS: what is shared counts once), in MiB.

    `is_marked` says whether the work has come so far that a process's memory is noted as its ordinary one.
    """

    pid: int
    is_marked: Callable[[], bool] = lambda: False
    processes: dict[int, ProcessMemory] = field(default_factory=dict)
    peak_sum_mib: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    @property
    def peak_mib(self) -> float:
        """The largest process ever."""
        return max((process.peak_mib for process in self.processes.values()), default=0.0)

    @property
    def now_mib(self) -> float:
        """The largest process at its last sample."""
        return max((process.last_mib for process in self.processes.values()), default=0.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._sample()
            self._stop.wait(_INTERVAL_S)

    def _sample(self) -> None:
        try:
            parent = psutil.Process(self.pid)
            family = [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        is_marked = self.is_marked()
        total = 0.0
        for process in family:
            try:
                memory = process.memory_full_info()
                name = "parent" if process.pid == self.pid else "child"
            except psutil.Error:
                continue
            total += memory.pss / _MIB
            known = self.processes.setdefault(process.pid, ProcessMemory(process.pid, name))
            known.see(memory.rss / _MIB, is_marked=is_marked)
        self.peak_sum_mib = max(self.peak_sum_mib, total)
