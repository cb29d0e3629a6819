"""How politely a host is asked: so many connections at once, so far apart, and not while it asks for patience."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Protocol

from publicsuffixlist import PublicSuffixList

from datasets.outcomes import Reason

#: Asking again sooner than this is of no use where a connection has to end first.
SHORTEST_WAIT_S = 0.1

#: So many hosts are remembered before those that nobody talks to are forgotten.
_REMEMBERED_HOSTS = 1_000


@dataclass(frozen=True, slots=True)
class HostLimit:
    """At most so many connections at once, and so many seconds between the beginnings of two."""

    connections: int
    spacing_s: float


#: Many sites share the machines of a content network, so an address may be asked this much more often than a site.
_SITES_PER_ADDRESS = 4

#: Hosts whose operators publish a limit of their own. An entry is a site of its own, apart from its domain.
PUBLISHED_LIMITS: Mapping[str, HostLimit] = {
    # "Always keep a total concurrency of at most 2" (Wikimedia's robot policy).
    "upload.wikimedia.org": HostLimit(2, 0.1),
}


@dataclass(frozen=True, slots=True)
class Site:
    """What shares one limit: the hosts of a registered domain, or a single host that is named in a table."""

    name: str
    limit: HostLimit

    @property
    def address_limit(self) -> HostLimit:
        return HostLimit(self.limit.connections * _SITES_PER_ADDRESS, self.limit.spacing_s / _SITES_PER_ADDRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """Which site a host belongs to, and how often it may be asked.

    `free_hosts` (host:port) are the operator's own and are not held back, unless `limits` names them. `limits` are the
    operator's, by host, by registered domain, or by host:port for the free hosts; `published` are the hosts' own.
    """

    default: HostLimit = HostLimit(2, 0.5)
    free_hosts: frozenset[str] = frozenset()
    limits: Mapping[str, HostLimit] = field(default_factory=dict)
    published: Mapping[str, HostLimit] = field(default_factory=lambda: PUBLISHED_LIMITS)

    def site_of(self, host: str) -> Site | None:
        """None: the host is not held back."""
        if host in self.limits:
            return Site(host, self.limits[host])
        if host in self.free_hosts:
            return None
        if host in self.published:
            return Site(host, self.published[host])
        domain = registered_domain(host)
        return Site(domain, self.limits.get(domain, self.default))


def registered_domain(host: str) -> str:
    """The name that somebody registered: photos.example.co.uk -> example.co.uk. An address stands for itself."""
    is_address = host.startswith("[") or host.rpartition(".")[2].isdigit()
    return host if is_address else (_public_suffixes().privatesuffix(host) or host)


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


class Health(StrEnum):
    """What a transfer that is over says of its host."""

    ANSWERED = "answered"
    STRUGGLED = "struggled"
    UNKNOWN = "unknown"


_STRUGGLED = frozenset({Reason.CONNECT_ERROR, Reason.TIMEOUT, Reason.HTTP_429, Reason.HTTP_5XX})


def health_of(reason: Reason | None, *, is_answered: bool) -> Health:
    """An answer that is no sign of overload is one of life, whatever it says; a broken line says nothing."""
    if reason in _STRUGGLED:
        return Health.STRUGGLED
    return Health.ANSWERED if is_answered else Health.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to begin one request to a host.

    `token` marks a permit that is counted over all workers, "" one that is not. `is_probe`: the host was given up for
    a while, and this request finds out whether it is back.
    """

    host: str
    token: str = ""
    is_probe: bool = False


class HostGate(Protocol):
    """Lets requests to a host begin. Every permit is given back by one `release`. Nothing here waits or raises."""

    def try_acquire(self, host: str) -> Permit | float:
        """A permit to begin now, or the seconds after which it is worth asking again."""
        ...

    def try_dial(self, permit: Permit, address: str) -> float:
        """0 if a connection to the address may open under the permit, else the seconds to wait for one."""
        ...

    def release(self, permit: Permit, *, health: Health = Health.UNKNOWN, pause_s: float = 0.0) -> None:
        """Ends the request. `pause_s` is the patience that the host asked for, from everybody."""
        ...


@dataclass(slots=True)
class _LocalSite:
    under_way: int = 0
    next_start: float = 0.0


@dataclass(slots=True, kw_only=True)
class LocalHostGate:
    """The gate of one process, which knows nothing of the others: `limit` is the same for every site."""

    rules: HostRules = field(default_factory=HostRules)
    limit: HostLimit = HostLimit(1, 2.0)
    clock: Callable[[], float] = time.monotonic
    _sites: dict[str, _LocalSite] = field(default_factory=dict)

    def try_acquire(self, host: str) -> Permit | float:
        site = self.rules.site_of(host)
        if site is None:
            return Permit(host=host)
        now = self.clock()
        state = self._state(site.name, now)
        if now < state.next_start:
            return state.next_start - now
        if state.under_way >= self.limit.connections:
            return SHORTEST_WAIT_S
        state.under_way += 1
        state.next_start = now + max(self.limit.spacing_s, site.limit.spacing_s)
        return Permit(host=host)

    def try_dial(self, permit: Permit, address: str) -> float:  # noqa: ARG002 - one process alone counts no addresses
        return 0.0

    def release(self, permit: Permit, *, health: Health = Health.UNKNOWN, pause_s: float = 0.0) -> None:  # noqa: ARG002
        site = self.rules.site_of(permit.host)
        if site is not None:
            state = self._sites[site.name]
            state.under_way -= 1
            state.next_start = max(state.next_start, self.clock() + pause_s)

    def _state(self, name: str, now: float) -> _LocalSite:
        if len(self._sites) >= _REMEMBERED_HOSTS:
            busy = {name: state for name, state in self._sites.items() if state.under_way or state.next_start > now}
            self._sites = busy
        return self._sites.setdefault(name, _LocalSite())
