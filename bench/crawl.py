"""How fast a whole crawl is, beside other crawlers over the same list: `make bench`.

Every round gives each contestant the same list of photographs of a loopback web, at each latency, one contestant after
the other; the next round begins with another one. Rounds have lists of their own, so that nobody finds anything done.
Figures go to var/bench/crawl.json; docs/performance.md tells what they mean.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.contestants import Contestant, Task, cleared, rivals
from bench.installation import Installation, installed
from bench.meters import machine
from bench.photo_server import folder_of_environment, photographs, rate_per_s, serving
from bench.program import run_in_scratch, say
from bench.runs import Run
from bench.stages import StageCosts, stage_costs
from bench.table import median_costs, ratio_table, ratios, share_of_limit, summaries, table

_DATABASES = ("postgresql", "sqlite")
_OUTPUT = Path("var/bench/crawl.json")

#: Pictures that the stages are measured with in each round.
_STAGE_PICTURES = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`rounds` of lists of so many `images`, at each latency; `hosts` are the webs by their latency in ms.

    `picture_bytes` is the size of a picture on average.
    """

    images: int
    picture_bytes: int
    rounds: int
    hosts: dict[int, str]
    folder: Path

    def tasks(self) -> Iterator[Task]:
        """One after the other, each with a list of its own that is written as it is asked for."""
        for round in range(1, self.rounds + 1):
            for index, (latency_ms, host) in enumerate(self.hosts.items()):
                first = ((round - 1) * len(self.hosts) + index) * self.images
                file = self.folder / "list.txt"
                lines = (f"http://{host}/p/{number}.jpg\n" for number in range(first, first + self.images))
                file.write_text("".join(lines))
                yield Task(
                    list=file, images=self.images, folder=self.folder / "run", latency_ms=latency_ms, round=round
                )

    def require_room(self, contestants: int) -> None:
        """Raises ValueError where the disk has no room for what so many write: all of it stays until the end."""
        needed = self.rounds * len(self.hosts) * contestants * self.images * self.picture_bytes
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise ValueError(
                f"All rounds together write about {needed / 1e9:.0f} GB, and {self.folder.parent} has room for "
                f"{free / 1e9:.0f}. Take fewer --rounds or --images, or another disk by TMPDIR."
            )


def measured(plan: Plan, contestants: Sequence[Contestant]) -> tuple[list[Run], list[StageCosts]]:
    """All runs, and the costs of the stages in each round. Raises RunFailed, and ValueError for a disk too small."""
    plan.require_room(len(contestants))
    runs, costs = [], []
    quickest = min(plan.hosts)
    for task in plan.tasks():
        if task.latency_ms == quickest:
            costs.append(stage_costs(plan.hosts[quickest], range(min(_STAGE_PICTURES, plan.images))))
        # Whoever begins has the machine at its coolest: each round it is another one.
        first = (task.round - 1) % len(contestants)
        for contestant in (*contestants[first:], *contestants[:first]):
            cleared(task.folder)
            run = contestant.run(task)
            say(
                f"  round {run.round}, {run.latency_ms:2} ms, {run.contestant:24} {run.loop_per_s:6.1f}/s in the loop, "
                f"{run.whole_per_s:6.1f}/s with start, {run.cpu_ms:5.1f} ms of processor, {run.peak_mib:5.0f} MiB"
            )
            runs.append(run)
    return runs, costs


def tell(runs: Sequence[Run], costs: Sequence[StageCosts], ours: Sequence[str], others: Sequence[str]) -> None:
    """Prints the tables, and writes all figures."""
    cores = os.cpu_count() or 1
    rows, stages = summaries(runs), median_costs(costs)
    compared = ratios(runs, ours=ours, rivals=others)
    for line in ("", *table(rows), "", *ratio_table(compared), ""):
        say(line)
    limit = stages.limit_per_s(cores)
    say(
        f"One image costs {stages.fetch_ms:.2f} ms to fetch, {stages.sha256_ms:.2f} for its checksum, "
        f"{stages.picture_ms:.2f} to decode and hash with a thumbnail: {cores} cores could do {limit:.0f}/s. "
        f"Quality scores, which a crawl does not compute, would cost {stages.quality_ms:.2f}."
    )
    shares = {f"{row.contestant}, {row.latency_ms} ms": share_of_limit(row, stages, cores=cores)
              for row in rows if row.contestant in ours}  # fmt: skip
    for name, share in shares.items():
        say(f"  {name}: {100 * share:.0f} % of it")
    figures = {
        "machine": machine(),
        "summaries": [asdict(row) for row in rows],
        "ratios": [asdict(ratio) for ratio in compared],
        "stages": [asdict(cost) for cost in costs],
        "limit_per_s": limit,
        "share_of_limit": shares,
        "runs": [asdict(run) for run in runs],
    }
    _OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    _OUTPUT.write_text(json.dumps(figures, indent=1))
    say(f"All figures: {_OUTPUT}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="500 images and 3 rounds, within five minutes")
    parser.add_argument("--images", type=int, help="addresses of a list (5,000)")
    parser.add_argument("--rounds", type=int, help="rounds (5)")
    parser.add_argument("--latencies", type=int, nargs="+", default=[0, 50], help="of an answer, in ms (0 50)")
    parser.add_argument("--labels", type=int, default=1, help="labels of our crawls (1)")
    parser.add_argument("--databases", nargs="+", choices=_DATABASES, default=_DATABASES)
    parser.add_argument("--threads", type=int, default=32, help="of each process of the others (32)")
    parser.add_argument("--photos", type=Path, default=folder_of_environment(), help="a folder of JPEG files")
    return parser.parse_args()


def opened(asked: argparse.Namespace, stack: ExitStack, folder: Path) -> tuple[Plan, list[Installation]]:
    """The webs and our installations, all running until the stack closes. Raises RunFailed, FileNotFoundError."""
    bodies = photographs(asked.photos)
    picture_bytes = sum(map(len, bodies)) // len(bodies)
    what = "photographs" if asked.photos else "drawn pictures"
    say(f"{len(bodies)} {what}, {picture_bytes / 1024:.0f} KiB on average; {machine()}")
    ports = {ms: stack.enter_context(serving(bodies, latency_s=ms / 1000)) for ms in sorted(asked.latencies)}
    say(f"The photo server alone gives one client {rate_per_s(min(ports.items())[1]):,.0f} pictures a second.")
    hosts = {ms: f"127.0.0.1:{port}" for ms, port in ports.items()}
    urls = {"sqlite": "", "postgresql": os.environ.get("DATABASE_URL", "")}
    ours = [
        stack.enter_context(
            installed(
                f"PixCrawler {database}",
                folder / database,
                database_url=urls[database],
                allow_hosts=",".join(hosts.values()),
                labels=asked.labels,
            )
        )
        for database in asked.databases
    ]
    images = asked.images or (500 if asked.short else 5_000)
    rounds = asked.rounds or (3 if asked.short else 5)
    return Plan(images=images, picture_bytes=picture_bytes, rounds=rounds, hosts=hosts, folder=folder), ours


def main() -> int:
    asked = arguments()

    def measure(folder: Path) -> None:
        others = rivals(os.cpu_count() or 1, asked.threads)
        with ExitStack() as stack:
            plan, ours = opened(asked, stack, folder)
            runs, costs = measured(plan, [*ours, *others])
        tell(runs, costs, [one.name for one in ours], [one.name for one in others])

    return run_in_scratch(measure)


if __name__ == "__main__":
    sys.exit(main())
