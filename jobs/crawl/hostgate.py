"""How politely a host is asked: so many connections at once, so far apart."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class HostGate(Protocol):
    """Lets a download of a host begin. Every `try_acquire` that gave 0 is followed by one `release`."""

    def try_acquire(self, host: str) -> float:
        """0: begin now. Else the seconds after which it is worth asking again."""
        ...

    def release(self, host: str) -> None: ...


@dataclass(slots=True)
class _Host:
    under_way: int = 0
    next_start: float = 0.0


@dataclass(slots=True, kw_only=True)
class LocalHostGate:
    """The gate of one process. `free_hosts` (host:port) are the operator's own and are not held back."""

    connections: int = 2
    spacing_s: float = 0.5
    free_hosts: frozenset[str] = frozenset()
    clock: Callable[[], float] = time.monotonic
    _hosts: dict[str, _Host] = field(default_factory=dict)

    def try_acquire(self, host: str) -> float:
        if host in self.free_hosts:
            return 0.0
        state = self._hosts.setdefault(host, _Host())
        now = self.clock()
        if state.under_way >= self.connections:
            return max(0.05, state.next_start - now)
        if now < state.next_start:
            return state.next_start - now
        state.under_way += 1
        state.next_start = now + self.spacing_s
        return 0.0

    def release(self, host: str) -> None:
        if host not in self.free_hosts:
            self._hosts[host].under_way -= 1
