"""Looks at a lane for a dry run: reads the beginning of its list, tries a few pictures, and keeps none of them."""

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from datasets.imaging.types import ImageFacts, Rejection
from datasets.licences import licence_name
from datasets.outcomes import Reason
from jobs import download_reports, lifecycle, progress, recorder, source_watch, takedowns, wiring
from jobs.crawl.fetch import Arrival, Idle
from jobs.crawl.filtering import refusal_of_listing, refusal_of_picture
from jobs.crawl.sources.base import LocalSource
from jobs.crawl.types import Candidate, FetchFailure, Page, Query
from jobs.lifecycle import Lease
from jobs.look_models import SAMPLES, Look, LookThumbnail
from jobs.models import Chunk
from jobs.pace import StoppedWaiting
from jobs.recorder import LeaseLost, Result, finding_key
from jobs.spec import CrawlSpec

#: A list is read until it shows enough for its label, but no further than this.
MAX_PAGES: Final = 10
MAX_SEEN: Final = 500

#: Lanes of a job, from its first, whose pictures are tried: they tell enough of each source, and nobody looks at more.
MOST_TRIED_LANES: Final = 200

#: A key tells addresses of one job apart.
_KEY_LENGTH: Final = 16

_SIZES_MP: Final = ((0.3, "under 0.3 MP"), (1.0, "0.3 to 1 MP"), (4.0, "1 to 4 MP"), (float("inf"), "4 MP and more"))
_SIZE_UNKNOWN: Final = "size not told"

#: Thumbnails are as small as their source makes them.
_ANY_SIZE: Final = {"min_width_px": 1, "min_height_px": 1}


@dataclass(slots=True)
class _Seen:
    """What was read so far; `usable` are candidates that the crawl would fetch, by ledger key."""

    total: int | None = None
    seen: int = 0
    is_whole: bool = False
    known: int = 0
    repeated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    usable: dict[str, Candidate] = field(default_factory=dict)
    told_bytes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """A picture that was fetched for a try; `facts` are its own (`is_picture`), or its thumbnail's."""

    candidate: Candidate
    facts: ImageFacts | None = None
    is_picture: bool = False
    trouble: str = ""


class LookWork:
    """The work on one chunk of a dry run. It is short: broken off, it begins anew."""

    def __init__(self, chunk: Chunk, lease: Lease, *, should_stop: Callable[[], bool]) -> None:
        self.chunk = chunk
        self.lease = lease
        self.should_stop = should_stop
        self.exchanges = source_watch.Exchanges()
        self.source = wiring.source_for(chunk.source, chunk.job, should_stop=should_stop, exchanged=self.exchanges.add)
        self.spec = CrawlSpec.from_json(chunk.job.spec)
        self.query = Query(keyword=chunk.keyword, label=chunk.label, filters=self.spec.filters)

    def run(self) -> None:
        """Reads, tries, records. Raises LeaseLost, SourceError."""
        try:
            seen = self._read()
            tried = self._try_some(list(seen.usable.values()))
        except StoppedWaiting:
            return
        if not self.should_stop():
            self._record(seen, tried)

    def _read(self) -> _Seen:
        seen, cursor = _Seen(), None
        wanted = min(self.spec.per_label, MAX_SEEN)
        for _ in range(MAX_PAGES):
            page = source_watch.ask(self.source, self.query, cursor, self.exchanges)
            self._add(seen, page)
            cursor, seen.is_whole = page.next_cursor, page.next_cursor is None
            if cursor is None or len(seen.usable) >= wanted or seen.seen >= MAX_SEEN or self.should_stop():
                break
        return seen

    def _add(self, seen: _Seen, page: Page) -> None:
        candidates = page.candidates
        known = recorder.known(self.chunk, candidates)
        taken_down = takedowns.refusals(candidate.url for candidate in candidates)
        if page.total is not None:
            # A part of what a source has, for one with a cap, has fewer than the whole.
            seen.total = max(seen.total or 0, page.total)
        seen.seen += len(candidates)
        for candidate in candidates:
            key = finding_key(candidate)
            refusal = taken_down.get(candidate.url) or refusal_of_listing(
                candidate, self.spec.filters, self.source.info
            )
            reason = refusal.reason if refusal else self._too_small(candidate)
            if key in seen.usable:
                seen.repeated += 1
            elif key in known:
                seen.known += 1
            elif reason:
                seen.refused[reason.value] += 1
            else:
                seen.usable[key] = candidate
                if candidate.size_bytes:
                    seen.told_bytes.append(candidate.size_bytes)
            if not reason:
                seen.licences[licence_name(candidate.licence_code, candidate.licence_version)] += 1
                seen.sizes[_size_words(candidate)] += 1

    def _too_small(self, candidate: Candidate) -> Reason | None:
        """The crawl looks at the picture itself, but here what its source tells has to do."""
        least, sides = self.spec.filters, (candidate.width_px, candidate.height_px)
        if None in sides:
            return None
        width_px, height_px = (side or 0 for side in sides)
        return Reason.TOO_SMALL if width_px < least.min_width_px or height_px < least.min_height_px else None

    def _try_some(self, usable: Sequence[Candidate]) -> list[_Tried]:
        """Fetches and decodes a few, spread over the list.

        Where the source has a thumbnail of its own, that is fetched instead of the picture.
        """
        if not usable or self._is_late():
            return []
        count = min(SAMPLES, len(usable))
        chosen = [usable[index * len(usable) // count] for index in range(count)]
        asked = {self._asked(candidate): candidate for candidate in chosen}
        tried: dict[str, _Tried] = {}
        with closing(self._arrivals(deque(replace(one, url=url) for url, one in asked.items()))) as arrivals:
            for fetched, came in arrivals:
                candidate = asked[fetched.url]
                tried[candidate.url] = (
                    _Tried(candidate=candidate, trouble=came.reason)
                    if isinstance(came, FetchFailure)
                    else self._judged(candidate, came.body, is_picture=fetched.url == candidate.url)
                )
        return _without_takedowns([tried[candidate.url] for candidate in chosen if candidate.url in tried])

    def _asked(self, candidate: Candidate) -> str:
        return candidate.url if isinstance(self.source, LocalSource) else candidate.thumb_url or candidate.url

    def _judged(self, candidate: Candidate, body: bytes, *, is_picture: bool) -> _Tried:
        """A thumbnail says that there is a picture, the picture whether it would be kept."""
        limits = wiring.image_limits(self.chunk.job)
        facts = wiring.decoder().inspect(body, limits if is_picture else replace(limits, **_ANY_SIZE))
        if isinstance(facts, Rejection):
            return _Tried(candidate=candidate, trouble=facts.reason.value)
        if not is_picture:
            return _Tried(candidate=candidate, facts=facts)
        download_reports.send(self.source, [Result(candidate=candidate, sha256=facts.sha256)])
        refusal = refusal_of_picture(facts.format, facts.width_px, facts.height_px, self.spec.filters)
        trouble = refusal.reason.value if refusal else ""
        return _Tried(candidate=candidate, facts=facts, is_picture=True, trouble=trouble)

    def _is_late(self) -> bool:
        """Whether so many lanes stand in front of this one that its pictures are not tried."""
        before = Chunk.objects.order_by().filter(job=self.chunk.job_id, pk__lt=self.chunk.pk).values("pk")
        return len(before[:MOST_TRIED_LANES]) == MOST_TRIED_LANES

    def _arrivals(self, queue: deque[Candidate]) -> Generator[Arrival]:
        """The pictures that come in time: a host that asks for patience is not waited for."""
        ends_at = time.monotonic() + settings.TOTAL_TIMEOUT_S
        if isinstance(self.source, LocalSource):
            yield from ((candidate, self.source.read(candidate)) for candidate in queue)
            return
        arrivals = wiring.fetcher().fetch_many(
            queue,
            admission=wiring.admission(self.chunk.job.dataset),
            should_stop=lambda: self.should_stop() or time.monotonic() >= ends_at,
        )
        with closing(arrivals):
            for arrival in arrivals:
                if not isinstance(arrival, Idle):
                    yield arrival

    def _record(self, seen: _Seen, tried: Sequence[_Tried]) -> None:
        """Writes the look, once, and what the chunk is known by."""
        listed = seen.total if seen.total is not None else seen.seen
        keys = [key.partition(":")[2][:_KEY_LENGTH] for key in list(seen.usable)[:MAX_SEEN]]
        with transaction.atomic():
            if not lifecycle.extend_lease(self.lease):
                raise LeaseLost
            Look.objects.filter(pk=self.chunk.pk).delete()
            look = Look.objects.create(
                chunk=self.chunk,
                total=seen.total,
                seen=seen.seen,
                is_whole=seen.is_whole,
                usable=len(seen.usable),
                known=seen.known,
                repeated=seen.repeated,
                refused=dict(seen.refused),
                licences=dict(seen.licences.most_common()),
                sizes=dict(seen.sizes),
                keys=keys,
                told_bytes=sum(seen.told_bytes),
                told_count=len(seen.told_bytes),
                samples=[_told(one, n) for n, one in enumerate(tried)],
            )
            LookThumbnail.objects.bulk_create(
                LookThumbnail(
                    look=look,
                    n=n,
                    content=one.facts.thumbnail,
                    url=one.candidate.url,
                    sha256=one.facts.sha256,
                    phash=one.facts.phash,
                )
                for n, one in enumerate(tried)
                if one.facts
            )
            self.chunk = recorder.record(self.lease, self.chunk, [], listed=listed, exhausted=True)
        progress.publish(self.chunk)


def _size_words(candidate: Candidate) -> str:
    if not (candidate.width_px and candidate.height_px):
        return _SIZE_UNKNOWN
    megapixels = candidate.width_px * candidate.height_px / 1_000_000
    return next(words for below, words in _SIZES_MP if megapixels < below)


def _without_takedowns(tried: Sequence[_Tried]) -> list[_Tried]:
    """What somebody asked to be left out is known by its bytes or looks only now, and is not shown."""
    seen = [one for one in tried if one.facts]
    pictures = [(one.candidate.url, one.facts.sha256, one.facts.phash) for one in seen if one.facts]
    refused = {one.candidate.url: why for one, why in zip(seen, takedowns.left_out(pictures), strict=True) if why}
    return [
        replace(one, facts=None, trouble=refused[one.candidate.url].reason.value)
        if one.candidate.url in refused
        else one
        for one in tried
    ]


def _told(one: _Tried, n: int) -> dict[str, Any]:
    """What the page tells of a picture that was tried; where only its thumbnail was, what its source tells."""
    candidate, facts = one.candidate, one.facts if one.is_picture else None
    return {
        "n": n,
        "title": candidate.title,
        "page_url": candidate.page_url,
        "licence": licence_name(candidate.licence_code, candidate.licence_version),
        "width_px": facts.width_px if facts else candidate.width_px or 0,
        "height_px": facts.height_px if facts else candidate.height_px or 0,
        "size_bytes": facts.size_bytes if facts else candidate.size_bytes or 0,
        "trouble": one.trouble,
        "has_thumbnail": one.facts is not None,
    }
