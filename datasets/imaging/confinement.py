"""What the operating system holds a decoder process to. Each function does nothing where the system cannot do it.

Linux holds all of it. macOS has no limit of address space that holds and no signal at the parent's end; Windows has
none of this. There the wall clock of the parent and the end of the pipe are what is left.
"""

import ctypes
import math
import os
import signal
import sys
from pathlib import Path

if sys.platform != "win32":
    import resource

_PR_SET_PDEATHSIG = 1
_STATM = Path("/proc/self/statm")


def end_with_parent(parent_pid: int) -> None:
    """Has the kernel kill this process when the thread that started it ends, by whatever cause."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        # The parent may have ended before that call.
        if os.getppid() != parent_pid:
            sys.exit(0)


def ignore_polite_signals() -> None:
    """Ctrl-C and a service manager address the whole group; this process ends when its worker has ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def limit_memory(allowed_bytes: int) -> None:
    """Allows so much address space beyond what the process has now; no core dumps, no files written."""
    if sys.platform == "win32":
        return
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_AS, _pages()[0] * resource.getpagesize() + allowed_bytes)


def allow_cpu(seconds: float) -> None:
    """Allows so many seconds of processor time from now on. The limit counts the whole life of a process.

    Whole seconds, rounded up: the kernel knows no others.
    """
    if sys.platform != "win32":
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = math.ceil(used.ru_utime + used.ru_stime + seconds)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def resident_bytes() -> int:
    """The memory that this process holds; 0 where the system does not tell."""
    return _pages()[1] * resource.getpagesize() if sys.platform == "linux" else 0


def _lower(limit: int, to: int) -> None:
    hard = resource.getrlimit(limit)[1]
    lowest = to if hard == resource.RLIM_INFINITY else min(to, hard)
    resource.setrlimit(limit, (lowest, lowest))


def _pages() -> tuple[int, int]:
    """Pages of address space and of memory."""
    size, resident, *_ = _STATM.read_text().split()
    return int(size), int(resident)
