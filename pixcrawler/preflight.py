"""What must hold before quickstart starts anything. Each step raises PreflightError: one sentence and the next step."""

import os
import socket
import stat
import sys
from contextlib import closing
from pathlib import Path

import redis
from django.db import DatabaseError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from pixcrawler import broker

if sys.platform != "win32":
    import fcntl

_CONNECT_TIMEOUT_S = 3


class PreflightError(Exception):
    """Starting cannot go on; the message says what is wrong and what to do."""


def check_platform() -> None:
    if sys.platform == "win32":
        raise PreflightError(
            "quickstart runs on Linux and macOS. On Windows use “docker compose up”, or run it inside WSL."
        )


def check_data_dir(folder: Path) -> None:
    """Makes the data folder and proves that files can be written in it."""
    probe = folder / ".write-test"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise PreflightError(
            f"The data folder {folder} cannot be written ({error.strerror}). Give your user write permission and free "
            "space there, or name another folder with PIXCRAWLER_DATA_DIR."
        ) from error


def lock_data_dir(folder: Path) -> int:
    """Takes the data folder for this process as long as it lives; gives the open lock file."""
    lock = os.open(folder / "quickstart.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise PreflightError(
            f"PixCrawler already runs on the data folder {folder} (process {holder}). Use that one, stop it with "
            "Ctrl-C, or name another folder with PIXCRAWLER_DATA_DIR and another port with --port."
        ) from error
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def check_port(host: str, port: int) -> None:
    """Proves that the web process will be able to listen there."""
    again = f"start with --port {port + 1 if port < 65_535 else 8000}"
    if not 0 < port < 65_536:
        raise PreflightError(f"{port} is no port. Choose one from 1 to 65535, for example --port 8000.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise PreflightError(f"{host} is no address of this machine. Start with --host 127.0.0.1.") from error
    except PermissionError as error:
        raise PreflightError(f"Port {port} is for administrators only. Choose one above 1023: {again}.") from error
    except OSError as error:
        raise PreflightError(
            f"Port {port} on {host} cannot be used ({error.strerror}). Stop what listens there, or {again} "
            f"(make run ARGS=“--port …”)."
        ) from error


def check_socket_dir(folder: Path) -> None:
    """Makes the folder of the embedded server's socket; outside the data folder nobody else may own it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.lstat()
    except OSError as error:
        raise PreflightError(
            f"The folder {folder} cannot be made ({error.strerror}). Give your user write permission there."
        ) from error
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise PreflightError(
            f"The folder {folder} belongs to somebody else. Remove it, or name a data folder with a shorter path with "
            "PIXCRAWLER_DATA_DIR."
        )


def check_redis(url: str) -> None:
    """Proves that the configured Redis answers. `url` is as redis-py spells it."""
    try:
        with redis.Redis.from_url(
            url,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            socket_timeout=_CONNECT_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise PreflightError(
            f"The Redis server at {broker.described(url)} does not answer ({_first_line(error)}). Start it, mend "
            "CELERY_BROKER_URL, or unset CELERY_BROKER_URL to use the embedded server."
        ) from error


def check_database() -> None:
    """Proves that the database takes connections."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        raise PreflightError(
            f"The database at {_database()} does not answer ({_first_line(error)}). Start it, mend DATABASE_URL, or "
            "unset DATABASE_URL to use a file in the data folder."
        ) from error


def _database() -> str:
    """Where the database is, without user and password."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(settings["NAME"])
    return f"{settings['HOST'] or 'localhost'}:{settings['PORT'] or 5432}/{settings['NAME']}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
