"""The one door through which bytes of pictures come in from the web.

libcurl moves the bytes (one deadline over name look-up, headers and body; a speed floor); this module decides what may
be asked for. The address that is dialled is checked by the callback that opens the socket, so a name that leads
elsewhere on a second look-up finds no window; redirects are followed by hand, each hop through the same rules.
"""

import math
import random
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin

import pycurl

from datasets.outcomes import RETRYABLE, Reason
from jobs.crawl import curl_errors, curl_request, http_status
from jobs.crawl.admission import OPEN, Admission
from jobs.crawl.curl_request import FetchLimits
from jobs.crawl.download import Answer, Download
from jobs.crawl.hostgate import Health, HostGate, Permit, health_of
from jobs.crawl.netguard import AddressPolicy
from jobs.crawl.types import Candidate, Fetched, FetchFailure, Refusal
from jobs.crawl.urls import InvalidUrl, host_and_port
from jobs.crawl.waiting import Waiting
from jobs.crawl.window import Window

#: How long the loop sleeps at most before it looks at `should_stop` again.
_LONGEST_WAIT_S = 0.25

#: How long it sleeps at least where libcurl has nothing to watch, so that it does not spin.
_SHORTEST_WAIT_S = 0.005

#: Connections that are kept, open or idle, for each request that may be under way: hosts take turns.
_CONNECTIONS_PER_REQUEST = 4

#: How long a host is left alone, by everybody, that answers 429 without saying for how long.
_PAUSE_AFTER_429_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Nothing has ended at the moment.

    `under_way` requests go on. Of the candidates in hand `waiting` have not begun, or wait for another attempt; the
    first of them may begin in `wait_s` (infinite for none).
    """

    under_way: int
    waiting: int
    wait_s: float


Arrival = tuple[Candidate, Fetched | FetchFailure]


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


@dataclass(slots=True, kw_only=True)
class _Call:
    """What one call of `fetch_many` has in hand, and the caller's terms.

    `parked` waits for a robots.txt to be read, by its address.
    """

    queue: deque[Candidate]
    room: Callable[[], float]
    attempts: dict[str, int]
    admission: Admission
    active: dict[pycurl.Curl, _Transfer] = field(default_factory=dict)
    waiting: Waiting = field(default_factory=Waiting)
    results: deque[Arrival] = field(default_factory=deque)
    parked: dict[str, list[Download]] = field(default_factory=dict)


class Fetcher:
    """Downloads many candidates at once. One per process, for one thread and one call at a time.

    Connections to hosts that are not held back stay open from call to call, and names are looked up once for all.
    """

    def __init__(
        self, *, limits: FetchLimits, policy: AddressPolicy, user_agent: str, gate: HostGate, ca_bundle: str = ""
    ) -> None:
        self._limits = limits
        self._policy = policy
        self._gate = gate
        self._same_for_all = curl_request.same_for_all(limits, user_agent=user_agent, ca_bundle=ca_bundle)
        self._window = Window(least=limits.in_flight, most=limits.max_in_flight)
        self._multi = pycurl.CurlMulti()
        # libcurl's own limit follows the requests under way, and falls as they become few.
        self._multi.setopt(pycurl.M_MAXCONNECTS, limits.max_in_flight * _CONNECTIONS_PER_REQUEST)
        self._active: dict[pycurl.Curl, _Transfer] = {}
        self._spare_handles: list[pycurl.Curl] = []

    def fetch_many(
        self,
        queue: deque[Candidate],
        *,
        room: Callable[[], float] = lambda: math.inf,
        attempts: dict[str, int] | None = None,
        admission: Admission = OPEN,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Generator[Arrival | Idle, None, None]:
        """Each candidate with its bytes or the reason why there are none, as they are known, in any order.

        Candidates are taken off the queue while others that are in hand wait for their hosts, so that a slow host
        holds up nobody; the caller may fill it up whenever an Idle says that nothing has ended at the moment. `room` is
        how many requests may be under way, looked at before each. `attempts` is how often an address was tried
        without an end, in earlier calls too. `admission` has a say in every request and in every answer.

        Ends when all is done, or, without a word on the rest, when `should_stop` says so; it is asked at least every
        half second.
        """
        # What an abandoned call left under way (its consumer failed) is none of this call's.
        self._drop_all()
        call = _Call(queue=queue, room=room, attempts={} if attempts is None else attempts, admission=admission)
        self._active = call.active
        try:
            while not should_stop():
                self._start_due(call)
                self._multi.perform()
                self._collect(call)
                if call.results:
                    yield call.results.popleft()
                    self._window.note()
                    continue
                yield _idle(call)
                if not (call.queue or call.active or call.waiting):
                    return
                if not (call.queue and self._has_room(call)):
                    self._rest(call)
        finally:
            if self._active is call.active:
                self._drop_all()

    # Starting

    def _start_due(self, call: _Call) -> None:
        """Starts what is due and let through by the gate. A shut host is asked for once, and holds up nobody else."""
        now = time.monotonic()
        shut: dict[str, float] = {}
        while self._has_room(call) and (download := call.waiting.pop_due(now) or self._next_of_queue(call)):
            if not _is_admitted(download, call):
                continue
            host = self._gate_name(download)
            permit = shut.get(host) or self._gate.try_acquire(host)
            if isinstance(permit, Permit):
                self._start(download, permit)
            else:
                shut[host] = max(permit, _SHORTEST_WAIT_S)
                call.waiting.add(download, due_at=now + shut[host])

    def _has_room(self, call: _Call) -> bool:
        under_way = len(call.active)
        return under_way < self._window.size and under_way + len(call.results) < call.room()

    def _next_of_queue(self, call: _Call) -> Download | None:
        while call.queue:
            candidate = call.queue.popleft()
            try:
                url = self._policy.checked(candidate.url)
            except InvalidUrl as error:
                failure = FetchFailure(reason=error.reason.value, detail=str(error), attempts=0)
                call.results.append((candidate, failure))
            else:
                attempts = 1 + call.attempts.get(candidate.url, 0)
                return Download(
                    candidate=candidate, first_url=url, url=url, admission=call.admission, attempts=attempts
                )
        return None

    def _gate_name(self, download: Download) -> str:
        """A public host is one host on all its ports; the operator's own are named host:port, as they are set."""
        host, port = host_and_port(download.url)
        return f"{host}:{port}" if self._policy.is_own(host, port) else host

    def _start(self, download: Download, permit: Permit) -> None:
        limits = self._limits
        answer = download.answer(max_header_bytes=limits.max_header_bytes, max_body_bytes=limits.max_body_bytes)
        opener = curl_request.socket_opener(download.url, answer, policy=self._policy, gate=self._gate, permit=permit)
        own = curl_request.of_one(
            download, answer, left_s=limits.total_timeout_s - download.attempt_s, opener=opener, lent=bool(permit.token)
        )
        handle = self._spare_handles.pop() if self._spare_handles else pycurl.Curl()
        for option, value in (*self._same_for_all, *own):
            handle.setopt(option, value)
        self._multi.add_handle(handle)
        self._active[handle] = _Transfer(download, permit, answer)

    # Ending

    def _rest(self, call: _Call) -> None:
        """Sleeps, and tells the window whether more requests would have been of use meanwhile."""
        is_full = bool(call.queue) and len(call.active) >= self._window.size
        began = time.monotonic()
        self._sleep(until=call.waiting.next_due_at() if self._has_room(call) else math.inf)
        self._window.note(waited_s=time.monotonic() - began if is_full else 0.0)

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

    def _collect(self, call: _Call) -> None:
        for download, result in self._ended():
            url = download.candidate.url
            if isinstance(result, _Again):
                call.waiting.add(download, due_at=time.monotonic() + result.delay_s)
                if download.attempts > 1 and not download.errand_for:
                    call.attempts[url] = download.attempts - 1
            elif download.errand_for:
                _end_errand(download.errand_for, result, call)
            else:
                call.results.append((download.candidate, result))
                call.attempts.pop(url, None)

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
        longest_s = self._limits.max_retry_after_s
        system_errno = int(handle.getinfo(pycurl.OS_ERRNO))
        download, answer = self._active[handle].download, self._active[handle].answer
        download.add_time(float(handle.getinfo(pycurl.TOTAL_TIME)))
        if answer.busy_s and not answer.is_dialled:
            # The host leads to an address that others use to the full: nothing was asked, and nothing is known.
            self._put_back(handle)
            return download, _Again(answer.busy_s)
        if answer.is_head_complete and http_status.is_redirect(answer.status):
            self._put_back(handle, health=Health.ANSWERED)
            return download, self._follow(download, answer.headers.get("location", ""))
        reason, detail = _verdict(answer, code, message, system_errno)
        asked_s = _patience_s(reason, answer)
        permit = self._put_back(
            handle,
            health=health_of(reason, is_answered=answer.is_head_complete),
            pause_s=min(asked_s or (_PAUSE_AFTER_429_S if reason is Reason.HTTP_429 else 0.0), longest_s),
        )
        if reason is None:
            return download, download.ended(answer)
        if asked_s > longest_s:
            detail = f"The host asks for {asked_s:,.0f} s of patience; we wait {longest_s:,.0f} s at most."
            return download, download.failure(reason, detail)
        # A probe's failure is the answer for its candidate: a host that is away is asked once for each.
        if reason not in RETRYABLE or download.attempts >= self._limits.max_attempts or permit.is_probe:
            return download, download.failure(reason, detail)
        delay_s = self._retry_delay_s(download, asked_s)
        download.begin_again()
        return download, _Again(delay_s)

    def _put_back(self, handle: pycurl.Curl, *, health: Health = Health.UNKNOWN, pause_s: float = 0.0) -> Permit:
        """Ends the handle's transfer if it is not over, and gives its permit back."""
        permit = self._active.pop(handle).permit
        self._multi.remove_handle(handle)
        handle.reset()
        self._spare_handles.append(handle)
        self._gate.release(permit, health=health, pause_s=pause_s)
        return permit

    def _drop_all(self) -> None:
        for handle in list(self._active):
            self._put_back(handle)

    def _follow(self, download: Download, location: str) -> FetchFailure | _Again:
        if download.redirects >= self._limits.max_redirects:
            detail = f"The site redirects more than {self._limits.max_redirects} times."
            return download.failure(Reason.TOO_MANY_REDIRECTS, detail)
        try:
            download.url = self._policy.checked(urljoin(download.url, location) if location else "")
        except InvalidUrl as error:
            reason = Reason.BAD_REDIRECT if error.reason is Reason.INVALID_URL else error.reason
            return download.failure(reason, f"It redirects to where we do not go. {error}")
        except ValueError:
            return download.failure(Reason.BAD_REDIRECT, "It redirects to an address that cannot be read.")
        download.redirects += 1
        return _Again(0.0)

    def _retry_delay_s(self, download: Download, asked_s: float) -> float:
        """Doubled with each attempt, at least what the host asked for, and never the same for two candidates."""
        backoff_s = self._limits.backoff_s * 2.0 ** (download.attempts - 1) * random.uniform(0.75, 1.25)
        return max(backoff_s, asked_s + random.uniform(0.0, self._limits.backoff_s))


def _is_admitted(download: Download, call: _Call) -> bool:
    """Whether the download may go on to its address; else it is parked until a robots.txt is read, or refused."""
    if download.errand_for or download.admitted_url == download.url:
        return True
    said = call.admission.ask(download.url, is_hop=download.redirects > 0)
    if said is None:
        download.admitted_url = download.url
        return True
    if isinstance(said, Refusal):
        _refuse(download, said, call)
        return False
    if said not in call.parked:
        call.waiting.add(Download.errand(said), due_at=0.0)
    call.parked.setdefault(said, []).append(download)
    return False


def _end_errand(robots_url: str, result: Fetched | FetchFailure, call: _Call) -> None:
    """Lets go on what waited for a robots.txt, but for the first one where the host was out of reach."""
    parked = call.parked.pop(robots_url)
    if refusal := call.admission.learn(robots_url, result):
        _refuse(parked.pop(0), refusal, call)
    for download in parked:
        call.waiting.add(download, due_at=0.0)


def _refuse(download: Download, refusal: Refusal, call: _Call) -> None:
    call.results.append((download.candidate, download.failure(*refusal)))
    call.attempts.pop(download.candidate.url, None)


def _idle(call: _Call) -> Idle:
    due_s = 0.0 if call.queue else max(0.0, call.waiting.next_due_at() - time.monotonic())
    waiting = len(call.queue) + len(call.waiting) + sum(map(len, call.parked.values()))
    return Idle(under_way=len(call.active), waiting=waiting, wait_s=due_s)


def _patience_s(reason: Reason | None, answer: Answer) -> float:
    """The seconds of a Retry-After that comes with "too many requests" or with trouble; else 0."""
    if reason not in (Reason.HTTP_429, Reason.HTTP_5XX):
        return 0.0
    return http_status.retry_after_s(answer.headers.get("retry-after", "")) or 0.0


def _verdict(answer: Answer, code: int, message: str, system_errno: int) -> tuple[Reason | None, str]:
    """Why a transfer that is over brought no picture, with a sentence; None where it brought bytes."""
    if answer.refusal is not None:
        return answer.refusal
    if answer.is_address_refused and not answer.is_dialled:
        return Reason.BLOCKED_ADDRESS, "The address does not lead to the public internet."
    if answer.is_cut:
        return None, ""
    # A status that says no is the answer, even if the page that explains it never came whole.
    said_no = answer.is_head_complete and answer.status != 200
    if code and not said_no:
        return curl_errors.reason(code, message, system_errno=system_errno, body_begun=bool(answer.body))
    return http_status.reason(answer.status, len(answer.body))
