"""What every source of candidates offers, what it is given, and how it says that it cannot.

One file per source beside this one, with `INFO` and `build`; docs/adding-a-source.md is the recipe, and
`jobs.crawl.sources.registry` the list.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import IO, Final, Protocol, runtime_checkable

from requests.adapters import HTTPAdapter

from datasets.outcomes import Reason
from jobs.crawl.filters import Filter
from jobs.crawl.hostgate import HostLimit
from jobs.crawl.redaction import redacted
from jobs.crawl.types import Candidate, Cursor, Fetched, FetchFailure, Page, Query, Slice
from jobs.crawl.url_list import ListedUrl

#: All values of a filter.
EVERY: Final = frozenset({"*"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a service wants to know of us. `name` makes the setting's name: PIXCRAWLER_<SOURCE>_<NAME>.

    `where` tells people where they get it.
    """

    name: str
    title: str
    where: str = ""
    is_required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What somebody has to confirm before the source is used: the gist of it, and where the terms are."""

    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A setting of this source alone, PIXCRAWLER_<SOURCE>_<NAME>; `kind` is str, int, float or bool."""

    name: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What people are told of a source before they choose it, and what it needs and keeps to.

    `url`: where the service is, "" for none; `needs_url`: an operator has to give it.
    `applies`: the filters that the service applies itself, each with the values that it knows (`EVERY`: all).
    `licence_known`, `date_known`, `mature_known`: whether its results tell these facts.
    `result_cap`: results that it gives for one search, whatever it has.
    `requests_per_minute` (0: no limit) is kept by all workers together; `host_limits` are what the hosts
    of its pictures ask for.
    `is_metered`: the service counts what it is asked, so no page is asked for before it is needed.
    `is_given`: people bring the list themselves, so it is read to its end.
    `best_effort`: no official interface; it may break any day.
    `ml_use` is what its candidates say of machine learning unless they say otherwise: unknown, allowed or restricted.
    `refusal_hint` ends the sentence on what to check when the service refuses.
    """

    name: str
    title: str
    hint: str
    licence_known: bool
    date_known: bool = False
    mature_known: bool = False
    needs_keyword: bool = True
    url: str = ""
    needs_url: bool = False
    credentials: tuple[Credential, ...] = ()
    terms: Terms | None = None
    options: tuple[Option, ...] = ()
    applies: Mapping[Filter, frozenset[str]] = field(default_factory=dict)
    page_size: int | None = None
    result_cap: int | None = None
    requests_per_minute: float = 0.0
    host_limits: Mapping[str, HostLimit] = field(default_factory=dict)
    is_metered: bool = False
    is_given: bool = False
    best_effort: bool = False
    ml_use: str = "unknown"
    refusal_hint: str = ""

    def setting(self, name: str) -> str:
        """The environment variable for one of its settings: "url" -> PIXCRAWLER_OPENVERSE_URL."""
        return f"PIXCRAWLER_{self.name}_{name}".upper()

    def applies_itself(self, wanted: Filter, value: str) -> bool:
        """Whether the service leaves out by itself what does not pass the filter."""
        known = self.applies.get(wanted, frozenset())
        return known == EVERY or value in known


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """What an operator set for a source. `timeout_s` is for a whole answer; `options` by their names."""

    url: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    page_size: int = 20
    result_cap: int | None = None
    requests_per_minute: float = 0.0
    user_agent: str = "PixCrawler"
    timeout_s: float = 15.0
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a service says is left: `name` is its own word for the limit, "" where there is one."""

    name: str
    remaining: int | None
    limit: int | None = None
    resets_in_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request to a service: how long it took without the wait for our turn; `status` is None without an answer."""

    seconds: float
    status: int | None
    quotas: tuple[Quota, ...] = ()


#: label, first position, count -> the lines of the job's list of addresses from there on
WindowReader = Callable[[str, int, int], Sequence[ListedUrl]]


#: address -> a web page, by the rules of every fetch
PageReader = Callable[[str], Fetched | FetchFailure]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenArchive:
    """A ZIP file that was uploaded with the job: its name in our store, and the label of what lies in no folder of it.

    `open` raises OSError, FileNotFoundError where it was removed.
    """

    name: str
    root_label: str
    open: Callable[[], IO[bytes]]


def _no_page(_url: str) -> Fetched | FetchFailure:
    return FetchFailure(reason=Reason.HTTP_404, detail="There is no web here.")


def _today() -> date:
    return datetime.now(UTC).date()


def new_connections() -> HTTPAdapter:
    """Connections that the sources of a process share."""
    return HTTPAdapter(pool_connections=16, pool_maxsize=4, max_retries=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a source is given to work with; the defaults do for tests.

    `pace` returns when the next request may be sent, `clock` is in monotonic seconds, `today` is a day in UTC,
    `exchanged` hears of every request; `ca_bundle` is as in jobs.crawl.curl_request.
    """

    pace: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    today: Callable[[], date] = _today
    connections: HTTPAdapter = field(default_factory=new_connections)
    ca_bundle: str = ""
    exchanged: Callable[[Exchange], None] = lambda _: None
    read_list: WindowReader = lambda _label, _start, _count: ()
    read_page: PageReader = _no_page
    archive: GivenArchive | None = None


@runtime_checkable
class Source(Protocol):
    """Lists candidates for a query, a page at a time."""

    @property
    def info(self) -> SourceInfo: ...

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        """The page at `cursor` (None: the first). Raises a SourceError."""
        ...


@runtime_checkable
class SlicedSource(Source, Protocol):
    """A source with a cap, which its own filters cut into parts that are below it."""

    def slices(self, query: Query) -> Sequence[Slice]:
        """The parts of the query's slice (None: of all there is), () where it cannot be cut further.

        They depend on nothing but the query and the day, and a later day only adds parts at the end.
        """
        ...


@runtime_checkable
class LocalSource(Source, Protocol):
    """A source whose pictures are not on the network: it reads them itself."""

    def read(self, candidate: Candidate) -> Fetched | FetchFailure: ...


@runtime_checkable
class ReportingSource(Source, Protocol):
    """A service that wants to be told of every picture that was fetched (`Candidate.report_url`)."""

    def report_fetched(self, candidate: Candidate) -> None:
        """Raises a SourceError."""
        ...


class SourceModule(Protocol):
    """What the file of a source offers."""

    INFO: SourceInfo

    def build(self, config: SourceConfig, services: Services) -> Source: ...


class SourceError(Exception):
    """A source could not list candidates. The message is a whole sentence for people: what happened, what to do."""

    code = "source_error"
    retryable = False

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(redacted(message))
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


class SourceCaptcha(SourceError):
    """The service wants to see a person solve a riddle before it answers."""

    code = "source_captcha"


class SourceBadRequest(SourceError):
    """The service does not accept the question (400, 404, 422)."""

    code = "source_bad_request"


class SourceShapeChanged(SourceError):
    """The answer is not what the service's documentation promises."""

    code = "source_shape_changed"
