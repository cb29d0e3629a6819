"""Asks sources, and leaves them alone while their breaker is open. Every question to one passes here."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from jobs import source_health, wiring
from jobs.crawl.breaker import Go, Rest
from jobs.crawl.sources import slicing
from jobs.crawl.sources.base import Exchange, LocalSource, Quota, Source, SourceError
from jobs.crawl.types import Cursor, Page, Query
from jobs.models import Job
from jobs.source_health import Kind

#: What an error of a source says of its health; any other one says nothing: the question was at fault.
KIND_OF: Final[Mapping[str, Kind]] = {
    "source_captcha": Kind.CAPTCHA,
    "source_shape_changed": Kind.SHAPE_CHANGED,
    "source_rate_limited": Kind.RATE_LIMITED,
    "source_refused": Kind.REFUSED,
    "source_unavailable": Kind.UNAVAILABLE,
}


#: What a check searches for: every service has some.
_CHECK_WORD = "flower"


class SourceResting(SourceError):
    """Nobody asks the source for `wait_s`: it failed several times in a row, or asked for patience."""

    code = "source_resting"
    retryable = True

    def __init__(self, title: str, wait_s: float) -> None:
        until = datetime.now(UTC) + timedelta(seconds=wait_s)
        super().__init__(
            f"{title} is left alone until {until:%H:%M:%S} UTC, for it kept failing or asked for patience; the page "
            "Sources says how. One request finds out then whether it is back."
        )
        self.wait_s = wait_s


class Exchanges:
    """What a source's requests took and told; `add` is what wiring.source_for wants to be given."""

    def __init__(self) -> None:
        self._heard: list[Exchange] = []

    def add(self, exchange: Exchange) -> None:
        self._heard.append(exchange)

    def taken(self) -> tuple[float, tuple[Quota, ...]]:
        """Seconds and newest quotas since the last call. Waiting for our turn is no part of the seconds."""
        heard, self._heard = self._heard, []
        return sum(one.seconds for one in heard), next((one.quotas for one in reversed(heard) if one.quotas), ())


def check(name: str) -> str:
    """Asks the source for one page, also while it is left alone; gives its trouble as a sentence, "" for none."""
    exchanges = Exchanges()
    query = Query(keyword=_CHECK_WORD, label=_CHECK_WORD)
    try:
        source = wiring.source_for(name, Job(), should_stop=lambda: False, exchanged=exchanges.add)
        ask(source, query, None, exchanges, heeds_breaker=False)
    except SourceError as error:
        return str(error)
    return ""


def ask(
    source: Source, query: Query, cursor: Cursor | None, exchanges: Exchanges, *, heeds_breaker: bool = True
) -> Page:
    """The page at the cursor; counts how the source answered. Raises a SourceError, SourceResting among them."""
    if not is_watched(source):
        return slicing.page_of(source, query, cursor)
    name, breaker = source.info.name, source_health.breaker()
    leave = breaker.enter(name) if heeds_breaker else Go()
    if isinstance(leave, Rest):
        raise SourceResting(source.info.title, leave.wait_s)
    kind: Kind | None = None
    words, pause_s = "", 0.0
    try:
        page = slicing.page_of(source, query, cursor)
        kind = Kind.OK
    except SourceError as error:
        kind, words, pause_s = KIND_OF.get(error.code), str(error), error.retry_after_s or 0.0
        raise
    finally:
        seconds, quotas = exchanges.taken()
        source_health.note_quotas(name, quotas)
        if kind is None:
            breaker.undecided(name)
        else:
            breaker.note(name, kind, seconds=seconds, words=words, pause_s=pause_s)
    return page


def is_watched(source: Source) -> bool:
    """Whether the source is a service on the network, which may fail."""
    return not isinstance(source, LocalSource) and bool(source.info.url or source.info.needs_url)
