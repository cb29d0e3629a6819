"""Where messages and task states live: the addresses of Redis, worked out from the environment."""

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit

#: Unix sockets have a limit of 104 (macOS) or 108 (Linux) bytes for their path.
_MAX_SOCKET_PATH_BYTES = 100

#: What the owner's guide names: database 1, so that caches on database 0 never collide with the queue.
LOCAL_REDIS_URL = "redis://localhost:6379/1"


def embedded_socket(data_dir: Path) -> Path:
    """The socket of the embedded server: in the data folder, or in a private folder of the system's
    temporary folder where the data folder's path is too long for a socket."""
    inside = data_dir / "valkey.sock"
    if len(os.fsencode(inside)) < _MAX_SOCKET_PATH_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"pixcrawler-{digest}" / "valkey.sock"


def broker_url(configured: str, socket: Path) -> str:
    """The configured address, else the embedded server where its socket exists, else Redis on this machine."""
    if configured:
        return configured
    if socket.exists():
        return f"redis+socket://{socket}?virtual_host=1"
    return LOCAL_REDIS_URL


def with_password(url: str, password: str) -> str:
    """The address of a server with the password, where it is one over the network that holds none yet."""
    parts = urlsplit(url)
    if not password or parts.scheme not in {"redis", "rediss"} or "@" in parts.netloc:
        return url
    return parts._replace(netloc=f":{quote(password, safe='')}@{parts.netloc}").geturl()


def result_backend(configured: str, broker: str) -> str:
    """Our backend class, in front of the configured address or the broker's.

    Celery's result backend spells a socket address `socket://`, its broker `redis+socket://`.
    """
    address = configured or broker
    return "pixcrawler.results.RedisAndDatabaseBackend+" + address.replace("redis+socket://", "socket://", 1)


def client_url(broker: str) -> str:
    """The broker's address as redis-py spells it (unix://…?db=N for a socket)."""
    if broker.startswith(("redis+socket://", "socket://")):
        parts = urlsplit(broker)
        database = parts.query.removeprefix("virtual_host=") or "0"
        return f"unix://{parts.path}?db={database}"
    return broker


def described(broker: str) -> str:
    """The address without its password, for people."""
    parts = urlsplit(client_url(broker))
    if parts.scheme == "unix":
        return parts.path
    # Not .port, which refuses an address with a slip of the pen; that one has to be shown most of all.
    return parts.netloc.rpartition("@")[2] or broker
