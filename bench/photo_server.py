"""A loopback web of photographs: /p/N.jpg is a picture with bytes of its own, for every number N.

A file of the folder answers for many numbers; a comment inside tells them apart, so that no two have the same checksum
and nothing has to be encoded. A process of its own per latency, one thread, no copy but the one that the socket makes.
"""

import asyncio
import multiprocessing
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from bench.certificates import Certificate
from datasets.tests.pictures import drawn, encoded

_DRAWN = 60
_START_OF_IMAGE = b"\xff\xd8"
_REQUEST = re.compile(rb"GET /p/(\d+)\.jpg(?:\?\S*)? ")
_SEND_BUFFER_BYTES = 1024 * 1024
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def photographs(folder: Path | None) -> list[bytes]:
    """The JPEG files of the folder in the order of their names, or drawn ones where none is given.

    Raises FileNotFoundError for a folder without any.
    """
    if folder is None:
        return [encoded(drawn(560, 420, seed=seed), quality=92) for seed in range(_DRAWN)]
    bodies = [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
    jpegs = [body for body in bodies if body.startswith(_START_OF_IMAGE)]
    if not jpegs:
        raise FileNotFoundError(f"{folder} has no JPEG file. Name a folder of photographs, or none to have some drawn.")
    return jpegs


def around_comment(jpeg: bytes) -> tuple[bytes, bytes]:
    """The file in two parts, between which a comment may stand: readers expect JFIF or EXIF first of all."""
    at = 2
    if jpeg[2:3] == b"\xff" and 0xE0 <= jpeg[3] <= 0xEF:
        at = 4 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:at], jpeg[at:]


def numbered(parts: tuple[bytes, bytes], number: int) -> tuple[bytes, bytes, bytes]:
    """The pieces of the picture with that number: as long for one number as for another."""
    note = b"picture %010d" % number
    return parts[0], b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note, parts[1]


class _Answers(asyncio.Protocol):
    """One connection; requests are answered one by one, each after the latency."""

    def __init__(self, pictures: Sequence[tuple[bytes, bytes]], latency_s: float) -> None:
        self._pictures = pictures
        self._latency_s = latency_s
        self._loop = asyncio.get_running_loop()
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._asked += data
        while b"\r\n\r\n" in self._asked:
            head, _, self._asked = self._asked.partition(b"\r\n\r\n")
            self._loop.call_later(self._latency_s, self._answer, head) if self._latency_s else self._answer(head)

    def _answer(self, head: bytes) -> None:
        transport = self._transport
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101
        if transport.is_closing():
            return
        transport.write(self._reply(head))
        if b"\r\nconnection: close" in head.lower():
            transport.close()

    def _reply(self, head: bytes) -> bytes:
        asked = _REQUEST.match(head)
        if asked is None:
            return _NOT_FOUND
        number = int(asked[1])
        pieces = numbered(self._pictures[number % len(self._pictures)], number)
        size = sum(map(len, pieces))
        return b"".join((b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % size, *pieces))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a web listens: at the same port of all its addresses, encrypted where it has a certificate."""

    addresses: Sequence[str] = ("127.0.0.1",)
    certificate: Certificate | None = None

    def context(self) -> ssl.SSLContext | None:
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.file, self.certificate.key)
        return context


#: A plain web at one address.
ANYWHERE = Place()


def _serve(bodies: Sequence[bytes], latency_s: float, place: Place, tell: Connection) -> None:
    asyncio.run(_listen([around_comment(body) for body in bodies], latency_s, place, tell))


async def _listen(pictures: Sequence[tuple[bytes, bytes]], latency_s: float, place: Place, tell: Connection) -> None:
    loop, context, port = asyncio.get_running_loop(), place.context(), 0
    for address in place.addresses:
        listener = socket.create_server((address, port), backlog=1024)
        # Connections inherit it: a picture should fit into one call.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        port = listener.getsockname()[1]
        await loop.create_server(lambda: _Answers(pictures, latency_s), sock=listener, ssl=context)
    tell.send(port)
    await loop.create_future()


@contextmanager
def serving(bodies: Sequence[bytes], *, latency_s: float, place: Place = ANYWHERE) -> Iterator[int]:
    """Runs the web in a process of its own; gives its port."""
    hear, tell = multiprocessing.Pipe(duplex=False)
    arguments = (bodies, latency_s, place, tell)
    process = multiprocessing.get_context("fork").Process(target=_serve, args=arguments, daemon=True)
    process.start()
    tell.close()
    try:
        yield int(hear.recv())
    finally:
        process.terminate()
        process.join()


def rate_per_s(port: int, *, pictures: int = 2_000, connections: int = 4) -> float:
    """Pictures per second that one client gets which throws them away: what the server can do at least."""
    open_ones = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    buffer = bytearray(4 * _SEND_BUFFER_BYTES)
    started = time.perf_counter()
    for first in range(0, pictures, connections):
        for offset, connection in enumerate(open_ones):
            connection.sendall(b"GET /p/%d.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % (first + offset))
        for connection in open_ones:
            _read_one(connection, buffer)
    elapsed_s = time.perf_counter() - started
    for connection in open_ones:
        connection.close()
    return pictures / elapsed_s


def _read_one(connection: socket.socket, buffer: bytearray) -> None:
    read, end = 0, -1
    while end < 0 or read < end:
        read += connection.recv_into(memoryview(buffer)[read:])
        if end < 0 and (head := buffer.find(b"\r\n\r\n", 0, min(read, 4096))) >= 0:
            size = re.search(rb"Content-Length: (\d+)", buffer[:head])
            end = head + 4 + (int(size[1]) if size else 0)


def folder_of_environment() -> Path | None:
    """The folder that PIXCRAWLER_BENCH_PHOTOS names."""
    named = os.environ.get("PIXCRAWLER_BENCH_PHOTOS")
    return Path(named).expanduser() if named else None
