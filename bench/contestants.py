"""Who takes part in `make bench`: PixCrawler's own installations, and other crawlers in an environment of their own."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.meters import Meter, waited_cpu_s
from bench.runs import Run, RunFailed, written_at

PROJECT_DIR = Path(__file__).resolve().parent.parent
RIVALS_PYTHON = PROJECT_DIR / ".venv-bench" / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A list of addresses in a file, and a folder for what the contestant writes."""

    list: Path
    images: int
    folder: Path
    latency_ms: int
    round: int


class Contestant(Protocol):
    """Somebody who can fetch a list. `name` is how tables and figures call it."""

    @property
    def name(self) -> str: ...

    def run(self, task: Task) -> Run:
        """Fetches the whole list. Raises RunFailed where something of it is missing."""
        ...


@dataclass(frozen=True, slots=True)
class Rival:
    """A program of bench/rivals; `options` follow the list and the folder on its command line."""

    name: str
    program: str
    options: tuple[str, ...]

    def run(self, task: Task) -> Run:
        output = task.folder / "output"
        log = task.folder / "log"
        command = [str(RIVALS_PYTHON), f"bench/rivals/{self.program}", str(task.list), str(output), *self.options]
        # Neither asks the network for news of itself.
        env = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
        started = time.perf_counter()
        with log.open("wb") as words:
            process = subprocess.Popen(command, cwd=PROJECT_DIR, env=env, stdout=words, stderr=words)
            with Meter({self.name: process.pid}) as meter:
                used_s = waited_cpu_s(process)
        whole_s = time.perf_counter() - started
        written = written_at(output.rglob("*.jpg"))
        if process.returncode or len(written) != task.images:
            raise RunFailed(
                f"{self.name} ended with {process.returncode} and {len(written)} of {task.images} images. Its last "
                f"words:\n{last_words(log)}"
            )
        return Run(
            contestant=self.name,
            latency_ms=task.latency_ms,
            round=task.round,
            images=len(written),
            loop_s=written[-1] - written[0],
            whole_s=whole_s,
            cpu_s={self.name: used_s},
            start_cpu_s=meter.cpu_s_until(self.name, written[0]),
            peak_mib=meter.peak_mib,
            peak_parts_mib=meter.peak_parts_mib,
        )


def rivals(cores: int, threads: int) -> Sequence[Contestant]:
    """img2dataset with a process per core, and icrawler, which has threads alone.

    Raises FileNotFoundError where they are not installed.
    """
    if not RIVALS_PYTHON.exists():
        raise FileNotFoundError(f"{RIVALS_PYTHON} is not there. Run it by “make bench”, which installs the others.")
    each = (str(cores), str(threads))
    return (
        Rival("img2dataset resize", "run_img2dataset.py", ("resize", *each)),
        Rival("img2dataset raw", "run_img2dataset.py", ("raw", *each)),
        Rival("icrawler", "run_icrawler.py", (str(threads),)),
    )


def last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]


def cleared(folder: Path) -> Path:
    """The folder, new and empty. What lay there is set aside, to go with the scratch folder in the end.

    Where thousands of files were removed in the minutes before, ext4 takes up to ten times as long to make a new one:
    whoever runs after another one would pay for it.
    """
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}-{time.time_ns()}"))
    # A scheduler tries now and then whether it can write there, perhaps at this very moment.
    folder.mkdir(parents=True, exist_ok=True)
    return folder
