"""A fetcher with small limits, for tests: what takes seconds in a crawl takes a moment here."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from jobs.crawl.curl_request import FetchLimits
from jobs.crawl.fetch import Fetcher, Idle
from jobs.crawl.hostgate import HostGate, HostLimit, HostRules, LocalHostGate
from jobs.crawl.netguard import AddressPolicy
from jobs.crawl.types import Candidate, Fetched, FetchFailure
from jobs.tests.crawl.faultweb import FaultWeb

LIMITS = FetchLimits(
    connect_timeout_s=1.0,
    idle_timeout_s=0.6,
    total_timeout_s=2.5,
    speed_window_s=1,
    max_body_bytes=64 * 1024,
    max_header_bytes=8 * 1024,
    max_attempts=1,
    backoff_s=0.01,
)


def fetcher_for(
    *webs: FaultWeb, gate: HostGate | None = None, ports: Iterable[int] = (80, 443), **limits: float
) -> Fetcher:
    """A fetcher whose operator owns these webs; none is held back unless a gate does."""
    own = frozenset(web.host_port for web in webs)
    return Fetcher(
        limits=replace(LIMITS, **limits),  # type: ignore[arg-type]
        policy=AddressPolicy(allow_hosts=own, allowed_ports=frozenset(ports)),
        user_agent="PixCrawler/test (+https://example.org/contact)",
        gate=gate or open_gate(own),
    )


def open_gate(own: frozenset[str] = frozenset()) -> HostGate:
    """Holds nobody back, but for the patience that a host asks for which is not the operator's own."""
    unlimited = HostLimit(999, 0.0)
    return LocalHostGate(rules=HostRules(default=unlimited, free_hosts=own), limit=unlimited)


def candidates(*urls: str) -> deque[Candidate]:
    return deque(Candidate(url=url, source="test") for url in urls)


def fetch(
    fetcher: Fetcher, *urls: str, should_stop: Callable[[], bool] = lambda: False
) -> dict[str, Fetched | FetchFailure]:
    """Results by the address asked for, in the order in which they came."""
    arrivals = fetcher.fetch_many(candidates(*urls), should_stop=should_stop)
    return {arrival[0].url: arrival[1] for arrival in arrivals if not isinstance(arrival, Idle)}


def fetch_one(fetcher: Fetcher, url: str) -> Fetched | FetchFailure:
    return fetch(fetcher, url)[url]


def code(result: Fetched | FetchFailure) -> str:
    """The reason's code, or "ok"."""
    return result.reason if isinstance(result, FetchFailure) else "ok"
