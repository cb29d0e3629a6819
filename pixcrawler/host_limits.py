"""Reads PIXCRAWLER_HOST_LIMITS: which hosts are asked more or less often than others."""

import math
import re
from collections.abc import Collection

from pixcrawler.env import ConfigurationError, items

_ENTRY = re.compile(
    r"(?P<host>\[[0-9a-f:.]+\](?::\d+)?|[^\s=/:]+(?::\d+)?)=(?P<connections>\d{1,4})/(?P<seconds>[\d.]+)"
)


def host_limits(name: str, *, free_hosts: Collection[str]) -> dict[str, tuple[int, float]]:
    """Connections and seconds apart by host, out of `host=connections/seconds` separated by commas.

    A port is for `free_hosts` alone: any other host is one host on all its ports. Raises ConfigurationError.
    """
    return dict(_entry(name, text.lower(), free_hosts) for text in items(name))


def _entry(name: str, text: str, free_hosts: Collection[str]) -> tuple[str, tuple[int, float]]:
    match = _ENTRY.fullmatch(text)
    seconds = _seconds(match["seconds"]) if match else None
    if match is None or seconds is None or int(match["connections"]) == 0:
        raise ConfigurationError(
            f"{name} holds {text!r}, which is not host=connections/seconds, such as example.org=2/0.5. "
            "Mend it in .env or the shell."
        )
    host = match["host"]
    if re.search(r":\d+$", host.rpartition("]")[2]) and host not in free_hosts:
        raise ConfigurationError(
            f"{name} names {host} with a port, which is only for hosts of PIXCRAWLER_ALLOW_HOSTS. "
            "Add it there, or leave the port out."
        )
    return host, (int(match["connections"]), seconds)


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
