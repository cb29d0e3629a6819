"""Browsers that watch one job, as many as wanted, in one process: `python -m bench.watchers` reads what to do as JSON.

Each asks over a connection of its own, which it opens anew where the server closed it, for what the answer before
named, as often as that said (or every `every_s`). It ends with SIGTERM, or when every watcher was told that the job has
ended, and writes what came of it as JSON.
"""

import asyncio
import html
import json
import re
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

_NEXT = re.compile(rb'hx-get="([^"]+)" hx-trigger="every (\d+)s"')
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_STOP_POLLING = 286


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Whom to ask for what; a watcher for each cookie. `every_s` None: as often as the page says."""

    port: int
    address: str
    cookies: Sequence[str]
    every_s: float | None = None


@dataclass(slots=True)
class Watched:
    """Answers by status, what did not come, bodies in bytes, seconds until each answer, seconds it all took."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: int = 0
    body_bytes: int = 0
    waits_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> str:
        quantiles = statistics.quantiles(self.waits_s, n=20) if len(self.waits_s) > 1 else [0.0] * 19
        told = {"failures": self.failures, "body_bytes": self.body_bytes, "seconds": self.seconds}
        return json.dumps({**told, "statuses": self.statuses, "median_s": quantiles[9], "p95_s": quantiles[18]})


class _Watcher:
    def __init__(self, order: Order, cookie: str, watched: Watched) -> None:
        self._order = order
        self._cookie = cookie
        self._watched = watched
        self._address = order.address
        self._every_s = order.every_s or 2.0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, starts_in_s: float) -> None:
        await asyncio.sleep(starts_in_s)
        status = 0
        while status != _STOP_POLLING:
            asked_at = time.perf_counter()
            try:
                status, body = await self._ask()
            except (OSError, EOFError):
                self._streams = None
                self._watched.failures += 1
            else:
                self._watched.waits_s.append(time.perf_counter() - asked_at)
                self._watched.statuses[status] += 1
                self._watched.body_bytes += len(body)
                self._read(body)
            await asyncio.sleep(max(0.0, self._every_s - (time.perf_counter() - asked_at)))

    async def _ask(self) -> tuple[int, bytes]:
        """Asks once more over a new connection where the server has closed the old one meanwhile, as browsers do."""
        is_old = self._streams is not None
        try:
            return await self._exchange()
        except (OSError, EOFError):
            self._streams = None
            if not is_old:
                raise
            return await self._exchange()

    async def _exchange(self) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._order.port)
        reader, writer = self._streams
        writer.write(
            f"GET {self._address} HTTP/1.1\r\nHost: 127.0.0.1:{self._order.port}\r\nHX-Request: true\r\n"
            f"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nCookie: {self._cookie}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if b"\r\nconnection: close" in head.lower():
            writer.close()
            self._streams = None
        return int(head[9:12]), body

    def _read(self, body: bytes) -> None:
        if named := _NEXT.search(body):
            self._address = html.unescape(named[1].decode())
            self._every_s = self._order.every_s or float(named[2])


async def _watch(order: Order) -> Watched:
    watched = Watched()
    started = time.perf_counter()
    spread_s = 2.0 / max(1, len(order.cookies))
    runs = (_Watcher(order, cookie, watched).run(number * spread_s) for number, cookie in enumerate(order.cookies))
    everybody = asyncio.gather(*runs)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, everybody.cancel)
    with suppress(asyncio.CancelledError):
        await everybody
    watched.seconds = time.perf_counter() - started
    return watched


def main() -> None:
    watched = asyncio.run(_watch(Order(**json.load(sys.stdin))))
    sys.stdout.write(watched.to_json())


if __name__ == "__main__":
    main()
