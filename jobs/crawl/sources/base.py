"""What every source of candidates offers, and how it says that it cannot.

One file per source beside this one; `jobs.crawl.sources.registry` is the list of them.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jobs.crawl.types import Candidate, Cursor, Fetched, FetchFailure, Page, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What people are told of a source before they choose it.

    `is_metered`: the service counts what it is asked, so no page is asked for before it is needed.
    """

    name: str
    title: str
    hint: str
    licence_known: bool
    needs_keyword: bool = True
    result_cap: int | None = None
    is_metered: bool = False


@runtime_checkable
class Source(Protocol):
    """Lists candidates for a query, a page at a time."""

    info: SourceInfo

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        """The page at `cursor` (None: the first). Raises a SourceError."""
        ...


@runtime_checkable
class LocalSource(Source, Protocol):
    """A source whose pictures are not on the network: it reads them itself."""

    def read(self, candidate: Candidate) -> Fetched | FetchFailure: ...


class SourceError(Exception):
    """A source could not list candidates. The message is a whole sentence for people: what happened, what to do."""

    code = "source_error"
    retryable = False

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceUnavailable(SourceError):
    """The service could not be reached, or answered with a 5xx."""

    code = "source_unavailable"
    retryable = True


class SourceRateLimited(SourceError):
    """The service asks for patience (429); `retry_after_s` says for how long where it told."""

    code = "source_rate_limited"
    retryable = True


class SourceRefused(SourceError):
    """The service refuses this installation: a bad or missing key, or forbidden (401, 403)."""

    code = "source_refused"


class SourceBadRequest(SourceError):
    """The service does not accept the question (400, 404, 422)."""

    code = "source_bad_request"


class SourceShapeChanged(SourceError):
    """The answer is not what the service's documentation promises."""

    code = "source_shape_changed"
