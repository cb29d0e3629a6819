"""How politely a host is asked: so many connections at once, so far apart."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

#: Asking again sooner than this is of no use where a connection has to end first.
_SHORTEST_WAIT_S = 0.05

#: So many hosts are remembered before those that nobody talks to are forgotten.
_REMEMBERED_HOSTS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to begin one download from a host. `token` is the gate's own mark, for gates that lend permits."""

    host: str
    token: str = ""


class HostGate(Protocol):
    """Lets the downloads of a host begin. Every permit is given back by one `release`."""

    def try_acquire(self, host: str) -> Permit | float:
        """A permit to begin now, or the seconds after which it is worth asking again. Never waits itself."""
        ...

    def release(self, permit: Permit) -> None: ...


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

    def try_acquire(self, host: str) -> Permit | float:
        if host in self.free_hosts:
            return Permit(host=host)
        now = self.clock()
        state = self._state(host, now)
        if now < state.next_start:
            return state.next_start - now
        if state.under_way >= self.connections:
            return _SHORTEST_WAIT_S
        state.under_way += 1
        state.next_start = now + self.spacing_s
        return Permit(host=host)

    def release(self, permit: Permit) -> None:
        if permit.host not in self.free_hosts:
            self._hosts[permit.host].under_way -= 1

    def _state(self, host: str, now: float) -> _Host:
        if len(self._hosts) >= _REMEMBERED_HOSTS:
            busy = {name: state for name, state in self._hosts.items() if state.under_way or state.next_start > now}
            self._hosts = busy
        return self._hosts.setdefault(host, _Host())
