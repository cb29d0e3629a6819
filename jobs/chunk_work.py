"""The work on one chunk's candidates: each candidate once, never more pictures in hand than the quota has places."""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

from django.conf import settings

from datasets import near
from datasets.imaging.decoder import Decoded
from datasets.imaging.types import ImageFacts, Rejection
from datasets.outcomes import Reason
from datasets.services import NewImage, Origin
from jobs import activity, download_reports, progress, recorder, source_watch, wiring
from jobs.crawl.fetch import Arrival, Idle
from jobs.crawl.filtering import refusal_of_listing, refusal_of_picture
from jobs.crawl.sources import slicing
from jobs.crawl.sources.base import LocalSource
from jobs.crawl.types import Candidate, Fetched, FetchFailure, Page, Query, Refusal
from jobs.crawl.urls import url_key
from jobs.intake import Ending, Intake, PageIntake, RetryIntake
from jobs.lifecycle import Lease
from jobs.models import Chunk
from jobs.pace import StoppedWaiting
from jobs.recorder import Result
from jobs.spec import CrawlSpec
from jobs.storing import Storing

#: Results are written at least so often: a batch costs a dozen statements however many are in it, and what is in hand
#: when a worker dies is fetched again.
FLUSH_RESULTS = 64
FLUSH_S = 1.0

#: A chunk ends after so many candidates, or settings.CHUNK_BUDGET_S; the next one goes on there.
MAX_CANDIDATES = 500

#: Pictures that may lie in the decoder's hands while more are fetched: enough that it never waits for us.
MAX_DECODING = 8

#: Where nothing can begin for longer, the chunk is put off: its worker has better things to do.
PATIENCE_S = 10.0

#: A source is left after so many pages in a row of which nothing was new: all known already, or refused.
BARREN_PAGES = 10


class PutOff(Exception):
    """All that is left for the chunk are candidates whose hosts ask for patience, for `wait_s` seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"nothing can begin for {wait_s:.0f} s")
        self.wait_s = wait_s


class ChunkWork:
    """Takes candidates from where the chunk stopped, and records what becomes of each (`position`: jobs/intake.py)."""

    def __init__(self, chunk: Chunk, lease: Lease, *, should_stop: Callable[[], bool]) -> None:
        self.chunk = chunk
        self.lease = lease
        self.should_stop = should_stop
        self.exchanges = source_watch.Exchanges()
        self.source = wiring.source_for(chunk.source, chunk.job, should_stop=should_stop, exchanged=self.exchanges.add)
        self.filters = CrawlSpec.from_json(chunk.job.spec).filters
        # Asked of every picture, and Python takes its time over a protocol.
        self._local = self.source if isinstance(self.source, LocalSource) else None
        self.query = Query(keyword=chunk.keyword, label=chunk.label, filters=self.filters)
        self.limits = wiring.image_limits(chunk.job)
        self.admission = wiring.admission(chunk.job.dataset)
        self._ends_at = time.monotonic() + settings.CHUNK_BUDGET_S
        self._done = 0
        self._unjudged = 0
        self._buffer: list[Result] = []
        self._storing = Storing(wiring.store_threads())
        self._flushed_at = time.monotonic()

    def run(self) -> None:
        """Works until the quota is met, the source or the budget ends, or `should_stop` says so.

        Raises LeaseLost, SourceError, BlobError, PutOff.
        """
        try:
            self._run()
        except StoppedWaiting:
            return
        finally:
            self._storing.forget()

    def _run(self) -> None:
        near.warm(self.chunk.job.dataset)
        if self.chunk.run > 1:
            # No budget here: what failed is not searched for again by another chunk.
            self._work_off(RetryIntake(self.chunk), is_over=lambda: self.chunk.quota == 0)
        if self.chunk.job.retry_reasons:
            return
        if not self.chunk.exhausted and self._is_last_of_lane() and not self.should_stop():
            intake = PageIntake(
                self.chunk,
                ask=self._page,
                is_metered=self.source.info.is_metered,
                refuses=self._refuses,
                most_barren=self._most_barren,
            )
            self._work_off(intake, is_over=self._is_over)
            if intake.ended is not None and not self.should_stop():
                activity.log(self.chunk.job_id, ending_sentence(self.chunk, intake.ended), chunk=self.chunk.pk)

    def _is_last_of_lane(self) -> bool:
        """A chunk that was opened again for its failures does not search on where a later one has been."""
        chunk = self.chunk
        return not Chunk.objects.filter(
            job=chunk.job,
            label=chunk.label,
            keyword=chunk.keyword,
            source=chunk.source,
            strand=chunk.strand,
            window__gt=chunk.window,
        ).exists()

    def _page(self, cursor: Any) -> Page:
        # What is in hand is recorded first, so that an address that the page repeats is known.
        if self._buffer:
            self._flush()
        asked_at = time.monotonic()
        page = source_watch.ask(self.source, self.query, cursor, self.exchanges)
        # Waiting for our turn at the source is not work.
        self._ends_at += time.monotonic() - asked_at
        return page

    def _most_barren(self, cursor: Any) -> float:
        """A list that people brought is read to its end. A part repeats at first what the whole list has shown."""
        info = self.source.info
        if info.is_given:
            return math.inf
        repeated = -(-(info.result_cap or 0) // (info.page_size or 1)) if slicing.is_in_parts(cursor) else 0
        return BARREN_PAGES + repeated

    def _refuses(self, candidate: Candidate) -> Refusal | None:
        return refusal_of_listing(candidate, self.filters, self.source.info)

    def _work_off(self, intake: Intake, *, is_over: Callable[[], bool]) -> None:
        """Takes what the intake gives until it is over, and nothing is under way any more."""
        self._intake = intake
        wait_s = 0.0
        self._refill(is_over)
        # Closed at once when something fails here, so that no permit outlives the work.
        with closing(self._judged(self._arrivals(is_over))) as items:
            for item in items:
                if isinstance(item, Result):
                    self._note(intake.settle(item))
                    continue
                if self._is_flush_due():
                    self._flush()
                if not intake.queue:
                    self._refill(is_over)
                if item.under_way:
                    continue
                if is_over():
                    break
                if not intake.queue and item.wait_s > PATIENCE_S:
                    wait_s = item.wait_s if item.waiting else 0.0
                    break
        if self.should_stop():
            return
        may_be_left = isinstance(intake, PageIntake) and intake.ended is not None
        self._flush()
        if may_be_left:
            # What was just recorded may have been new after all.
            self._flush()
        if wait_s:
            raise PutOff(wait_s)

    def _refill(self, is_over: Callable[[], bool]) -> None:
        """Reads on until there is something to fetch, or nothing more to read for now."""
        while not (self._intake.queue or is_over() or self.should_stop()):
            known = self._intake.refill(wanted=self.chunk.quota - self._promised())
            if known is None:
                return
            self._note(known)

    def _arrivals(self, is_over: Callable[[], bool]) -> Iterator[Arrival | Idle]:
        """The intake's candidates with their bytes; ends when all is done, or promptly when the work is to stop."""

        def room() -> int:
            """Never more pictures in hand than the quota has places for."""
            return 0 if is_over() else self.chunk.quota - self._unjudged - self._promised()

        arrivals = (
            _read_here(self._local, self._intake.queue, room=room, should_stop=self.should_stop)
            if self._local
            else wiring.fetcher().fetch_many(
                self._intake.queue,
                room=room,
                attempts=self._intake.attempts,
                admission=self.admission,
                should_stop=self.should_stop,
            )
        )
        for arrival in arrivals:
            self._unjudged += not isinstance(arrival, Idle)
            yield arrival

    def _judged(self, arrivals: Iterator[Arrival | Idle]) -> Generator[Result | Idle, None, None]:
        """Results in any order, decoded while more is fetched.

        By the time an Idle without requests under way is passed on, all before it are out.
        """
        decoder = wiring.decoder()
        in_hand: dict[int, tuple[Candidate, Fetched]] = {}
        try:
            for arrival in arrivals:
                at_most = MAX_DECODING
                if isinstance(arrival, Idle):
                    at_most = MAX_DECODING if arrival.under_way else 0
                elif isinstance(arrival[1], FetchFailure):
                    self._unjudged -= 1
                    yield _failed(arrival[0], arrival[1], transfer_s=self._transfer_s(arrival[1]))
                else:
                    in_hand[decoder.submit(arrival[1].body, self.limits)] = arrival[0], arrival[1]
                for decoded in decoder.results(in_flight_at_most=at_most, should_stop=self.should_stop):
                    self._unjudged -= 1
                    yield self._judge(*in_hand.pop(decoded.ticket), decoded)
                if isinstance(arrival, Idle):
                    yield arrival
        finally:
            decoder.forget()

    def _transfer_s(self, came: Fetched | FetchFailure) -> float | None:
        """What the download took; None where nothing was asked of a host, or the picture is drawn here."""
        return None if self._local or came.attempts == 0 else came.seconds

    def _judge(self, candidate: Candidate, fetched: Fetched, decoded: Decoded) -> Result:
        facts = decoded.result
        common = Result(
            candidate=candidate,
            sha256=facts.sha256,
            format=facts.format,
            width_px=facts.width_px,
            height_px=facts.height_px,
            size_bytes=facts.size_bytes,
            seconds=fetched.seconds + decoded.seconds,
            attempts=fetched.attempts,
            transfer_s=self._transfer_s(fetched),
        )
        if isinstance(facts, Rejection):
            return replace(common, reason=facts.reason, detail=facts.detail)
        if refusal := refusal_of_picture(facts.format, facts.width_px, facts.height_px, self.filters):
            return replace(common, reason=refusal.reason, detail=refusal.detail)
        return replace(common, image=self._store(candidate, fetched, facts))

    def _store(self, candidate: Candidate, fetched: Fetched, facts: ImageFacts) -> NewImage:
        blob_name, thumb_name = self._storing.put(fetched.body, facts)
        return NewImage(
            label=self.chunk.label,
            keyword=self.chunk.keyword,
            facts=facts,
            blob_name=blob_name,
            thumb_name=thumb_name,
            origin=_origin(candidate),
            optout_evidence=fetched.evidence,
        )

    def _note(self, results: Sequence[Result]) -> None:
        self._buffer += results
        self._done += len(results)
        if self._is_flush_due():
            self._flush()

    def _flush(self) -> None:
        """Writes what is in hand and the place to go on from in one fenced transaction; then tells watching pages."""
        fields: dict[str, Any] = {"position": self._intake.position()}
        if isinstance(self._intake, PageIntake):
            is_left_on_trial = bool(self._buffer) and self._intake.ended is Ending.BARREN
            fields["exhausted"] = self._intake.is_exhausted and not is_left_on_trial
            if self._intake.listed is not None:
                fields["listed"] = self._intake.listed
        before = _new_count(self.chunk)
        self._storing.finish()
        self.chunk = recorder.record(self.lease, self.chunk, self._buffer, **fields)
        download_reports.send(self.source, self._buffer)
        self._buffer = []
        if isinstance(self._intake, PageIntake) and _new_count(self.chunk) > before:
            self._intake.note_new()
        self._flushed_at = time.monotonic()
        progress.publish(self.chunk)

    def _promised(self) -> int:
        return sum(result.image is not None for result in self._buffer)

    def _is_flush_due(self) -> bool:
        is_old = bool(self._buffer) and time.monotonic() - self._flushed_at >= FLUSH_S
        return len(self._buffer) >= FLUSH_RESULTS or is_old or 0 < self.chunk.quota <= self._promised()

    def _is_over(self) -> bool:
        return self.chunk.quota == 0 or self._done >= MAX_CANDIDATES or time.monotonic() >= self._ends_at


def _read_here(
    source: LocalSource, queue: deque[Candidate], *, room: Callable[[], int], should_stop: Callable[[], bool]
) -> Iterator[Arrival | Idle]:
    """What a fetcher does, for pictures that are not on the network."""
    while not should_stop():
        if queue and room() > 0:
            candidate = queue.popleft()
            yield candidate, source.read(candidate)
        else:
            yield Idle(under_way=0, waiting=len(queue), wait_s=0.0)
            if not queue:
                return


def ending_sentence(chunk: Chunk, ending: Ending) -> str:
    """Why the chunk's list was left, for the job's log."""
    if ending is Ending.BARREN:
        pages = chunk.position.get("barren", BARREN_PAGES)
        return f"{chunk.title} was left: {pages} pages in a row brought nothing new."
    return f"{chunk.title} ended at the most that the service gives for a search; it has more that cannot be had."


def _new_count(chunk: Chunk) -> int:
    """What was new: kept, there from an earlier job, or perhaps kept at another attempt."""
    return chunk.kept + chunk.skipped + chunk.failed


def _failed(candidate: Candidate, failure: FetchFailure, *, transfer_s: float | None) -> Result:
    return Result(
        candidate=candidate,
        reason=Reason(failure.reason),
        detail=failure.detail,
        seconds=failure.seconds,
        attempts=failure.attempts,
        transfer_s=transfer_s,
    )


def _origin(candidate: Candidate) -> Origin:
    return Origin(
        source=candidate.source,
        source_id=candidate.source_id,
        url=candidate.url,
        url_key=url_key(candidate.url),
        page_url=candidate.page_url,
        title=candidate.title,
        creator=candidate.creator,
        creator_url=candidate.creator_url,
        licence_code=candidate.licence_code,
        licence_version=candidate.licence_version,
        licence_url=candidate.licence_url,
        attribution=candidate.attribution,
        tags=candidate.tags,
        ml_use=candidate.ml_use,
        sha1=candidate.sha1,
        published_on=date.fromisoformat(candidate.published_on) if candidate.published_on else None,
        is_mature=candidate.mature,
    )
