"""How a crawl of many hosts stands latency and encryption: `make bench-width`.

64 loopback addresses answer at once and after 50 ms, plain and encrypted. Every round fetches from each of these webs
with the fetcher of a worker process, alone and with its decoder behind it, from hosts that are the operator's own and
from hosts that the gate holds back; then a whole crawl of each web follows. Figures go to var/bench/width.json;
docs/performance.md tells what they mean.
"""

import json
import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil
import pycurl
from django.test import override_settings

from bench.certificates import certificate_for
from bench.contestants import Task, cleared
from bench.installation import Installation
from bench.meters import machine
from bench.photo_server import Place, photographs, serving
from bench.runs import Run
from datasets.imaging.types import ImageFacts, ImageLimits
from jobs import wiring
from jobs.crawl.fetch import Fetcher, Idle
from jobs.crawl.hostgate import Health, HostGate, Permit
from jobs.crawl.types import Candidate, Fetched

HOSTS = 64

#: What the gate allows each host that is held back, as PIXCRAWLER_HOST_LIMITS has it: connections, seconds apart.
_HELD_BACK = (4, 0.0)
_DECODING_AT_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """64 hosts at one port, which answer after `latency_ms`."""

    scheme: str
    latency_ms: int
    port: int

    @property
    def hosts(self) -> list[str]:
        return [f"{address}:{self.port}" for address in addresses()]

    def urls(self, numbers: Sequence[int]) -> list[str]:
        """Pictures with these numbers, from all hosts in turn."""
        hosts = self.hosts
        return [f"{self.scheme}://{hosts[number % HOSTS]}/p/{number}.jpg" for number in numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """What fetching took: pictures per second, milliseconds of processor time, connections and look-ups per picture.

    `decoded`: a decoder took the pictures. `held_back`: the hosts' limits lay in Redis. `most_at_once` is how far the
    window opened.
    """

    scheme: str
    latency_ms: int
    round: int
    decoded: bool
    held_back: bool
    per_s: float
    cpu_ms: float
    connections: float
    look_ups: float
    most_at_once: int


def addresses() -> list[str]:
    return [f"127.0.1.{number}" for number in range(1, HOSTS + 1)]


def webs(photos: Path | None, latencies_ms: Sequence[int], folder: Path, stack: ExitStack) -> list[Web]:
    """Webs that run until the stack closes, plain and encrypted at each latency; their certificate is trusted here."""
    bodies = photographs(photos)
    certificate = certificate_for(addresses(), folder)
    # Of the processes that a crawl starts, too.
    os.environ["PIXCRAWLER_CA_BUNDLE"] = str(certificate.file)
    stack.enter_context(override_settings(CA_BUNDLE=str(certificate.file)))
    found = []
    for scheme, used in (("http", None), ("https", certificate)):
        for latency_ms in latencies_ms:
            place = Place(addresses=addresses(), certificate=used)
            port = stack.enter_context(serving(bodies, latency_s=latency_ms / 1000, place=place))
            found.append(Web(scheme=scheme, latency_ms=latency_ms, port=port))
    return found


@dataclass(slots=True)
class CountingGate:
    """Another gate, and how many sockets were opened by its leave."""

    gate: HostGate
    opened: int = 0

    def try_acquire(self, host: str) -> Permit | float:
        return self.gate.try_acquire(host)

    def try_dial(self, permit: Permit, address: str) -> float:
        self.opened += 1
        return self.gate.try_dial(permit, address)

    def release(self, permit: Permit, *, health: Health = Health.UNKNOWN, pause_s: float = 0.0) -> None:
        self.gate.release(permit, health=health, pause_s=pause_s)


def fetched(web: Web, numbers: Sequence[int], *, round: int, decoded: bool, held_back: bool) -> Fetching:
    """Fetches the pictures with a new fetcher. Raises ValueError where one does not come, or is not sound."""
    hosts = frozenset(web.hosts)
    with override_settings(ALLOW_HOSTS=hosts, HOST_LIMITS=dict.fromkeys(hosts, _HELD_BACK) if held_back else {}):
        fetcher = wiring.new_fetcher()
    gate = fetcher._gate = CountingGate(fetcher._gate)
    look_ups = Counter[str]()

    def note_look_up() -> int:
        look_ups["begun"] += 1
        return 0

    fetcher._same_for_all += ((pycurl.RESOLVER_START_FUNCTION, note_look_up),)
    queue = deque(Candidate(url=url, source="bench") for url in web.urls(numbers))
    cpu_s, started, most_at_once, sound = _cpu_s(), time.perf_counter(), 0, 0
    for came in _decoded(fetcher, queue) if decoded else _bytes(fetcher, queue):
        if isinstance(came, Idle):
            most_at_once = max(most_at_once, came.under_way)
        sound += isinstance(came, Fetched | ImageFacts)
    seconds = time.perf_counter() - started
    if sound != len(numbers):
        raise ValueError(f"{sound} of {len(numbers)} pictures came from {web}.")
    return Fetching(
        scheme=web.scheme,
        latency_ms=web.latency_ms,
        round=round,
        decoded=decoded,
        held_back=held_back,
        per_s=sound / seconds,
        cpu_ms=1000 * (_cpu_s() - cpu_s) / sound,
        connections=gate.opened / sound,
        look_ups=look_ups["begun"] / sound,
        most_at_once=most_at_once,
    )


def _bytes(fetcher: Fetcher, queue: deque[Candidate]) -> Iterator[object]:
    for arrival in fetcher.fetch_many(queue):
        yield arrival if isinstance(arrival, Idle) else arrival[1]


def _decoded(fetcher: Fetcher, queue: deque[Candidate]) -> Iterator[object]:
    """As a chunk does it: pictures go to the decoder as they come, and never more than a few wait for it."""
    decoder = wiring.decoder()
    for arrival in fetcher.fetch_many(queue):
        if isinstance(arrival, Idle):
            yield arrival
        elif isinstance(arrival[1], Fetched):
            decoder.submit(arrival[1].body, ImageLimits())
        for one in decoder.results(in_flight_at_most=_DECODING_AT_MOST):
            yield one.result
    for one in decoder.results():
        yield one.result


def _cpu_s() -> float:
    """Processor time of this process and its decoder."""
    own, pid = time.process_time(), wiring.decoder().child_pid
    return own + (sum(psutil.Process(pid).cpu_times()[:2]) if pid else 0.0)


def crawled(installation: Installation, web: Web, numbers: Sequence[int], folder: Path, *, round: int) -> Run:
    """A whole crawl of the pictures; the contestant is called by the scheme. Raises RunFailed."""
    file = folder / "list.txt"
    file.write_text("".join(f"{url}\n" for url in web.urls(numbers)))
    task = Task(list=file, images=len(numbers), folder=cleared(folder / "run"), latency_ms=web.latency_ms, round=round)
    return installation.run(task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Medians of one way of fetching from one kind of web; `ratio` is to the rate at the lowest latency."""

    what: str
    latency_ms: int
    per_s: float
    ratio: float
    cpu_ms: float
    connections: float | None = None
    look_ups: float | None = None
    most_at_once: int | None = None


def rows_of_fetching(measured: Sequence[Fetching]) -> list[Row]:
    """Ratios are medians of those within a round."""
    by_kind: dict[tuple[str, bool, bool, int], dict[int, Fetching]] = {}
    for one in measured:
        by_kind.setdefault((one.scheme, one.decoded, one.held_back, one.latency_ms), {})[one.round] = one
    least_ms = min(one.latency_ms for one in measured)
    rows = []
    for (scheme, decoded, held_back, latency_ms), rounds in sorted(by_kind.items()):
        first = by_kind[scheme, decoded, held_back, least_ms]
        ones = list(rounds.values())
        words = (scheme, "with decoder" if decoded else "bytes alone", "held back" if held_back else "own hosts")
        rows.append(
            Row(
                what=", ".join(words),
                latency_ms=latency_ms,
                per_s=median(one.per_s for one in ones),
                ratio=median(one.per_s / first[round].per_s for round, one in rounds.items()),
                cpu_ms=median(one.cpu_ms for one in ones),
                connections=median(one.connections for one in ones),
                look_ups=median(one.look_ups for one in ones),
                most_at_once=max(one.most_at_once for one in ones),
            )
        )
    return rows


def rows_of_crawls(measured: Sequence[tuple[str, Run]]) -> list[Row]:
    """As `rows_of_fetching`, of whole crawls by scheme."""
    by_kind: dict[tuple[str, int], dict[int, Run]] = {}
    for scheme, run in measured:
        by_kind.setdefault((scheme, run.latency_ms), {})[run.round] = run
    least_ms = min(run.latency_ms for _, run in measured)
    return [
        Row(
            what=f"{scheme}, whole crawl",
            latency_ms=latency_ms,
            per_s=median(run.loop_per_s for run in rounds.values()),
            ratio=median(run.loop_per_s / by_kind[scheme, least_ms][n].loop_per_s for n, run in rounds.items()),
            cpu_ms=median(run.loop_cpu_ms for run in rounds.values()),
        )
        for (scheme, latency_ms), rounds in sorted(by_kind.items())
    ]


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as lines of text."""
    columns = ("latency", "per s", "ratio", "CPU ms", " sockets", "look-ups", "at once")
    yield f"{'what':36} {' '.join(f'{name:>7}' for name in columns)}"
    for row in rows:
        counted = (
            f" {row.connections:8.3f} {row.look_ups:8.3f} {row.most_at_once:7}" if row.connections is not None else ""
        )
        yield f"{row.what:36} {row.latency_ms:4} ms {row.per_s:7.1f} {row.ratio:6.2f} {row.cpu_ms:7.2f}{counted}"


def written(rows: Sequence[Row], output: Path) -> None:
    """Writes all figures, with the machine that they are of."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=1))
