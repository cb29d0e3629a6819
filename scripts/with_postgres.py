"""Runs a command with DATABASE_URL set to a PostgreSQL server of its own, then stops and removes the server.

    python3 scripts/with_postgres.py make test

For tests alone: the server trusts every local user and does not sync to the disk. PostgreSQL refuses to run as root, so
that root lends the server to the user postgres or nobody.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

START_TIMEOUT_S = 30

#: Tells a test suite where the server's files are, so that it can stop and start the server.
FOLDER_VARIABLE = "PIXCRAWLER_TEST_POSTGRES_DIR"


class PostgresError(Exception):
    """The server cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server whose data and log lie in `folder`."""

    folder: Path

    @property
    def url(self) -> str:
        return f"postgresql://pixcrawler@127.0.0.1:{self._port()}/postgres"

    def create(self) -> None:
        """Makes the data folder. Raises PostgresError."""
        arguments = ["-D", str(self._data), "-U", "pixcrawler", "--auth=trust", "--encoding=UTF8", "--no-locale"]
        self._run("initdb", *arguments)
        settings = {"listen_addresses": "'127.0.0.1'", "port": free_port(), "fsync": "off", "full_page_writes": "off",
                    "unix_socket_directories": f"'{self.folder}'"}  # fmt: skip
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def start(self) -> None:
        """Returns when the server takes connections. Raises PostgresError."""
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self._log), "-w", "-t", str(START_TIMEOUT_S), "start")

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """Ends it and its connections: "fast" in good order, "immediate" as a crash does. Raises PostgresError."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", how, "stop")

    def _run(self, name: str, *arguments: str) -> None:
        command = as_user(server_user(), [program(name), *arguments])
        with (self.folder / "commands.log").open("ab") as output:
            if subprocess.call(command, cwd=self.folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL) != 0:
                logs = "".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))
                raise PostgresError(f"{' '.join(command)} failed:\n{logs}")

    def _port(self) -> str:
        ports: list[str] = re.findall(r"^port = (\d+)$", (self._data / "postgresql.conf").read_text(), re.MULTILINE)
        return ports[-1]

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"


def main(command: list[str]) -> int:
    if not command:
        print("Say what to run: python3 scripts/with_postgres.py COMMAND…", file=sys.stderr)
        return 2
    try:
        with server() as running:
            environment = {**os.environ, "DATABASE_URL": running.url, FOLDER_VARIABLE: str(running.folder)}
            return subprocess.call(command, env=environment)
    except PostgresError as error:
        print(error, file=sys.stderr)
        return 1


@contextmanager
def server() -> Iterator[Server]:
    """A running server, removed in the end. Raises PostgresError."""
    program("initdb")
    # SIGTERM must pass through `finally` like any other end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="pixcrawler-postgres-"))
    try:
        shutil.chown(folder, server_user())
        made = Server(folder)
        made.create()
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def program(name: str) -> str:
    """The newest of that name on this machine; Debian keeps PostgreSQL's programs out of PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        raise PostgresError(f"{name} was not found. Install PostgreSQL (Debian, Ubuntu: sudo apt install postgresql).")
    return found


def server_user() -> str:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def as_user(owner: str, command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    group = str(pwd.getpwnam(owner).pw_gid)
    return ["setpriv", f"--reuid={owner}", f"--regid={group}", "--clear-groups", *command]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
