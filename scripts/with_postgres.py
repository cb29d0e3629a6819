"""Runs a command with DATABASE_URL set to a PostgreSQL server of its own, then stops and removes the server.

    python3 scripts/with_postgres.py make test

For tests alone: the server trusts every local user and does not sync to the disk. PostgreSQL refuses to run as root, so
that root lends the server to the user postgres or nobody.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 30


class PostgresError(Exception):
    """The server cannot be had; the message says why and what to do."""


def main(command: list[str]) -> int:
    if not command:
        print("Say what to run: python3 scripts/with_postgres.py COMMAND…", file=sys.stderr)
        return 2
    try:
        with server() as url:
            return subprocess.call(command, env={**os.environ, "DATABASE_URL": url})
    except PostgresError as error:
        print(error, file=sys.stderr)
        return 1


@contextmanager
def server() -> Iterator[str]:
    """A running server; gives its address. Raises PostgresError."""
    initdb, postgres = program("initdb"), program("postgres")
    owner = server_user()
    # SIGTERM must pass through `finally` like any other end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="pixcrawler-postgres-"))
    try:
        shutil.chown(folder, owner)
        data, log = folder / "data", folder / "log"
        with log.open("wb") as output:
            arguments = ["-D", str(data), "-U", "pixcrawler", "--auth=trust", "--encoding=UTF8", "--no-locale"]
            if subprocess.call(as_user(owner, [initdb, *arguments]), cwd=folder, stdout=output, stderr=output) != 0:
                raise PostgresError(f"initdb failed:\n{log.read_text(errors='replace')}")
            port = free_port()
            settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder,
                        "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # fmt: skip
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            process = subprocess.Popen(
                as_user(owner, [postgres, "-D", str(data), *options]), cwd=folder, stdout=output, stderr=output
            )
            try:
                wait_for(process, port, log)
                yield f"postgresql://pixcrawler@127.0.0.1:{port}/postgres"
            finally:
                # "Fast": open connections are ended, nothing is waited for.
                process.send_signal(signal.SIGINT)
                process.wait()
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


def wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Returns when the server takes connections. Raises PostgresError when it ends or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        if "ready to accept connections" in log.read_text(errors="replace"):
            return
        time.sleep(0.05)
    raise PostgresError(f"PostgreSQL did not start on port {port}:\n{log.read_text(errors='replace')}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
