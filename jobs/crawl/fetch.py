"""The one door through which bytes of pictures come in from the web.

libcurl moves the bytes (one deadline over name look-up, headers and body; a speed floor; caps on headers and body);
this module decides what may be asked for. The address that is dialled is checked by the callback that opens the
socket, so a name that leads elsewhere on a second look-up finds no window; redirects are followed by hand, each
hop through the same rules. Nothing of the environment is used: no proxies, no cookies, no netrc.
"""

import heapq
import itertools
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import certifi
import pycurl

from datasets.outcomes import RETRYABLE, Reason
from jobs.crawl import curl_errors, http_status
from jobs.crawl.hostgate import HostGate
from jobs.crawl.netguard import AddressPolicy
from jobs.crawl.types import Candidate, Fetched, FetchFailure
from jobs.crawl.urls import DEFAULT_PORTS, InvalidUrl, normalise

#: How long the loop sleeps at most before it looks at `should_stop` again.
_LONGEST_WAIT_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How much time and space one download may take, and how often it is tried."""

    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 10.0
    total_timeout_s: float = 30.0
    min_speed_bytes_per_s: int = 1024
    max_body_bytes: int = 20 * 1024 * 1024
    max_header_bytes: int = 64 * 1024
    max_redirects: int = 5
    max_attempts: int = 3
    max_retry_after_s: float = 30.0
    backoff_s: float = 0.5
    max_in_flight: int = 16


@dataclass(slots=True, kw_only=True)
class _Download:
    """One candidate on its way: its state over redirects and attempts."""

    candidate: Candidate
    url: str
    attempts: int = 1
    redirects: int = 0
    seconds: float = 0.0
    body: bytearray = field(default_factory=bytearray)
    headers: dict[str, str] = field(default_factory=dict)
    header_bytes: int = 0
    too_large: bool = False
    headers_too_large: bool = False
    blocked: bool = False
    gate_key: str = ""

    @property
    def host_port(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]

    def begin(self) -> None:
        self.body, self.headers, self.header_bytes = bytearray(), {}, 0
        self.too_large = self.headers_too_large = self.blocked = False


class Fetcher:
    """Downloads many candidates at once. One per process; connections are kept open between calls."""

    def __init__(self, *, limits: FetchLimits, policy: AddressPolicy, user_agent: str, gate: HostGate) -> None:
        self._limits = limits
        self._policy = policy
        self._user_agent = user_agent
        self._gate = gate
        self._multi = pycurl.CurlMulti()
        self._idle_handles: list[pycurl.Curl] = []

    def fetch_many(
        self, candidates: Iterable[Candidate], *, should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Candidate, Fetched | FetchFailure]]:
        """Each candidate with its bytes or the reason why there are none, as they are known, in any order.

        Ends early, without a word on the rest, when `should_stop` says so.
        """
        order = itertools.count()
        waiting: list[tuple[float, int, _Download]] = []
        active: dict[pycurl.Curl, _Download] = {}
        for candidate in candidates:
            try:
                waiting.append((0.0, next(order), _Download(candidate=candidate, url=self._checked(candidate.url))))
            except InvalidUrl as error:
                yield candidate, FetchFailure(reason=error.reason.value, detail=str(error))
        try:
            while (waiting or active) and not should_stop():
                wait_s = self._start_due(waiting, active)
                self._multi.select(min(wait_s, _LONGEST_WAIT_S)) if active else time.sleep(min(wait_s, _LONGEST_WAIT_S))
                for handle, code, message in self._ended():
                    download = active.pop(handle)
                    result = self._judge(handle, download, code, message)
                    self._put_back(handle, download)
                    if isinstance(result, float):
                        heapq.heappush(waiting, (time.monotonic() + result, next(order), download))
                    else:
                        yield download.candidate, result
        finally:
            for handle, download in active.items():
                self._put_back(handle, download)

    def _start_due(
        self,
        waiting: list[tuple[float, int, _Download]],
        active: dict[pycurl.Curl, _Download],
    ) -> float:
        """Starts what is due and let through by the gate; gives the seconds until something else may be due."""
        now = time.monotonic()
        held: list[tuple[float, int, _Download]] = []
        while waiting and waiting[0][0] <= now and len(active) < self._limits.max_in_flight:
            _, number, download = heapq.heappop(waiting)
            host, port = download.host_port
            download.gate_key = f"{host}:{port}"
            wait_s = self._gate.try_acquire(download.gate_key)
            if wait_s > 0:
                held.append((now + wait_s, number, download))
                continue
            handle = self._idle_handles.pop() if self._idle_handles else pycurl.Curl()
            self._prepare(handle, download)
            self._multi.add_handle(handle)
            active[handle] = download
        for entry in held:
            heapq.heappush(waiting, entry)
        return max(0.0, waiting[0][0] - now) if waiting else _LONGEST_WAIT_S

    def _ended(self) -> Iterator[tuple[pycurl.Curl, int, str]]:
        """Transfers that ended since the last look, with libcurl's code (0: a whole answer) and message."""
        while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        more = 1
        while more:
            more, done, failed = self._multi.info_read()
            yield from ((handle, 0, "") for handle in done)
            yield from failed

    def _put_back(self, handle: pycurl.Curl, download: _Download) -> None:
        self._multi.remove_handle(handle)
        handle.reset()
        self._idle_handles.append(handle)
        self._gate.release(download.gate_key)

    def _checked(self, url: str) -> str:
        """The address in its one spelling, if it may be asked for. Raises InvalidUrl."""
        spelled = normalise(url)
        parts = urlsplit(spelled)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
        if not self._policy.allows_port(host, port):
            raise InvalidUrl(Reason.BLOCKED_PORT, f"Port {port} is not fetched from; only 80 and 443 are.")
        return spelled

    def _prepare(self, handle: pycurl.Curl, download: _Download) -> None:
        limits = self._limits
        download.begin()
        host, port = download.host_port
        for option, value in (
            (pycurl.URL, download.url),
            (pycurl.USERAGENT, self._user_agent),
            (pycurl.HTTPHEADER, ["Accept: image/*,*/*;q=0.5", "Accept-Encoding: identity"]),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.PROXY, ""),
            (pycurl.NOPROXY, "*"),
            (pycurl.NETRC, pycurl.NETRC_IGNORED),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.NOSIGNAL, 1),
            (pycurl.CAINFO, certifi.where()),
            (pycurl.CONNECTTIMEOUT_MS, int(limits.connect_timeout_s * 1000)),
            (pycurl.TIMEOUT_MS, int(limits.total_timeout_s * 1000)),
            (pycurl.LOW_SPEED_LIMIT, limits.min_speed_bytes_per_s),
            (pycurl.LOW_SPEED_TIME, max(1, int(limits.idle_timeout_s))),
            (pycurl.MAXFILESIZE_LARGE, limits.max_body_bytes),
            (pycurl.OPENSOCKETFUNCTION, self._socket_opener(download, host, port)),
            (pycurl.HEADERFUNCTION, self._header_reader(download)),
            (pycurl.WRITEFUNCTION, self._body_reader(download)),
        ):
            handle.setopt(option, value)

    def _socket_opener(self, download: _Download, host: str, port: int) -> Callable[..., object]:
        def open_socket(_purpose: int, address: tuple[int, int, int, tuple[object, ...]]) -> object:
            family, kind, protocol, target = address
            numeric = target[0].decode() if isinstance(target[0], bytes) else str(target[0])
            if family not in (socket.AF_INET, socket.AF_INET6) or not self._policy.allows_address(host, port, numeric):
                download.blocked = True
                return pycurl.SOCKET_BAD
            return socket.socket(family, kind, protocol)

        return open_socket

    def _header_reader(self, download: _Download) -> Callable[[bytes], int | None]:
        def read_header(line: bytes) -> int | None:
            download.header_bytes += len(line)
            if download.header_bytes > self._limits.max_header_bytes:
                download.headers_too_large = True
                return -1
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                download.headers[name.strip().lower()] = value.strip()
            return None

        return read_header

    def _body_reader(self, download: _Download) -> Callable[[bytes], int | None]:
        def read_body(data: bytes) -> int | None:
            if len(download.body) + len(data) > self._limits.max_body_bytes:
                download.too_large = True
                return -1
            download.body += data
            return None

        return read_body

    def _judge(
        self, handle: pycurl.Curl, download: _Download, code: int, message: str
    ) -> Fetched | FetchFailure | float:
        """The result of an ended transfer, or the seconds after which the download goes on (next hop or attempt)."""
        download.seconds += handle.getinfo(pycurl.TOTAL_TIME)
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        failed = self._transport_failure(download, code, message) if code else None
        if failed is None and 300 <= status < 400 and status != 304:
            return self._follow(download)
        reason, detail = failed or http_status.reason(status, download.headers, len(download.body))
        if reason is None:
            return Fetched(
                body=bytes(download.body),
                final_url=download.url,
                content_type=download.headers.get("content-type", ""),
                seconds=download.seconds,
                attempts=download.attempts,
            )
        delay_s = self._retry_delay(download, reason)
        if delay_s is not None:
            download.attempts += 1
            download.redirects = 0
            return delay_s
        return self._failure(download, reason, detail)

    def _transport_failure(self, download: _Download, code: int, message: str) -> tuple[Reason, str]:
        if download.blocked:
            return Reason.BLOCKED_ADDRESS, "The address does not lead to the public internet."
        if download.too_large or code == pycurl.E_FILESIZE_EXCEEDED:
            return Reason.TOO_LARGE, f"The file is larger than {self._limits.max_body_bytes:,} bytes."
        if download.headers_too_large:
            return Reason.HEADERS_TOO_LARGE, f"The headers are larger than {self._limits.max_header_bytes:,} bytes."
        return curl_errors.reason(code, message, body_begun=bool(download.body))

    def _follow(self, download: _Download) -> FetchFailure | float:
        location = download.headers.get("location", "")
        if download.redirects >= self._limits.max_redirects:
            detail = f"The site redirects more than {self._limits.max_redirects} times."
            return self._failure(download, Reason.TOO_MANY_REDIRECTS, detail)
        try:
            target = urljoin(download.url, location) if location else ""
            download.url = self._checked(target)
        except InvalidUrl as error:
            reason = Reason.BAD_REDIRECT if error.reason is Reason.INVALID_URL else error.reason
            return self._failure(download, reason, f"It redirects to where we do not go. {error}")
        except ValueError:
            return self._failure(download, Reason.BAD_REDIRECT, "It redirects to an address that cannot be read.")
        download.redirects += 1
        return 0.0

    def _retry_delay(self, download: _Download, reason: Reason) -> float | None:
        """Seconds until the next attempt; None: it is not tried again."""
        if reason not in RETRYABLE or download.attempts >= self._limits.max_attempts:
            return None
        asked_s = http_status.retry_after_s(download.headers.get("retry-after", ""))
        if asked_s is not None:
            return asked_s if asked_s <= self._limits.max_retry_after_s else None
        backoff_s: float = self._limits.backoff_s * 2 ** (download.attempts - 1)
        return backoff_s * random.uniform(0.75, 1.25)

    @staticmethod
    def _failure(download: _Download, reason: Reason, detail: str) -> FetchFailure:
        return FetchFailure(reason=reason.value, detail=detail, seconds=download.seconds, attempts=download.attempts)
