"""One candidate on its way through hops and attempts, and an answer as it comes in."""

import time
from dataclasses import dataclass, field

from datasets.outcomes import Reason
from jobs.crawl.types import Candidate, Fetched, FetchFailure

#: So much of a body that is thrown away (an error page) is read, to keep the connection; a longer one is cut off.
_DISCARDED_BYTES = 64 * 1024

#: What a libcurl callback gives to end the transfer.
_STOP = -1


@dataclass(slots=True, kw_only=True)
class Answer:
    """An answer as it comes in. `read_header` and `read_body` are libcurl's callbacks; they hold the caps.

    `refusal` says why we ended the transfer ourselves. `moved_at` is when the last byte came (monotonic seconds).
    Of a host's addresses, one was dialled (`is_dialled`), refused (`is_address_refused`), or had no connection to spare
    for another `busy_s`; or some of each.
    """

    max_header_bytes: int
    max_body_bytes: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    is_head_complete: bool = False
    body: bytearray = field(default_factory=bytearray)
    refusal: tuple[Reason, str] | None = None
    is_dialled: bool = False
    is_address_refused: bool = False
    busy_s: float = 0.0
    moved_at: float = field(default_factory=time.monotonic)
    _header_bytes: int = 0
    _discarded_bytes: int = 0

    def read_header(self, line: bytes) -> int | None:
        self.moved_at = time.monotonic()
        self._header_bytes += len(line)
        if self._header_bytes > self.max_header_bytes:
            self.refusal = Reason.HEADERS_TOO_LARGE, f"The headers are larger than {self.max_header_bytes:,} bytes."
            return _STOP
        text = _decoded(line).strip()
        if text.startswith("HTTP/"):
            # An interim answer (100, 103) has headers of its own, which are not those of the answer.
            self.headers.clear()
            self.status = _status(text)
        elif not text:
            self.is_head_complete = self.status >= 200
            return self._refuse_declared_size() if self.is_head_complete else None
        elif not self.is_head_complete:
            name, _, value = text.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        return None

    def read_body(self, data: bytes) -> int | None:
        self.moved_at = time.monotonic()
        if self.status != 200:
            self._discarded_bytes += len(data)
            return _STOP if self._discarded_bytes > _DISCARDED_BYTES else None
        if len(self.body) + len(data) > self.max_body_bytes:
            return self._refuse_size()
        self.body += data
        return None

    def _refuse_declared_size(self) -> int | None:
        declared = self.headers.get("content-length", "")
        is_too_large = declared.isascii() and declared.isdigit() and int(declared) > self.max_body_bytes
        return self._refuse_size() if is_too_large and self.status == 200 else None

    def _refuse_size(self) -> int:
        self.refusal = Reason.TOO_LARGE, f"The file is larger than {self.max_body_bytes:,} bytes."
        return _STOP


@dataclass(slots=True, kw_only=True)
class Download:
    """A candidate between its first request and its result.

    `first_url` and `url` are normalised: where an attempt begins, and the hop in hand. `attempt_s` and `seconds` are
    transfer times, of this attempt's earlier hops and of all of them; neither counts waiting.
    """

    candidate: Candidate
    first_url: str
    url: str
    attempts: int = 1
    redirects: int = 0
    attempt_s: float = 0.0
    seconds: float = 0.0

    def add_time(self, seconds: float) -> None:
        self.attempt_s += seconds
        self.seconds += seconds

    def begin_again(self) -> None:
        """The next attempt starts where the first one did: a redirect's target may have been good for one request."""
        self.attempts += 1
        self.url = self.first_url
        self.redirects = 0
        self.attempt_s = 0.0

    def fetched(self, answer: Answer) -> Fetched:
        return Fetched(
            body=bytes(answer.body),
            final_url=self.url,
            content_type=answer.headers.get("content-type", ""),
            seconds=self.seconds,
            attempts=self.attempts,
        )

    def failure(self, reason: Reason, detail: str) -> FetchFailure:
        return FetchFailure(reason=reason.value, detail=detail, seconds=self.seconds, attempts=self.attempts)


def _decoded(line: bytes) -> str:
    """Header text: UTF-8 as sites send it today, Latin-1 as the old standard has it."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _status(status_line: str) -> int:
    number = status_line.split(maxsplit=2)[1:2]
    return int(number[0]) if number and number[0].isascii() and number[0].isdigit() else 0
