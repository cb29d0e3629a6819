"""A loopback service that is searched: it pages, counts, refuses and limits as the one does that an adapter is for.

with FaultWeb() as web:
    service = Service(case, web, count=45)
    service.refuse(too_many(retry_after="17"))     # the next request; then it answers
    service.allowed_requests = 3                   # from then on 429
    ... service.asked, service.headers
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from jobs.crawl.filters import Filters
from jobs.crawl.sources.base import (
    Exchange,
    Services,
    Source,
    SourceConfig,
    SourceError,
    SourceModule,
)
from jobs.crawl.types import Candidate
from jobs.tests.crawl import faultweb
from jobs.tests.crawl.faultweb import Behaviour, FaultWeb, answer

Item = dict[str, Any]

#: What a service says when it is asked too often, unless a case says otherwise.
PAGE = b"<!doctype html><title>Sign in</title><p>Please sign in.</p>"
RIDDLE = b"<!doctype html><title>Hold on</title><form id=captcha>Are you a robot?</form>"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request asks for: results from number `start` on, `size` of them."""

    start: int
    size: int


@dataclass(frozen=True, kw_only=True)
class SourceCase:
    """What sets one service apart from the others; `jobs.tests.crawl.matrix` tests the rest.

    `path`: where the search is served; `url`: the configured address, as a path of the test's web.
    `item`: a full result, for a number and the address of its picture; `expected`: the candidate of item 0.
    `bare`: the least result there can be. `odd`: results, or things in their place, that give no candidate.
    `body`: the answer, for results, the number of all results and what was asked; `asked`: reads that from the query.
    `errors`: (status, body, class of the error) as the service words its refusals.
    `changed`: answers with status 200 that are not of the promised shape.
    `filters`: (filters, parameters that they become; None: is not sent). `pages_html`: the service answers with pages,
    not JSON. `has_total`: it says how many results there are; `tells_end`: its last page says that it is the last.
    `has_pages`: it gives more than one page.
    `warm_up`: other paths that the adapter asks before it searches, each with its answer.
    """

    module: SourceModule
    path: str
    url: str
    item: Callable[[int, str], Item]
    bare: Callable[[str], Item]
    body: Callable[[Sequence[object], int, Asked], object]
    asked: Callable[[Mapping[str, str]], Asked]
    expected: Candidate
    page_size: int = 10
    cap: int | None = None
    credentials: Mapping[str, str] = field(default_factory=dict)
    odd: Sequence[object] = ()
    errors: Sequence[tuple[int, object, type[SourceError]]] = ()
    changed: Sequence[object] = ()
    filters: Sequence[tuple[Filters, Mapping[str, str | None]]] = ()
    pages_html: bool = False
    has_total: bool = True
    tells_end: bool = True
    has_pages: bool = True
    warm_up: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.module.INFO.name


@dataclass
class Service:
    """Serves `results` (else `count` items) at the case's path."""

    case: SourceCase
    web: FaultWeb
    count: int = 0
    results: Sequence[object] | None = None
    allowed_requests: int | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    paced: list[int] = field(default_factory=list)
    _next: list[Behaviour] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.web.on(self.case.path, self)
        for path, body in self.case.warm_up.items():
            self.web.on(path, answering(body))

    def refuse(self, *behaviours: Behaviour) -> None:
        """The next requests get these, one each."""
        self._next += behaviours

    def picture_url(self, number: int) -> str:
        return self.web.url(f"/pictures/{number}.jpg")

    def source(self, **config: Any) -> Source:
        """The adapter, as it would be built for this service."""
        given: dict[str, Any] = {
            "url": self.web.url(self.case.url),
            "credentials": self.case.credentials,
            "page_size": self.case.page_size,
            "result_cap": self.case.cap if self.case.cap is not None else self.case.module.INFO.result_cap,
            "user_agent": "PixCrawler/test",
            "options": {one.name: one.default for one in self.case.module.INFO.options},
            **config,
        }
        services = Services(pace=lambda: self.paced.append(len(self.asked)), exchanged=self.exchanges.append)
        return self.case.module.build(SourceConfig(**given), services)

    def __call__(self, exchange: faultweb.Exchange) -> None:
        query = dict(parse_qsl(exchange.query, keep_blank_values=True))
        self.asked.append(query)
        self.headers.append(exchange.headers)
        if self._next:
            self._next.pop(0)(exchange)
            return
        if self.allowed_requests is not None and len(self.asked) > self.allowed_requests:
            too_many()(exchange)
            return
        results: Sequence[object] = (
            [self.case.item(number, self.picture_url(number)) for number in range(self.count)]
            if self.results is None
            else self.results
        )
        wanted = self.case.asked(query)
        shown = results[wanted.start : wanted.start + wanted.size]
        answering(self.case.body(shown, len(results), wanted))(exchange)


def answering(body: object, status: int = 200, **headers: str) -> Behaviour:
    """An answer of JSON; of text or bytes as they are."""
    data = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, (str, bytes)) else "application/json"
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(data, status=status, headers={"Content-Type": f"{kind}; charset=utf-8", **given})


def too_many(retry_after: str | None = None, status: int = 429) -> Behaviour:
    """A refusal for now."""
    return answering({}, status, **({"Retry_After": retry_after} if retry_after is not None else {}))
