"""Lets a process end with its parent, even when the parent is killed outright.

Linux alone can do that; elsewhere nothing happens. What counts is the thread that started the process: it has to live
as long as the parent.
"""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
# Loaded at import: between fork and exec no library may be loaded.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent(number: signal.Signals) -> None:
    """Asks the kernel to send this process the signal when its parent has ended."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number))
