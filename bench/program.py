"""What the benchmarks' programs do alike: they tell lines as they come, and leave no folder and no process behind."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.runs import RunFailed


def say(line: str = "") -> None:
    """Tells a line at once, also where the output is a file."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run_in_scratch(measure: Callable[[Path], None]) -> int:
    """Measures in a folder that is removed afterwards, also after SIGTERM; gives the program's exit status."""
    # SIGTERM passes through `finally` like any other end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="pixbench-"))
    try:
        measure(folder)
    except (RunFailed, FileNotFoundError, TimeoutError, ValueError) as error:
        say(str(error))
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0
