"""What the work on one image costs at least: each stage by itself, one after the other in one thread."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from datasets.imaging.inspect import inspect
from datasets.imaging.types import Extras, ImageFacts, ImageLimits
from jobs.crawl.curl_request import FetchLimits
from jobs.crawl.fetch import Fetcher, Idle
from jobs.crawl.hostgate import HostRules, LocalHostGate
from jobs.crawl.netguard import AddressPolicy
from jobs.crawl.types import Candidate, Fetched

_LIMITS = ImageLimits()
_WITH_QUALITY = Extras(quality=True)

_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCosts:
    """Milliseconds of processor time per image. `picture` is decoding, both hashes and the thumbnail.

    `quality` are the scores that only a validation computes.
    """

    fetch_ms: float
    sha256_ms: float
    picture_ms: float
    quality_ms: float

    def limit_per_s(self, cores: int) -> float:
        """Images per second of a crawl that so many cores can do, were there nothing else to do."""
        return cores * 1000 / (self.fetch_ms + self.sha256_ms + self.picture_ms)


def stage_costs(host: str, numbers: Sequence[int]) -> StageCosts:
    """Fetches the pictures with these numbers and works on them. Raises ValueError where one is not sound."""
    bodies, fetch_ms = _timed(lambda: _fetched(host, numbers), len(numbers))
    if len(bodies) != len(numbers):
        raise ValueError(f"{len(bodies)} of {len(numbers)} pictures came: the photo server is not well.")
    # What is loaded with the first picture is no cost of each.
    inspect(bodies[0], _LIMITS, extras=_WITH_QUALITY)
    checksums, sha256_ms = _timed(lambda: [hashlib.sha256(body).hexdigest() for body in bodies], len(bodies))
    pairs = list(zip(bodies, checksums, strict=True))
    facts, picture_ms = _timed(lambda: [inspect(body, _LIMITS, sha256) for body, sha256 in pairs], len(bodies))
    _, all_ms = _timed(lambda: [inspect(body, _LIMITS, sha256, _WITH_QUALITY) for body, sha256 in pairs], len(bodies))
    unsound = [fact for fact in facts if not isinstance(fact, ImageFacts)]
    if unsound:
        raise ValueError(f"{len(unsound)} pictures are not sound ({unsound[0]}). Take them out of the folder.")
    quality_ms = max(0.0, all_ms - picture_ms)
    return StageCosts(fetch_ms=fetch_ms, sha256_ms=sha256_ms, picture_ms=picture_ms, quality_ms=quality_ms)


def _timed(work: Callable[[], _Done], images: int) -> tuple[_Done, float]:
    started = time.process_time()
    result = work()
    return result, 1000 * (time.process_time() - started) / images


def _fetched(host: str, numbers: Sequence[int]) -> list[bytes]:
    own = frozenset({host})
    fetcher = Fetcher(
        limits=FetchLimits(),
        policy=AddressPolicy(allow_hosts=own),
        user_agent="PixCrawler-bench",
        gate=LocalHostGate(rules=HostRules(free_hosts=own)),
    )
    queue = deque(Candidate(url=f"http://{host}/p/{number}.jpg", source="bench") for number in numbers)
    arrivals = [arrival for arrival in fetcher.fetch_many(queue) if not isinstance(arrival, Idle)]
    return [came.body for _, came in arrivals if isinstance(came, Fetched)]
