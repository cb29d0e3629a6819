"""Counters that workers add up in Redis for /metrics: verdicts by reason, bytes, how long downloads took.

What a batch comes to is noted in the process when its transaction commits, and goes out with the next write of
progress, in the same round trip. Every write adds to one hash, so the numbers hold over any number of processes and
machines, and over restarts of all but a Redis that forgets. docs/decisions/0012 says why they are no rows.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from jobs.crawl.urls import InvalidUrl, host_and_parents, host_and_port, normalise

#: The hash of all counters, without an end: a counter that starts anew is told as such to whoever draws it.
KEY: Final = "px:meter"

#: Upper bounds of the histogram's buckets in seconds; one more is for what took longer.
BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_SEPARATOR: Final = "|"


class HostClass(StrEnum):
    """Whose host a download came from: few classes, so that the number of series stays small however many hosts."""

    OWN = "own"
    FLICKR = "flickr"
    WIKIMEDIA = "wikimedia"
    OTHER = "other"


_CLASS_OF_DOMAIN: Final = {
    "staticflickr.com": HostClass.FLICKR,
    "flickr.com": HostClass.FLICKR,
    "wikimedia.org": HostClass.WIKIMEDIA,
    "wikipedia.org": HostClass.WIKIMEDIA,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One download that was tried, whatever came of it. `seconds` count no waiting."""

    source: str
    url: str
    seconds: float
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A histogram: downloads in each bucket (BUCKETS_S, then the rest), and their seconds together."""

    buckets: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All counters as they stand: verdicts by (kind of job, outcome, reason), bytes by source, latency by (source,
    host class).
    """

    verdicts: Mapping[tuple[str, str, str], int]
    fetched_bytes: Mapping[str, int]
    latency: Mapping[tuple[str, str], Latency]


def host_class(url: str, *, own_hosts: Collection[str]) -> HostClass:
    """`own_hosts` are the operator's `host:port` pairs."""
    try:
        host, port = host_and_port(normalise(url))
    except InvalidUrl:
        return HostClass.OTHER
    if f"{host}:{port}" in own_hosts:
        return HostClass.OWN
    known = (_CLASS_OF_DOMAIN[name] for name in host_and_parents(host) if name in _CLASS_OF_DOMAIN)
    return next(known, HostClass.OTHER)


def of_verdicts(kind: str, verdicts: Iterable[tuple[str, str]]) -> Counter[str]:
    """What (outcome, reason) pairs add to the counters."""
    return Counter(_SEPARATOR.join(("verdict", kind, outcome, reason)) for outcome, reason in verdicts)


def of_transfers(transfers: Iterable[Transfer], *, own_hosts: Collection[str]) -> Counter[str]:
    """What downloads add to the counters."""
    tally: Counter[str] = Counter()
    for one in transfers:
        series = f"{one.source}{_SEPARATOR}{host_class(one.url, own_hosts=own_hosts)}"
        tally[f"bytes{_SEPARATOR}{one.source}"] += one.size_bytes
        tally[f"bucket{_SEPARATOR}{series}{_SEPARATOR}{bisect_left(BUCKETS_S, one.seconds)}"] += 1
        tally[f"ms{_SEPARATOR}{series}"] += round(one.seconds * 1000)
    return tally


#: What this process has counted and not sent yet; its fields are a closed set, so it stays small without Redis too.
_unsent: Counter[str] = Counter()
_lock = threading.Lock()


def note(tally: Counter[str]) -> None:
    """Counts in this process what has been committed; the next write of progress sends it."""
    with _lock:
        _unsent.update(tally)


def take() -> Counter[str]:
    """What is to be sent. Where sending fails it is given back by `note`."""
    with _lock:
        taken = Counter(_unsent)
        _unsent.clear()
    return taken


def put(pipe: Any, tally: Counter[str]) -> None:
    """Adds to a pipeline what makes the counters grow."""
    for field, amount in tally.items():
        pipe.hincrby(KEY, field, amount)


def read(fields: Mapping[str, str]) -> Reading:
    """The counters out of the hash's fields; what another version wrote is left out."""
    verdicts: dict[tuple[str, str, str], int] = {}
    fetched: dict[str, int] = {}
    buckets: dict[tuple[str, str], list[int]] = {}
    ms: dict[tuple[str, str], int] = {}
    for field, amount in fields.items():
        match field.split(_SEPARATOR):
            case ["verdict", kind, outcome, reason]:
                verdicts[kind, outcome, reason] = int(amount)
            case ["bytes", source]:
                fetched[source] = int(amount)
            case ["ms", source, hosts]:
                ms[source, hosts] = int(amount)
            case ["bucket", source, hosts, number] if int(number) <= len(BUCKETS_S):
                series = buckets.setdefault((source, hosts), [0] * (len(BUCKETS_S) + 1))
                series[int(number)] = int(amount)
    latency = {
        labels: Latency(buckets=tuple(counts), seconds=ms.get(labels, 0) / 1000) for labels, counts in buckets.items()
    }
    return Reading(verdicts=verdicts, fetched_bytes=fetched, latency=latency)
