"""A small web on loopback that misbehaves on demand, and counts who asked for what.

with FaultWeb() as web:
    web.on("/a.jpg", answer(body))
    web.on("/b.jpg", in_turn(answer(status=503), answer(body)))
    ... web.url("/a.jpg"), web.requests["/a.jpg"]
"""

import contextlib
import gzip
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

#: Longer than any limit that a test sets; a stall ends with the web at the latest.
_STALL_S = 30.0

#: How a client begins that wants encryption; there is none here.
_TLS_HANDSHAKE = b"\x16"


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and the socket for its answer; `keep_open` is set by answers that leave the connection sound."""

    target: str
    headers: Mapping[str, str]
    connection: socket.socket
    stopped: threading.Event
    keep_open: bool = False

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self.send("\r\n".join(lines).encode("utf-8"))

    def wait(self, seconds: float) -> None:
        self.stopped.wait(seconds)


Behaviour = Callable[[Exchange], None]


class FaultWeb:
    """Serves what was put at its paths; 404 elsewhere.

    Counters: `requests` per path, `connections` in all, `most_open` connections and `most_at_once` requests.
    """

    def __init__(self, host: str = "127.0.0.1", *, port: int = 0) -> None:
        self.host = host
        self.requests: Counter[str] = Counter()
        self.connections = 0
        self.most_open = 0
        self.most_at_once = 0
        self.seen_headers: dict[str, Mapping[str, str]] = {}
        self._behaviours: dict[str, Behaviour] = {}
        self._under_way = 0
        self._open = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._listener = socket.create_server((host, port), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host_port(self) -> str:
        return f"{self.host}:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.host_port}{path}"

    def on(self, path: str, behaviour: Behaviour) -> str:
        """Puts a behaviour at a path (without query); gives the path's address."""
        self._behaviours[path] = behaviour
        return self.url(path)

    def close(self) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open += 1
                self.most_open = max(self.most_open, self._open)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._answer(connection)
        finally:
            with self._lock:
                self._open -= 1

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            if connection.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            while not self._stopped.is_set():
                request = _read_request(stream)
                if request is None:
                    return
                exchange = Exchange(target=request[0], headers=request[1], connection=connection, stopped=self._stopped)
                with self._counted(exchange):
                    path = exchange.target.partition("?")[0]
                    self._behaviours.get(path, answer(b"nothing here", status=404))(exchange)
                if not exchange.keep_open:
                    return

    @contextlib.contextmanager
    def _counted(self, exchange: Exchange) -> Iterator[None]:
        path = exchange.target.partition("?")[0]
        with self._lock:
            self.requests[path] += 1
            self.seen_headers[path] = exchange.headers
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1


def _read_request(stream: BinaryIO) -> tuple[str, dict[str, str]] | None:
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = {}
    while (field_line := stream.readline().decode("latin-1").strip()) != "":
        name, _, value = field_line.partition(":")
        headers[name.lower()] = value.strip()
    stream.read(int(headers.get("content-length", 0)))
    return line[1], headers


# Behaviours


def answer(body: bytes = b"", *, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """A sound answer with its length; the connection stays open."""

    def behave(exchange: Exchange) -> None:
        exchange.head(status, {"Content-Length": str(len(body)), "Content-Type": "image/jpeg", **(headers or {})})
        exchange.send(body)
        exchange.keep_open = True

    return behave


def redirect(location: str, *, status: int = 302) -> Behaviour:
    return answer(status=status, headers={"Location": location})


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first behaviour for the first request, and so on; the last one for all that follow."""
    *firsts, last = behaviours
    left = iter(firsts)

    def behave(exchange: Exchange) -> None:
        next(left, last)(exchange)

    return behave


def raw(data: bytes) -> Behaviour:
    """These bytes and the end of the connection."""

    def behave(exchange: Exchange) -> None:
        exchange.send(data)

    return behave


def slow(body: bytes, *, seconds: float) -> Behaviour:
    """A sound answer, after a while."""

    def behave(exchange: Exchange) -> None:
        exchange.wait(seconds)
        answer(body)(exchange)

    return behave


def stall() -> Behaviour:
    """Takes the request and says nothing."""

    def behave(exchange: Exchange) -> None:
        exchange.wait(_STALL_S)

    return behave


def stall_in_body(sent: bytes, *, declared: int) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(declared)})
        exchange.send(sent)
        exchange.wait(_STALL_S)

    return behave


def drip(*, interval_s: float, data: bytes = b"x", declared: int = 60_000) -> Behaviour:
    """A body that comes a little at a time, for ever."""

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(declared)})
        while not exchange.stopped.is_set():
            exchange.send(data)
            exchange.wait(interval_s)

    return behave


def drip_headers(*, interval_s: float) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        while not exchange.stopped.is_set():
            exchange.send(b"X-More: 1\r\n")
            exchange.wait(interval_s)

    return behave


def endless_headers() -> Behaviour:
    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        while not exchange.stopped.is_set():
            exchange.send(b"X-More: " + b"y" * 1000 + b"\r\n")

    return behave


def endless_chunks() -> Behaviour:
    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Transfer-Encoding": "chunked"})
        chunk = b"%x\r\n%s\r\n" % (16384, b"z" * 16384)
        while not exchange.stopped.is_set():
            exchange.send(chunk)

    return behave


def declared_length(body: bytes, *, declared: int) -> Behaviour:
    """A Content-Length that is not the body's."""

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(declared), "Connection": "close"})
        exchange.send(body)

    return behave


def without_length(body: bytes) -> Behaviour:
    """A body that ends with the connection."""

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Connection": "close"})
        exchange.send(body)

    return behave


def reset(sent: bytes = b"") -> Behaviour:
    """Breaks the connection by a TCP reset, after `sent`."""

    def behave(exchange: Exchange) -> None:
        if sent:
            exchange.send(sent)
            exchange.wait(0.2)
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behave


def gzipped(body: bytes) -> Behaviour:
    """Compresses although it was asked not to."""
    packed = gzip.compress(body)
    return answer(packed, headers={"Content-Encoding": "gzip"})
