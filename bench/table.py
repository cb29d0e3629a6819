"""What the runs of `make bench` come to: medians, ratios of runs of the same round, and both as a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from bench.runs import Run
from bench.stages import StageCosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Medians over all rounds of one contestant at one latency.

    By part: `cpu_ms` is processor time per image, `memory_mib` what it had when all together had most.
    """

    contestant: str
    latency_ms: int
    loop_per_s: float
    whole_per_s: float
    cpu_ms: dict[str, float]
    loop_cpu_ms: float
    peak_mib: float
    memory_mib: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as fast `ours` is as `rival`: the median of the rounds, and the lowest and highest of them."""

    ours: str
    rival: str
    latency_ms: int
    loop: float
    loop_range: tuple[float, float]
    whole: float


def summaries(runs: Sequence[Run]) -> list[Summary]:
    """One for each latency and contestant; contestants in the order of their first runs."""
    contestants = dict.fromkeys(run.contestant for run in runs)
    latencies = sorted({run.latency_ms for run in runs})
    return [
        _summary([run for run in runs if (run.latency_ms, run.contestant) == (latency_ms, contestant)])
        for latency_ms in latencies
        for contestant in contestants
    ]


def _summary(runs: Sequence[Run]) -> Summary:
    parts = list(dict.fromkeys(part for run in runs for part in run.cpu_s))
    return Summary(
        contestant=runs[0].contestant,
        latency_ms=runs[0].latency_ms,
        loop_per_s=median(run.loop_per_s for run in runs),
        whole_per_s=median(run.whole_per_s for run in runs),
        cpu_ms={part: median(1000 * run.cpu_s.get(part, 0.0) / run.images for run in runs) for part in parts},
        loop_cpu_ms=median(run.loop_cpu_ms for run in runs),
        peak_mib=median(run.peak_mib for run in runs),
        memory_mib={part: median(run.peak_parts_mib.get(part, 0.0) for run in runs) for part in parts},
    )


def ratios(runs: Sequence[Run], *, ours: Sequence[str], rivals: Sequence[str]) -> list[Ratio]:
    """Each of ours against each rival at each latency; runs are compared with those of the same round alone."""
    latencies = sorted({run.latency_ms for run in runs})
    return [_ratio(runs, own, rival, latency) for latency in latencies for own in ours for rival in rivals]


def _ratio(runs: Sequence[Run], ours: str, rival: str, latency_ms: int) -> Ratio:
    by_key = {(run.contestant, run.round): run for run in runs if run.latency_ms == latency_ms}
    rounds = sorted({round for contestant, round in by_key if contestant == ours})
    pairs = [(by_key[ours, round], by_key[rival, round]) for round in rounds]
    loops = [own.loop_per_s / other.loop_per_s for own, other in pairs]
    return Ratio(
        ours=ours,
        rival=rival,
        latency_ms=latency_ms,
        loop=median(loops),
        loop_range=(min(loops), max(loops)),
        whole=median(own.whole_per_s / other.whole_per_s for own, other in pairs),
    )


def table(rows: Sequence[Summary]) -> Iterator[str]:
    """The summaries as lines of text."""
    yield (
        f"{'contestant':24} {'latency':>7} {'loop/s':>7} {'whole/s':>7} {'CPU ms':>7} {'in loop':>7} {'peak MiB':>8}  "
        "CPU ms and MiB by part"
    )
    for row in rows:
        each = [f"{part} {ms:.1f}, {row.memory_mib[part]:.0f}" for part, ms in row.cpu_ms.items()]
        parts = "; ".join(each) if len(each) > 1 else ""
        yield (
            f"{row.contestant:24} {row.latency_ms:4} ms {row.loop_per_s:7.1f} {row.whole_per_s:7.1f} "
            f"{sum(row.cpu_ms.values()):7.2f} {row.loop_cpu_ms:7.2f} {row.peak_mib:8.0f}  {parts}"
        ).rstrip()


def ratio_table(rows: Sequence[Ratio]) -> Iterator[str]:
    """The ratios as lines of text."""
    yield f"{'ours':24} {'against':24} {'latency':>7} {'loop':>6} {'lowest':>7} {'highest':>7} {'whole':>6}"
    for row in rows:
        loops = f"{row.loop:6.2f} {row.loop_range[0]:7.2f} {row.loop_range[1]:7.2f}"
        yield f"{row.ours:24} {row.rival:24} {row.latency_ms:4} ms {loops} {row.whole:6.2f}"


def share_of_limit(row: Summary, costs: StageCosts, *, cores: int) -> float:
    """The loop's speed as a share of what the cores could do if the stages were all there is to do."""
    return row.loop_per_s / costs.limit_per_s(cores)


def median_costs(costs: Sequence[StageCosts]) -> StageCosts:
    """Each stage by itself."""
    return StageCosts(
        fetch_ms=median(cost.fetch_ms for cost in costs),
        sha256_ms=median(cost.sha256_ms for cost in costs),
        picture_ms=median(cost.picture_ms for cost in costs),
        quality_ms=median(cost.quality_ms for cost in costs),
    )
