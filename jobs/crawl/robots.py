"""robots.txt (RFC 9309): what an origin asks of us, read once in a while and kept for all workers.

It is fetched through the one door, as pictures are. A text gives rules; an answer of 4xx means that there are none; an
answer of 5xx, or one that cannot be read, means no. Where the host itself is out of reach its pictures get the reason
of that, which a retry may help.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

from protego import Protego

from datasets.outcomes import Reason
from jobs.crawl.optouts import PRODUCT_TOKEN
from jobs.crawl.types import Fetched, FetchFailure, Refusal

#: So much of a robots.txt is read; what lies behind does not hold.
MAX_BYTES = 500 * 1024

#: How long an answer holds, in seconds: rules, "there is none", and trouble.
_RULES_HOLD_S = 24 * 3600.0
_NONE_HOLDS_S = 3600.0
_TROUBLE_HOLDS_S = 60.0

#: Origins whose rules one process keeps parsed.
_KEPT = 256

#: The site has no robots.txt that we could be held to.
_NO_RULES = frozenset(
    {
        Reason.HTTP_401,
        Reason.HTTP_403,
        Reason.HTTP_404,
        Reason.HTTP_410,
        Reason.HTTP_429,
        Reason.HTTP_4XX,
        Reason.EMPTY_BODY,
        Reason.TOO_MANY_REDIRECTS,
        Reason.BAD_REDIRECT,
    }
)

#: Where we do not go, whatever is asked there.
_BLOCKED = frozenset({Reason.BLOCKED_SCHEME, Reason.BLOCKED_PORT, Reason.BLOCKED_ADDRESS, Reason.BLOCKED_DOMAIN})

#: The host could not be asked for its robots.txt, nor for the picture beside it.
_OUT_OF_REACH = frozenset(
    {
        Reason.DNS_ERROR,
        Reason.CONNECT_ERROR,
        Reason.TIMEOUT,
        Reason.TOO_SLOW,
        Reason.TLS_ERROR,
        Reason.CONNECTION_RESET,
        Reason.INCOMPLETE_BODY,
        Reason.INTERNAL_ERROR,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsTxt:
    """What an origin's robots.txt came to: `text`, or why it could not be read (`reason`, a code, and `detail`).

    Without either there are no rules. `read_at` and `expires_at` are Unix times in seconds.
    """

    read_at: float
    expires_at: float
    text: str = ""
    reason: str = ""
    detail: str = ""


class RobotsStore(Protocol):
    """Keeps what was read for all workers. It may forget anything at any time, and never raises."""

    def get(self, origin: str) -> RobotsTxt | None: ...

    def put(self, origin: str, robots: RobotsTxt) -> None: ...


class NoStore:
    """For a process on its own."""

    def get(self, origin: str) -> RobotsTxt | None:  # noqa: ARG002
        return None

    def put(self, origin: str, robots: RobotsTxt) -> None:
        """Forgotten at once."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    robots: RobotsTxt
    rules: Protego | None


@dataclass(slots=True, kw_only=True)
class Robots:
    """The rules of many origins. One per process."""

    store: RobotsStore = field(default_factory=NoStore)
    clock: Callable[[], float] = time.time
    _parsed: OrderedDict[str, _Parsed] = field(default_factory=OrderedDict)

    def ask(self, url: str) -> Refusal | str | None:
        """None: a normalised address may be fetched. A text: the robots.txt that has to be read first."""
        known = self._rules_of(url)
        if known is None:
            return f"{origin_of(url)}/robots.txt"
        if known.robots.reason:
            return _refusal(Reason(known.robots.reason), known.robots.detail, origin_of(url))
        if known.rules is None or known.rules.can_fetch(url, PRODUCT_TOKEN):
            return None
        return Refusal(Reason.ROBOTS_DISALLOWED, f"{origin_of(url)}/robots.txt disallows this address.")

    def said(self, url: str) -> str:
        """What robots.txt said of an address that was fetched just now, with the time when it was read."""
        known = self._parsed.get(origin_of(url))
        if known is None:
            return "allows"
        read_at = datetime.fromtimestamp(known.robots.read_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{'allows' if known.rules else 'there is none'} (read {read_at})"

    def learn(self, robots_url: str, answer: Fetched | FetchFailure) -> Refusal | None:
        """Takes in what came of reading an origin's robots.txt, for all workers.

        Gives a refusal where the host is out of reach: it is meant for the one picture that asked, and nothing is
        known. So every picture has its own attempts, and a host that fails again and again is left alone by its gate.
        """
        origin, now = origin_of(robots_url), self.clock()
        if isinstance(answer, FetchFailure) and answer.reason in _OUT_OF_REACH:
            detail = f"{origin}/robots.txt could not be read, so nothing is fetched there. {answer.detail}"
            return Refusal(Reason(answer.reason), detail)
        robots = _read(answer, now)
        self.store.put(origin, robots)
        self._keep(origin, robots)
        return None

    def _rules_of(self, url: str) -> _Parsed | None:
        origin = origin_of(url)
        known = self._parsed.get(origin)
        if known and known.robots.expires_at > self.clock():
            self._parsed.move_to_end(origin)
            return known
        robots = self.store.get(origin)
        return self._keep(origin, robots) if robots and robots.expires_at > self.clock() else None

    def _keep(self, origin: str, robots: RobotsTxt) -> _Parsed:
        parsed = _Parsed(robots, Protego.parse(robots.text) if robots.text else None)
        self._parsed[origin] = parsed
        self._parsed.move_to_end(origin)
        while len(self._parsed) > _KEPT:
            self._parsed.popitem(last=False)
        return parsed


def origin_of(url: str) -> str:
    """Scheme, host and port of a normalised address: whom a robots.txt speaks for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _refusal(reason: Reason, detail: str, origin: str) -> Refusal:
    if reason in _BLOCKED:
        return Refusal(reason, detail)
    told = f"{origin}/robots.txt could not be read, so nothing is fetched there. {detail}"
    return Refusal(Reason.ROBOTS_DISALLOWED, told)


def _read(answer: Fetched | FetchFailure, now: float) -> RobotsTxt:
    if isinstance(answer, Fetched):
        text = answer.body[:MAX_BYTES].decode("utf-8-sig", errors="replace")
        return RobotsTxt(read_at=now, expires_at=now + _RULES_HOLD_S, text=text)
    if answer.reason in _NO_RULES:
        return RobotsTxt(read_at=now, expires_at=now + _NONE_HOLDS_S)
    return RobotsTxt(read_at=now, expires_at=now + _TROUBLE_HOLDS_S, reason=answer.reason, detail=answer.detail)
