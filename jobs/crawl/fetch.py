"""The one door through which bytes of pictures come in from the web.

libcurl moves the bytes (one deadline over name look-up, headers and body; a speed floor); this module decides what may
be asked for. The address that is dialled is checked by the callback that opens the socket, so a name that leads
elsewhere on a second look-up finds no window; redirects are followed by hand, each hop through the same rules.
Nothing of the environment is used: no proxies, no cookies, no netrc.
"""

import heapq
import itertools
import math
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin

import certifi
import pycurl

from datasets.outcomes import RETRYABLE, Reason
from jobs.crawl import curl_errors, http_status
from jobs.crawl.download import Answer, Download
from jobs.crawl.hostgate import HostGate, Permit
from jobs.crawl.netguard import AddressPolicy
from jobs.crawl.types import Candidate, Fetched, FetchFailure
from jobs.crawl.urls import InvalidUrl, host_and_port, normalise

#: How long the loop sleeps at most before it looks at `should_stop` again.
_LONGEST_WAIT_S = 0.25

#: How long it sleeps at least where libcurl has nothing to watch, so that it does not spin.
_SHORTEST_WAIT_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How much time and space one download may take, and how often it is tried.

    `connect_timeout_s` covers name look-up and encryption too; `idle_timeout_s` is without a byte; `total_timeout_s`
    is one attempt with all its redirects; `min_speed_bytes_per_s` is measured over `speed_window_s` (whole seconds).
    """

    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 10.0
    total_timeout_s: float = 30.0
    min_speed_bytes_per_s: int = 1024
    speed_window_s: int = 10
    max_body_bytes: int = 20 * 1024 * 1024
    max_header_bytes: int = 64 * 1024
    max_redirects: int = 5
    max_attempts: int = 3
    max_retry_after_s: float = 300.0
    backoff_s: float = 0.5
    max_in_flight: int = 16


@dataclass(frozen=True, slots=True)
class _Again:
    """The download goes on (next hop or next attempt) after so many seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class _Transfer:
    """A request under way: for which download, by whose leave, and what has come in."""

    download: Download
    permit: Permit
    answer: Answer


@dataclass(slots=True)
class _Waiting:
    """Downloads that are not under way, by the time when they may be; of equals, the first to come is first."""

    _heap: list[tuple[float, int, Download]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, download: Download, *, due_at: float) -> None:
        heapq.heappush(self._heap, (due_at, next(self._order), download))

    def pop_due(self, now: float) -> Download | None:
        return heapq.heappop(self._heap)[2] if self._heap and self._heap[0][0] <= now else None

    def next_due_at(self) -> float:
        return self._heap[0][0] if self._heap else math.inf


class Fetcher:
    """Downloads many candidates at once. One per process, for one thread and one call at a time.

    Connections stay open from call to call.
    """

    def __init__(self, *, limits: FetchLimits, policy: AddressPolicy, user_agent: str, gate: HostGate) -> None:
        self._limits = limits
        self._policy = policy
        self._user_agent = user_agent
        self._gate = gate
        self._multi = pycurl.CurlMulti()
        self._active: dict[pycurl.Curl, _Transfer] = {}
        self._spare_handles: list[pycurl.Curl] = []

    def fetch_many(
        self, candidates: Iterable[Candidate], *, should_stop: Callable[[], bool] = lambda: False
    ) -> Generator[tuple[Candidate, Fetched | FetchFailure], None, None]:
        """Each candidate with its bytes or the reason why there are none, as they are known, in any order.

        Ends early, without a word on the rest, when `should_stop` says so; it is asked at least every half second.
        """
        # What an abandoned call left under way (its consumer failed) is none of this call's.
        self._drop_all()
        active: dict[pycurl.Curl, _Transfer] = {}
        self._active = active
        waiting = _Waiting()
        results: deque[tuple[Candidate, Fetched | FetchFailure]] = deque()
        for candidate in candidates:
            try:
                url = self._checked(candidate.url)
            except InvalidUrl as error:
                results.append((candidate, FetchFailure(reason=error.reason.value, detail=str(error), attempts=0)))
            else:
                waiting.add(Download(candidate=candidate, first_url=url, url=url), due_at=0.0)
        try:
            while (waiting or active or results) and not should_stop():
                self._start_due(waiting)
                self._multi.perform()
                for download, result in self._ended():
                    if isinstance(result, _Again):
                        waiting.add(download, due_at=time.monotonic() + result.delay_s)
                    else:
                        results.append((download.candidate, result))
                if results:
                    yield results.popleft()
                else:
                    self._sleep(until=math.inf if self._is_full() else waiting.next_due_at())
        finally:
            if self._active is active:
                self._drop_all()

    def _checked(self, url: str) -> str:
        """The address in its one spelling, if it may be asked for. Raises InvalidUrl."""
        spelled = normalise(url)
        host, port = host_and_port(spelled)
        if not self._policy.allows_port(host, port):
            raise InvalidUrl(Reason.BLOCKED_PORT, f"Port {port} is not among those that are fetched from.")
        return spelled

    # Starting

    def _start_due(self, waiting: _Waiting) -> None:
        """Starts what is due and let through by the gate. A shut host is asked for once, and holds up nobody else."""
        now = time.monotonic()
        shut: dict[str, float] = {}
        while not self._is_full() and (download := waiting.pop_due(now)):
            host = self._gate_name(download)
            permit = shut.get(host) or self._gate.try_acquire(host)
            if isinstance(permit, Permit):
                self._start(download, permit)
            else:
                shut[host] = max(permit, _SHORTEST_WAIT_S)
                waiting.add(download, due_at=now + shut[host])

    def _is_full(self) -> bool:
        return len(self._active) >= self._limits.max_in_flight

    def _gate_name(self, download: Download) -> str:
        """A public host is one host on all its ports; the operator's own are named host:port, as they are set."""
        host, port = host_and_port(download.url)
        return f"{host}:{port}" if self._policy.is_own(host, port) else host

    def _start(self, download: Download, permit: Permit) -> None:
        answer = Answer(max_header_bytes=self._limits.max_header_bytes, max_body_bytes=self._limits.max_body_bytes)
        handle = self._spare_handles.pop() if self._spare_handles else pycurl.Curl()
        for option, value in (*self._same_for_all(), *self._own_options(download, answer)):
            handle.setopt(option, value)
        self._multi.add_handle(handle)
        self._active[handle] = _Transfer(download, permit, answer)

    def _same_for_all(self) -> tuple[tuple[int, object], ...]:
        limits = self._limits
        return (
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.USERAGENT, self._user_agent),
            (pycurl.HTTPHEADER, ["Accept: image/*,*/*;q=0.5"]),
            # Asks for plain bytes, and still reads what comes compressed.
            (pycurl.ACCEPT_ENCODING, "identity"),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.PROXY, ""),
            (pycurl.NOPROXY, "*"),
            (pycurl.NETRC, pycurl.NETRC_IGNORED),
            (pycurl.NOSIGNAL, 1),
            (pycurl.CAINFO, certifi.where()),
            (pycurl.CONNECTTIMEOUT_MS, int(limits.connect_timeout_s * 1000)),
            (pycurl.LOW_SPEED_LIMIT, limits.min_speed_bytes_per_s),
            (pycurl.LOW_SPEED_TIME, limits.speed_window_s),
        )

    def _own_options(self, download: Download, answer: Answer) -> tuple[tuple[int, object], ...]:
        left_s = self._limits.total_timeout_s - download.attempt_s
        return (
            (pycurl.URL, download.url),
            (pycurl.TIMEOUT_MS, max(1, int(left_s * 1000))),
            (pycurl.OPENSOCKETFUNCTION, self._socket_opener(download.url, answer)),
            (pycurl.HEADERFUNCTION, answer.read_header),
            (pycurl.WRITEFUNCTION, answer.read_body),
        )

    def _socket_opener(self, url: str, answer: Answer) -> Callable[..., object]:
        """Opens a socket to an address only where the policy allows it: the very address that is dialled next."""
        host, port = host_and_port(url)

        def open_socket(_purpose: int, address: tuple[int, int, int, tuple[object, ...]]) -> object:
            family, kind, protocol, target = address
            is_ip = family in (socket.AF_INET, socket.AF_INET6)
            if is_ip and self._policy.allows_address(host, port, str(target[0])):
                answer.is_dialled = True
                return socket.socket(family, kind, protocol)
            answer.is_address_refused = True
            return pycurl.SOCKET_BAD

        return open_socket

    # Ending

    def _sleep(self, *, until: float) -> None:
        """Until libcurl has something to do, a waiting download is due (`until`), or it is time to look around."""
        wait_s = min(_LONGEST_WAIT_S, until - time.monotonic())
        if wait_s <= 0:
            return
        timer_ms = self._multi.timeout()
        if self._active and timer_ms >= 0:
            wait_s = min(wait_s, timer_ms / 1000)
        wait_s = max(_SHORTEST_WAIT_S, wait_s)
        if not self._active or self._multi.select(wait_s) < 0:
            time.sleep(wait_s)

    def _ended(self) -> Iterator[tuple[Download, Fetched | FetchFailure | _Again]]:
        """Transfers that are over since the last look: ended by libcurl, or silent for too long."""
        more = 1
        while more:
            more, whole, failed = self._multi.info_read()
            for handle in whole:
                yield self._settle(handle, pycurl.E_OK, "")
            for handle, code, message in failed:
                yield self._settle(handle, code, message)
        silent_since = time.monotonic() - self._limits.idle_timeout_s
        for handle in [handle for handle, one in self._active.items() if one.answer.moved_at < silent_since]:
            yield self._settle(handle, pycurl.E_OPERATION_TIMEDOUT, "Silent for too long")

    def _settle(self, handle: pycurl.Curl, code: int, message: str) -> tuple[Download, Fetched | FetchFailure | _Again]:
        seconds, system_errno = float(handle.getinfo(pycurl.TOTAL_TIME)), int(handle.getinfo(pycurl.OS_ERRNO))
        transfer = self._put_back(handle)
        download, answer = transfer.download, transfer.answer
        download.add_time(seconds)
        if answer.is_head_complete and http_status.is_redirect(answer.status):
            return download, self._follow(download, answer.headers.get("location", ""))
        reason, detail = _verdict(answer, code, message, system_errno)
        if reason is None:
            return download, download.fetched(answer)
        delay_s = self._retry_delay(download, reason, answer.headers.get("retry-after", ""))
        if delay_s is None:
            return download, download.failure(reason, detail)
        download.begin_again()
        return download, _Again(delay_s)

    def _put_back(self, handle: pycurl.Curl) -> _Transfer:
        """Ends the handle's transfer if it is not over; its connection stays open where it can be used again."""
        transfer = self._active.pop(handle)
        self._multi.remove_handle(handle)
        handle.reset()
        self._spare_handles.append(handle)
        self._gate.release(transfer.permit)
        return transfer

    def _drop_all(self) -> None:
        for handle in list(self._active):
            self._put_back(handle)

    def _follow(self, download: Download, location: str) -> FetchFailure | _Again:
        if download.redirects >= self._limits.max_redirects:
            detail = f"The site redirects more than {self._limits.max_redirects} times."
            return download.failure(Reason.TOO_MANY_REDIRECTS, detail)
        try:
            download.url = self._checked(urljoin(download.url, location) if location else "")
        except InvalidUrl as error:
            reason = Reason.BAD_REDIRECT if error.reason is Reason.INVALID_URL else error.reason
            return download.failure(reason, f"It redirects to where we do not go. {error}")
        except ValueError:
            return download.failure(Reason.BAD_REDIRECT, "It redirects to an address that cannot be read.")
        download.redirects += 1
        return _Again(0.0)

    def _retry_delay(self, download: Download, reason: Reason, retry_after: str) -> float | None:
        """Seconds until the next attempt; None: it is not tried again."""
        if reason not in RETRYABLE or download.attempts >= self._limits.max_attempts:
            return None
        backoff_s = self._limits.backoff_s * 2 ** (download.attempts - 1) * random.uniform(0.75, 1.25)
        asked_s = http_status.retry_after_s(retry_after) or 0.0
        return max(asked_s, backoff_s) if asked_s <= self._limits.max_retry_after_s else None


def _verdict(answer: Answer, code: int, message: str, system_errno: int) -> tuple[Reason | None, str]:
    """Why a transfer that is over brought no picture, with a sentence; None where it brought bytes."""
    if answer.refusal is not None:
        return answer.refusal
    if answer.is_address_refused and not answer.is_dialled:
        return Reason.BLOCKED_ADDRESS, "The address does not lead to the public internet."
    # A status that says no is the answer, even if the page that explains it never came whole.
    said_no = answer.is_head_complete and answer.status != 200
    if code and not said_no:
        return curl_errors.reason(code, message, system_errno=system_errno, body_begun=bool(answer.body))
    return http_status.reason(answer.status, len(answer.body))
