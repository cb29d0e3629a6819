"""One candidate on its way through hops and attempts, and an answer as it comes in."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from datasets.outcomes import Reason
from jobs.crawl import robots
from jobs.crawl.admission import OPEN, Admission
from jobs.crawl.optouts import REPEATABLE
from jobs.crawl.types import Candidate, Fetched, FetchFailure, Refusal

#: So much of a body that is thrown away (an error page) is read, to keep the connection; a longer one is cut off.
_DISCARDED_BYTES = 64 * 1024

#: What a libcurl callback gives to end the transfer.
_STOP = -1


@dataclass(slots=True, kw_only=True)
class Answer:
    """An answer as it comes in. `read_header` and `read_body` are libcurl's callbacks; they hold the caps.

    `judge_head` may refuse the body by the headers. `refusal` says why we ended the transfer ourselves; where
    `keeps_beginning`, a body that is too large is cut instead (`is_cut`). `moved_at` is when the last byte came
    (monotonic seconds). Of a host's addresses, one was dialled (`is_dialled`), refused (`is_address_refused`), or had
    no connection to spare for another `busy_s`; or some of each.
    """

    max_header_bytes: int
    max_body_bytes: int
    judge_head: Callable[[Mapping[str, str]], Refusal | None] = OPEN.judge_head
    keeps_beginning: bool = False
    is_cut: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    is_head_complete: bool = False
    body: bytearray = field(default_factory=bytearray)
    refusal: Refusal | None = None
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
            self.refusal = Refusal(
                Reason.HEADERS_TOO_LARGE, f"The headers are larger than {self.max_header_bytes:,} bytes."
            )
            return _STOP
        text = _decoded(line).strip()
        if text.startswith("HTTP/"):
            # An interim answer (100, 103) has headers of its own, which are not those of the answer.
            self.headers.clear()
            self.status = _status(text)
        elif not text:
            self.is_head_complete = self.status >= 200
            return self._refuse_by_head() if self.is_head_complete and self.status == 200 else None
        elif not self.is_head_complete:
            self._add_header(*text.split(":", 1))
        return None

    def read_body(self, data: bytes) -> int | None:
        self.moved_at = time.monotonic()
        if self.status != 200:
            self._discarded_bytes += len(data)
            return _STOP if self._discarded_bytes > _DISCARDED_BYTES else None
        if len(self.body) + len(data) > self.max_body_bytes:
            if not self.keeps_beginning:
                return self._refuse_size()
            self.is_cut = True
            data = data[: self.max_body_bytes - len(self.body)]
        self.body += data
        return _STOP if self.is_cut else None

    def _add_header(self, name: str, value: str = "") -> None:
        name, value = name.strip().lower(), value.strip()
        if name in REPEATABLE and name in self.headers:
            value = f"{self.headers[name]}\n{value}"
        self.headers[name] = value

    def _refuse_by_head(self) -> int | None:
        self.refusal = self.judge_head(self.headers)
        if self.refusal is not None:
            return _STOP
        declared = self.headers.get("content-length", "")
        is_too_large = declared.isascii() and declared.isdigit() and int(declared) > self.max_body_bytes
        return self._refuse_size() if is_too_large and not self.keeps_beginning else None

    def _refuse_size(self) -> int:
        self.refusal = Refusal(Reason.TOO_LARGE, f"The file is larger than {self.max_body_bytes:,} bytes.")
        return _STOP


@dataclass(slots=True, kw_only=True)
class Download:
    """A candidate between its first request and its result.

    `first_url` and `url` are normalised: where an attempt begins, and the hop in hand. `attempt_s` and `seconds` are
    transfer times, of this attempt's earlier hops and of all of them; neither counts waiting. `errand_for` is the
    robots.txt that this download reads on behalf of others, "" for a picture; `admitted_url` the last address that its
    admission let it go to.
    """

    candidate: Candidate
    first_url: str
    url: str
    admission: Admission = OPEN
    errand_for: str = ""
    admitted_url: str = ""
    attempts: int = 1
    redirects: int = 0
    attempt_s: float = 0.0
    seconds: float = 0.0

    @classmethod
    def errand(cls, robots_url: str) -> Self:
        """Reads a robots.txt, which nobody has a say in."""
        return cls(
            candidate=Candidate(url=robots_url, source="robots"),
            first_url=robots_url,
            url=robots_url,
            errand_for=robots_url,
        )

    def answer(self, *, max_header_bytes: int, max_body_bytes: int) -> Answer:
        """An answer to be filled, with the limits of what is read."""
        if self.errand_for:
            return Answer(max_header_bytes=max_header_bytes, max_body_bytes=robots.MAX_BYTES, keeps_beginning=True)
        return Answer(
            max_header_bytes=max_header_bytes,
            max_body_bytes=max_body_bytes,
            judge_head=self.admission.judge_head,
        )

    def add_time(self, seconds: float) -> None:
        self.attempt_s += seconds
        self.seconds += seconds

    def begin_again(self) -> None:
        """The next attempt starts where the first one did: a redirect's target may have been good for one request."""
        self.attempts += 1
        self.url = self.first_url
        self.redirects = 0
        self.attempt_s = 0.0

    def ended(self, answer: Answer) -> Fetched | FetchFailure:
        """The bytes, unless they say that they are not for us."""
        body = bytes(answer.body)
        judged = self.admission.judge_body(self.url, answer.headers, body)
        if isinstance(judged, Refusal):
            return self.failure(*judged)
        return Fetched(
            body=body,
            final_url=self.url,
            content_type=answer.headers.get("content-type", ""),
            seconds=self.seconds,
            attempts=self.attempts,
            evidence=judged,
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
