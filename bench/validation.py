"""How fast a validation is, beside imagededup and cleanvision on the same pictures: `make bench-validation`.

Every round lets each contestant go through the same pictures, one contestant after the other; the next round begins
with another one. Ours validates a dataset that holds them: queue, leases, ledger, duplicates. The others go through a
folder: the pHashes of imagededup, then all checks that cleanvision makes unless told otherwise. Figures go to
var/bench/validation.json; docs/performance.md tells what they mean.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from bench.contestants import PROJECT_DIR, RIVALS_PYTHON, cleared, last_words
from bench.installation import Installation, installed
from bench.meters import Meter, machine, waited_cpu_s
from bench.photo_server import around_comment, folder_of_environment, numbered, photographs, serving
from bench.program import run_in_scratch, say
from bench.runs import Run, RunFailed
from bench.table import Ratio, Summary, ratios, summaries

_DATABASES = ("postgresql", "sqlite")
_LEVELS = ("basic", "standard", "strict")
_OUTPUT = Path("var/bench/validation.json")
_RIVAL = "imagededup + cleanvision"

#: Between the end of a job and the end of the command that waits for it, on average.
_UNTIL_SEEN_S = 0.4


class Validator(Protocol):
    """Somebody who can look at all pictures. `name` is how tables and figures call it."""

    @property
    def name(self) -> str: ...

    def run(self, folder: Path, round: int) -> Run:
        """Looks at all pictures. `folder` is for notes. Raises RunFailed where one was left out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A validation of a dataset that holds the pictures, from `manage.py validate` to its end."""

    installation: Installation
    dataset: str
    level: str
    images: int

    @property
    def name(self) -> str:
        return f"{self.installation.name}, {self.level}"

    def run(self, folder: Path, round: int) -> Run:
        job = self.installation.follow(folder, "validate", self.dataset, "--level", self.level)
        if job.report["found"] != self.images or job.report["rejected"] or job.report["failed"]:
            raise RunFailed(f"{self.name}: not all of {self.images} pictures are sound: {job.report}")
        return Run(
            contestant=self.name,
            latency_ms=0,
            round=round,
            images=self.images,
            loop_s=job.report["seconds"],
            whole_s=job.whole_s,
            cpu_s=job.cpu_s,
            start_cpu_s=job.cpu_s_until(job.ended_at - _UNTIL_SEEN_S - job.report["seconds"]),
            peak_mib=job.meter.peak_mib,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """imagededup and cleanvision, one after the other over the folder `pictures`."""

    pictures: Path
    images: int
    name: str = _RIVAL

    def run(self, folder: Path, round: int) -> Run:
        log, report = folder / "log", folder / "report.json"
        command = [str(RIVALS_PYTHON), "bench/rivals/run_checks.py", str(self.pictures), str(report)]
        started = time.perf_counter()
        with log.open("wb") as words:
            process = subprocess.Popen(command, cwd=PROJECT_DIR, stdout=words, stderr=words)
            with Meter({self.name: process.pid}) as meter:
                used_s = waited_cpu_s(process)
        whole_s = time.perf_counter() - started
        told = json.loads(report.read_text()) if report.exists() else {"hashed": 0, "checked": 0}
        if process.returncode or {told["hashed"], told["checked"]} != {self.images}:
            raise RunFailed(f"{self.name} ended with {process.returncode}, {told}. Its last words:\n{last_words(log)}")
        return Run(
            contestant=self.name,
            latency_ms=0,
            round=round,
            images=self.images,
            loop_s=told["ended_at"] - told["started_at"],
            whole_s=whole_s,
            cpu_s={self.name: used_s},
            start_cpu_s=meter.cpu_s_until(self.name, told["started_at"]),
            peak_mib=meter.peak_mib,
        )


def written(bodies: Sequence[bytes], folder: Path, *, images: int) -> Path:
    """The folder with so many pictures in it, those of the photo server under their numbers."""
    folder.mkdir()
    parts = [around_comment(body) for body in bodies]
    for number in range(images):
        (folder / f"{number}.jpg").write_bytes(b"".join(numbered(parts[number % len(parts)], number)))
    return folder


def filled(installation: Installation, host: str, folder: Path, *, images: int) -> str:
    """The name of a dataset with the pictures, which are crawled from the photo server. Raises RunFailed."""
    notes = cleared(folder / "crawl")
    file = notes / "list.csv"
    file.write_text("url,label\n" + "".join(f"http://{host}/p/{number}.jpg,all\n" for number in range(images)))
    wanted = ["--per-label", str(images)]
    job = installation.follow(notes, "crawl", "Pictures", "--source", "urls", "--urls-file", str(file), *wanted)
    if job.report["kept"] != images:
        raise RunFailed(f"{installation.name} kept {job.report['kept']} of {images} pictures to be validated.")
    return "Pictures"


def opened(asked: argparse.Namespace, stack: ExitStack, folder: Path) -> list[Validator]:
    """All contestants, with their pictures; installations run until the stack closes. Raises RunFailed."""
    if not RIVALS_PYTHON.exists():
        raise FileNotFoundError(f"{RIVALS_PYTHON} is not there. Run it by “make bench-validation”.")
    bodies = photographs(asked.photos)
    say(f"{asked.images} pictures of {len(bodies)} {'photographs' if asked.photos else 'drawn ones'}, "
        f"{sum(map(len, bodies)) / len(bodies) / 1024:.0f} KiB on average; {machine()}")  # fmt: skip
    urls = {"sqlite": "", "postgresql": os.environ.get("DATABASE_URL", "")}
    ours: list[Validator] = []
    with serving(bodies, latency_s=0) as port:
        host = f"127.0.0.1:{port}"
        for database in asked.databases:
            place, url = folder / database, urls[database]
            one = stack.enter_context(
                installed(f"PixCrawler {database}", place, database_url=url, allow_hosts=host, labels=1)
            )
            dataset = filled(one, host, folder, images=asked.images)
            ours += [Ours(installation=one, dataset=dataset, level=level, images=asked.images)
                     for level in asked.levels]  # fmt: skip
    return [*ours, Rivals(pictures=written(bodies, folder / "pictures", images=asked.images), images=asked.images)]


def measured(validators: Sequence[Validator], folder: Path, *, rounds: int) -> Iterator[Run]:
    """All runs; whoever begins has the machine at its coolest, so each round it is another one. Raises RunFailed."""
    for round in range(1, rounds + 1):
        first = (round - 1) % len(validators)
        for validator in (*validators[first:], *validators[:first]):
            run = validator.run(cleared(folder / "run"), round)
            say(
                f"  round {run.round}, {run.contestant:32} {run.loop_per_s:6.1f}/s in the loop, "
                f"{run.whole_per_s:6.1f}/s with start, {run.cpu_ms:5.1f} ms of processor, {run.peak_mib:5.0f} MiB"
            )
            yield run


def tell(runs: Sequence[Run]) -> None:
    """Prints both tables, and writes all figures."""
    rows = summaries(runs)
    compared = ratios(runs, ours=[row.contestant for row in rows if row.contestant != _RIVAL], rivals=[_RIVAL])
    for line in ("", *table(rows), "", *ratio_table(compared), ""):
        say(line)
    figures = {
        "machine": machine(),
        "summaries": [asdict(row) for row in rows],
        "ratios": [asdict(ratio) for ratio in compared],
        "runs": [asdict(run) for run in runs],
    }
    _OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    _OUTPUT.write_text(json.dumps(figures, indent=1))
    say(f"All figures: {_OUTPUT}")


def table(rows: Sequence[Summary]) -> Iterator[str]:
    """Medians of each contestant, a line each."""
    yield f"{'contestant':32} {'loop/s':>7} {'whole/s':>7} {'CPU ms':>7} {'in loop':>7} {'peak MiB':>8}"
    for row in rows:
        cpu_ms = sum(row.cpu_ms.values())
        yield (
            f"{row.contestant:32} {row.loop_per_s:7.1f} {row.whole_per_s:7.1f} {cpu_ms:7.2f} {row.loop_cpu_ms:7.2f} "
            f"{row.peak_mib:8.0f}"
        )


def ratio_table(rows: Sequence[Ratio]) -> Iterator[str]:
    """How many times as fast ours is as the others."""
    yield f"{'ours':32} {'loop':>6} {'lowest':>7} {'highest':>7} {'whole':>6}"
    for row in rows:
        yield f"{row.ours:32} {row.loop:6.2f} {row.loop_range[0]:7.2f} {row.loop_range[1]:7.2f} {row.whole:6.2f}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="1,000 pictures, within five minutes")
    parser.add_argument("--images", type=int, help="pictures (2,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--levels", nargs="+", choices=_LEVELS, default=["standard"], help="of ours (standard)")
    parser.add_argument("--databases", nargs="+", choices=_DATABASES, default=_DATABASES)
    parser.add_argument("--photos", type=Path, default=folder_of_environment(), help="a folder of JPEG files")
    asked = parser.parse_args()
    asked.images = asked.images or (1_000 if asked.short else 2_000)
    return asked


def main() -> int:
    asked = arguments()

    def measure(folder: Path) -> None:
        with ExitStack() as stack:
            runs = list(measured(opened(asked, stack, folder), folder, rounds=asked.rounds))
        tell(runs)

    return run_in_scratch(measure)


if __name__ == "__main__":
    sys.exit(main())
