"""What an image costs in a dataset of a thousand, a hundred thousand and a million: `make bench-growth`.

Each size has a database and a process of its own (bench/management/commands/benchgrowing.py). In every round each of
them does the same work, one after the other, and the next round begins with another one; figures are medians. They go
to var/bench/growth.json; docs/performance.md tells what they mean.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench.meters import machine
from bench.program import say

_OUTPUT = Path("var/bench/growth.json")
_DATABASES = ("postgresql", "sqlite")
_SIZES = (1_000, 100_000, 1_000_000)
_SHORT_SIZES = (1_000, 100_000)

#: How many times as much as in the smallest dataset anything may cost.
ALLOWED = 1.3

#: What one round of one size came to: step -> "cpu_ms" and "wall_ms".
Round = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Grown:
    """A process beside its database of so many images, which does a round whenever it is asked to."""

    images: int
    requests: IO[str]
    answers: IO[str]

    def wait(self) -> Round:
        """What it tells next. Raises RuntimeError where it has ended."""
        line = self.answers.readline()
        if not line:
            raise RuntimeError(f"The process with {self.images:,} images ended; its words are above.")
        told: Round = json.loads(line)
        return told

    def ask(self) -> Round:
        self.requests.write("round\n")
        self.requests.flush()
        return self.wait()


@contextmanager
def grown(images: int, database_url: str) -> Iterator[Grown]:
    """The process, seeding; its first line comes when it is done."""
    command = [sys.executable, "manage.py", "benchgrowing", "--settings", "bench.settings", "--images", str(images)]
    environment = {**os.environ, "DATABASE_URL": database_url}
    # The end of the block closes what it reads, and it ends.
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("A process was started without its pipes.")
        yield Grown(images, process.stdin, process.stdout)


def database_of(kind: str, images: int) -> str:
    """The address of a new database; SQLite's file lies in a folder of the process's own."""
    if kind == "sqlite":
        return ""
    server = os.environ["DATABASE_URL"]
    name = f"growth_{images}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def measured(kind: str, sizes: Sequence[int], rounds: int) -> tuple[dict[int, Round], dict[int, list[Round]]]:
    """What seeding told of each size, and its rounds. The first round warms up and does not count."""
    with ExitStack() as stack:
        processes = []
        for images in sizes:
            process = stack.enter_context(grown(images, database_of(kind, images)))
            processes.append((process, process.wait()))
            say(f"{kind}: {images:,} images are there")
        runs: dict[int, list[Round]] = {images: [] for images in sizes}
        for number in range(rounds + 1):
            first = number % len(processes)
            for process, _ in [*processes[first:], *processes[:first]]:
                told = process.ask()
                if number:
                    runs[process.images].append(told)
        return {process.images: told for process, told in processes}, runs


def medians(rounds: Sequence[Round]) -> dict[str, dict[str, float]]:
    return {
        step: {unit: round(statistics.median(one[step][unit] for one in rounds), 3) for unit in rounds[0][step]}
        for step in rounds[0]
    }


def table(kind: str, found: Mapping[int, Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    """Processor time of our process and the database's, and how many times that of the smallest size."""
    smallest, *_ = found
    yield f"{kind:24}" + "".join(f"{images:>12,} {'ratio':>6}" for images in found)
    for step, first in found[smallest].items():
        cells = [
            f"{figures[step]['cpu_ms']:9.3f} ms {figures[step]['cpu_ms'] / first['cpu_ms']:6.2f}"
            for figures in found.values()
        ]
        yield f"{step:24}" + "".join(cells)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="1,000 and 100,000 images on PostgreSQL, three rounds.")
    parser.add_argument("--sizes", type=int, nargs="+", help="Images, the smallest first.")
    parser.add_argument("--rounds", type=int, help="Rounds that count (7).")
    parser.add_argument("--databases", nargs="+", choices=_DATABASES, default=["postgresql"])
    parser.add_argument("--output", type=Path, default=_OUTPUT)
    options = parser.parse_args()
    sizes = options.sizes or (_SHORT_SIZES if options.short else _SIZES)
    rounds = options.rounds or (3 if options.short else 7)
    figures: dict[str, object] = {"machine": machine(), "rounds": rounds}
    for kind in options.databases:
        seeded, runs = measured(kind, sizes, rounds)
        found = {images: medians(of_size) for images, of_size in runs.items()}
        say("\n".join(["processor time per image (per page), medians", *table(kind, found)]))
        say("\n".join(["once for each process, per image that it records", *table(kind, seeded)]))
        figures[kind] = {"medians": found, "once": seeded, "rounds": runs}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
