"""The work on one chunk's candidates: batch by batch, each candidate once, never more than the quota in hand."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings

from datasets import blobs, near
from datasets.imaging.inspect import inspect
from datasets.imaging.types import ImageFacts, Rejection
from datasets.outcomes import Reason
from datasets.services import NewImage, Origin
from jobs import progress, recorder, wiring
from jobs.crawl.sources.base import LocalSource
from jobs.crawl.types import Candidate, Fetched, FetchFailure, Query
from jobs.crawl.urls import url_key
from jobs.lifecycle import Lease
from jobs.models import Chunk, Finding
from jobs.pace import StoppedWaiting
from jobs.recorder import Result, finding_key

#: Candidates in hand at once; results are written at least so often.
BATCH_SIZE = 32
FLUSH_RESULTS = 16
FLUSH_S = 1.0

#: A chunk ends after so many candidates, or settings.CHUNK_BUDGET_S; the next one goes on there.
MAX_CANDIDATES = 500


class ChunkWork:
    """Takes candidates from where the chunk stopped, and records what becomes of each.

    `position` is {"cursor": the source's page, "offset": candidates of it that are recorded, "ahead": offsets
    behind `offset` that are recorded already}.
    """

    def __init__(self, chunk: Chunk, lease: Lease, *, should_stop: Callable[[], bool]) -> None:
        self.chunk = chunk
        self.lease = lease
        self.should_stop = should_stop
        self.source = wiring.source_for(chunk.source, chunk.job, should_stop=should_stop)
        self.query = Query(keyword=chunk.keyword, label=chunk.label)
        self.limits = wiring.image_limits(chunk.job)
        self._ends_at = time.monotonic() + settings.CHUNK_BUDGET_S
        self._buffer: list[Result] = []
        self._flushed_at = time.monotonic()

    def run(self) -> None:
        """Works until the quota is met, the source or the budget ends, or `should_stop` says so.

        Raises LeaseLost, SourceError, BlobError.
        """
        try:
            self._run()
        except StoppedWaiting:
            return

    def _run(self) -> None:
        if self.chunk.job.dry_run:
            self._look_only()
            return
        near.warm(self.chunk.job.dataset)
        if self.chunk.run > 1:
            self._retry_failed()
        if not self.chunk.exhausted and self._is_last_of_lane():
            self._discover()

    def _look_only(self) -> None:
        page = self.source.page(self.query, None)
        listed = page.total if page.total is not None else len(page.candidates)
        self.chunk = recorder.record(self.lease, self.chunk, [], listed=listed, exhausted=True)
        progress.publish(self.chunk)

    def _retry_failed(self) -> None:
        open_findings = Finding.objects.filter(chunk=self.chunk, run__lt=self.chunk.run, candidate__isnull=False)
        failed = open_findings.order_by("id")
        # No budget here: what failed is not searched for again by another chunk.
        while self.chunk.quota and not self.should_stop():
            batch = {
                finding_key(candidate): (finding.pk, candidate)
                for finding in failed[: min(BATCH_SIZE, self.chunk.quota)]
                if (candidate := _candidate(finding.candidate))
            }
            if not batch:
                return
            for result in self._fetched([candidate for _, candidate in batch.values()]):
                self._buffer.append(replace(result, retries=batch[finding_key(result.candidate)][0]))
                if self._is_flush_due():
                    self._flush()
            self._flush()

    def _is_last_of_lane(self) -> bool:
        """A chunk that was opened again for its failures does not search on where a later one has been."""
        chunk = self.chunk
        return not Chunk.objects.filter(
            job=chunk.job, label=chunk.label, keyword=chunk.keyword, source=chunk.source, window__gt=chunk.window
        ).exists()

    def _discover(self) -> None:
        taken = 0
        while taken < MAX_CANDIDATES and not self._is_over():
            cursor = self.chunk.position.get("cursor")
            asked_at = time.monotonic()
            page = self.source.page(self.query, cursor)
            # Waiting for our turn at the source is not work.
            self._ends_at += time.monotonic() - asked_at
            taken += self._take_page(page.candidates, cursor)
            if self.chunk.position.get("offset", 0) < len(page.candidates):
                return
            listed = {} if page.total is None else {"listed": page.total}
            if page.next_cursor is None:
                self._flush(exhausted=True, **listed)
                return
            self._flush(position={"cursor": page.next_cursor}, **listed)

    def _take_page(self, candidates: Sequence[Candidate], cursor: Any) -> int:
        """Takes the page's candidates from the recorded place on; gives how many it took."""
        offset = start = int(self.chunk.position.get("offset", 0))
        ahead = set(self.chunk.position.get("ahead", ()))
        while offset < len(candidates) and not self._is_over():
            batch = {
                index: candidates[index]
                for index in range(offset, min(len(candidates), offset + min(BATCH_SIZE, self.chunk.quota)))
            }
            end = max(batch) + 1
            todo = {index: candidate for index, candidate in batch.items() if index not in ahead}
            for index, result in self._indexed_results(todo):
                self._buffer.append(result)
                ahead.add(index)
                if self._is_flush_due():
                    self._flush(position={"cursor": cursor, "offset": offset, "ahead": sorted(ahead)})
            if self.should_stop():
                return offset - start
            offset = end
            ahead = {index for index in ahead if index >= offset}
            self._flush(position={"cursor": cursor, "offset": offset, "ahead": sorted(ahead)})
        return offset - start

    def _indexed_results(self, batch: dict[int, Candidate]) -> Iterator[tuple[int, Result]]:
        """Results with the index of their candidate; a URL that stands twice in the batch is fetched once."""
        indexes: dict[str, list[int]] = {}
        for index, candidate in batch.items():
            indexes.setdefault(finding_key(candidate), []).append(index)
        first = [batch[same[0]] for same in indexes.values()]
        for result in self._results(first):
            index, *repeats = indexes[finding_key(result.candidate)]
            yield index, result
            for repeat in repeats:
                reason = Reason.DUPLICATE_URL if result.image else result.reason
                yield repeat, Result(candidate=batch[repeat], reason=reason, detail="Listed more than once.")

    def _results(self, candidates: Sequence[Candidate]) -> Iterator[Result]:
        """What becomes of each candidate, as it is known; ends early when the work is to stop."""
        known = recorder.known(self.chunk, candidates)
        to_fetch = []
        for candidate in candidates:
            reason = known.get(finding_key(candidate))
            if reason is None:
                to_fetch.append(candidate)
            else:
                yield Result(candidate=candidate, reason=reason)
        yield from self._fetched(to_fetch)

    def _fetched(self, candidates: Sequence[Candidate]) -> Iterator[Result]:
        for candidate, fetched in self._fetch(candidates):
            yield self._judge(candidate, fetched)

    def _fetch(self, candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, Fetched | FetchFailure]]:
        if isinstance(self.source, LocalSource):
            for candidate in candidates:
                if self.should_stop():
                    return
                yield candidate, self.source.read(candidate)
        else:
            yield from wiring.fetcher().fetch_many(candidates, should_stop=self.should_stop)

    def _judge(self, candidate: Candidate, fetched: Fetched | FetchFailure) -> Result:
        if isinstance(fetched, FetchFailure):
            return Result(
                candidate=candidate,
                reason=Reason(fetched.reason),
                detail=fetched.detail,
                seconds=fetched.seconds,
                attempts=fetched.attempts,
            )
        started = time.perf_counter()
        facts = inspect(fetched.body, self.limits)
        seconds = fetched.seconds + time.perf_counter() - started
        common = Result(
            candidate=candidate,
            sha256=facts.sha256,
            format=facts.format,
            width_px=facts.width_px,
            height_px=facts.height_px,
            size_bytes=facts.size_bytes,
            seconds=seconds,
            attempts=fetched.attempts,
        )
        if isinstance(facts, Rejection):
            return replace(common, reason=facts.reason, detail=facts.detail)
        return replace(common, image=self._store(candidate, fetched.body, facts))

    def _store(self, candidate: Candidate, body: bytes, facts: ImageFacts) -> NewImage:
        return NewImage(
            label=self.chunk.label,
            keyword=self.chunk.keyword,
            facts=facts,
            blob_name=blobs.put_original(body, sha256=facts.sha256, format=facts.format),
            thumb_name=blobs.put_thumbnail(facts.thumbnail, sha256=facts.sha256),
            origin=_origin(candidate),
        )

    def _flush(self, **fields: Any) -> None:
        """Writes what is in hand, and the chunk's fields, in one fenced transaction; then tells watching pages."""
        self.chunk = recorder.record(self.lease, self.chunk, self._buffer, **fields)
        self._buffer = []
        self._flushed_at = time.monotonic()
        progress.publish(self.chunk)

    def _is_flush_due(self) -> bool:
        return len(self._buffer) >= FLUSH_RESULTS or time.monotonic() - self._flushed_at >= FLUSH_S

    def _is_over(self) -> bool:
        return self.chunk.quota == 0 or self.should_stop() or time.monotonic() >= self._ends_at


def _candidate(stored: Any) -> Candidate:
    """A candidate as a finding keeps it for a retry."""
    return Candidate(**{**stored, "tags": tuple(stored["tags"])})


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
    )
