"""Remembers which processes a supervisor started, so that the next one can end those that outlived it.

A pid alone proves nothing, because the system gives it out again: the record keeps when each process began, and a
process of another age is not touched.
"""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path


def write(file: Path, pids: list[int]) -> None:
    """Replaces the record by the given processes, each the leader of its group."""
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps({str(pid): _began(pid) for pid in pids}))
    temporary.replace(file)


def stop_leftovers(file: Path, *, grace_s: float = 5.0) -> int:
    """Ends the process groups that the record names and that still run; gives their number."""
    left = [pid for pid, began in _read(file).items() if began and _began(pid) == began]
    for pid in left:
        _signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while any(_began(pid) for pid in left) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        _signal_group(pid, signal.SIGKILL)
    file.unlink(missing_ok=True)
    return len(left)


def _read(file: Path) -> dict[int, str]:
    try:
        return {int(pid): str(began) for pid, began in json.loads(file.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        # No record, or one that a full disk cut off: there is nobody to look for.
        return {}


def _began(pid: int) -> str:
    """When a process began, in the system's own words; empty: it does not run."""
    try:
        # The program's name may hold spaces and brackets; the fields after it are the state and 19 more to the start.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else f"{_boot_id()} {fields[18]}"
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _began_by_ps(pid)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _began_by_ps(pid: int) -> str:
    """The same on systems without /proc (macOS)."""
    argv = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    return result.stdout.strip()


def _signal_group(pid: int, number: signal.Signals) -> None:
    # It may have ended meanwhile.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
