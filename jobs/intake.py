"""Where a chunk's candidates come from, and which of them are still open.

Candidates of slow hosts stay open while those listed behind them are done, so the place to go on from is more than one
number: {"cursor": the page in hand, "offset": candidates of it that are done, "ahead": places behind `offset` that are
done too, "behind": [{"cursor": an earlier page, "open": places of it that are not done}], "attempts": {address key:
how often it was tried}, "barren": pages in a row that brought nothing new, "ended": why the list was left, if it was}.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from datasets.outcomes import Reason
from jobs import recorder, takedowns
from jobs.crawl.types import Candidate, Page, Refusal
from jobs.crawl.urls import url_key
from jobs.models import Chunk, Finding
from jobs.recorder import Result, finding_key

#: So many candidates are open at once: those of a slow host let so many others pass.
MAX_OPEN = 500

#: Findings that are read at once for a retry.
_BATCH = 32


class Ending(StrEnum):
    """Why a list was left before a service's own results ended."""

    #: Page after page brought nothing new.
    BARREN = "barren"
    #: The service gives no more for a search, whatever it has.
    CAP = "cap"


@dataclass(slots=True)
class _Listed:
    """A page of which some candidates are open. `page` is None until it is read again."""

    cursor: Any
    open: set[int]
    page: Page | None = None


class PageIntake:
    """The candidates of a lane, page by page, from the place where the chunk stopped.

    `queue` holds what is to be fetched next, `attempts` how often an open address was tried without an end. `refuses`
    says which candidates are left out by what is listed of them; `most_barren` after how many pages without anything
    new the list is left, for a place in it.
    """

    def __init__(
        self,
        chunk: Chunk,
        *,
        ask: Callable[[Any], Page],
        is_metered: bool,
        refuses: Callable[[Candidate], Refusal | None] = lambda _: None,
        most_barren: Callable[[Any], float] = lambda _: math.inf,
    ) -> None:
        place: Mapping[str, Any] = chunk.position
        self.queue: deque[Candidate] = deque()
        self.attempts: dict[str, int] = {}
        self.listed: int | None = None
        self._chunk = chunk
        self._ask = ask
        self._refuses = refuses
        self._most_barren = most_barren
        self._barren = int(place.get("barren", 0))
        self._is_current_new = False
        self._is_metered = is_metered
        self._behind = [_Listed(one["cursor"], set(one["open"])) for one in place.get("behind", ())]
        self._cursor: Any = place.get("cursor")
        self._offset = int(place.get("offset", 0))
        self._ahead = frozenset(place.get("ahead", ()))
        self._tried: Mapping[str, int] = place.get("attempts", {})
        self._current: _Listed | None = None
        self._same: dict[str, list[tuple[_Listed, int, Candidate]]] = {}

    @property
    def is_exhausted(self) -> bool:
        """Whether the source has listed everything, or is left, and all that it listed is done."""
        current = self._current
        return (
            current is not None
            and current.page is not None
            and (current.page.next_cursor is None or self._is_barren)
            and not current.open
            and not self._behind
        )

    @property
    def ended(self) -> Ending | None:
        """Why the list ends before the service's own results do; None: it does not, or not yet."""
        current = self._current
        if not self.is_exhausted or current is None or current.page is None:
            return None
        if current.page.next_cursor is not None:
            return Ending.BARREN
        return Ending.CAP if current.page.is_cut_off else None

    def note_new(self) -> None:
        """Something of the list was new: a picture was kept, or may be at another attempt."""
        self._barren = 0
        self._is_current_new = True

    @property
    def _is_barren(self) -> bool:
        return self._current is not None and self._barren_with_current >= self._most_barren(self._current.cursor)

    @property
    def _barren_with_current(self) -> int:
        """Pages in a row without anything new, the current one among them."""
        return 0 if self._is_current_new else self._barren + 1

    def refill(self, *, wanted: int) -> list[Result] | None:
        """Reads one more page into the queue; gives the candidates of it that need no download. None: not now.

        `wanted` is how many pictures the chunk still looks for: a page that the source counts is not asked for while
        as many candidates are open. Raises SourceError.
        """
        for listed in self._behind:
            if listed.page is None:
                return self._read(listed)
        if self._current is not None:
            page = self._current.page
            most_open = min(wanted, MAX_OPEN) if self._is_metered else MAX_OPEN
            if page is None or page.next_cursor is None or self._open_count() >= max(1, most_open):
                return None
            if self._is_barren:
                # What is under way may still be new.
                return None
            if self._current.open:
                self._behind.append(self._current)
            self._barren, self._is_current_new = self._barren_with_current, False
            self._cursor, self._offset, self._ahead = page.next_cursor, 0, frozenset()
        self._current = _Listed(self._cursor, set())
        return self._read(self._current)

    def settle(self, result: Result) -> list[Result]:
        """The result and, where the address was listed more than once, those of its repeats. All are done now."""
        (first, place, _), *repeats = self._same.pop(finding_key(result.candidate))
        self._close(first, place)
        results = [result]
        for listed, index, candidate in repeats:
            self._close(listed, index)
            reason = Reason.DUPLICATE_URL if result.image else result.reason
            results.append(Result(candidate=candidate, reason=reason, detail="Listed more than once."))
        return results

    def position(self) -> dict[str, Any]:
        """Where to go on, once all that is settled is recorded."""
        current, barren = self._current, self._barren
        if current is None or current.page is None:
            place = {"cursor": self._cursor, "offset": self._offset, "ahead": sorted(self._ahead)}
        elif not current.open and current.page.next_cursor is not None:
            place = {"cursor": current.page.next_cursor}
            barren = self._barren_with_current
        else:
            count = len(current.page.candidates)
            offset = min(current.open, default=count)
            place = {
                "cursor": current.cursor,
                "offset": offset,
                "ahead": [index for index in range(offset, count) if index not in current.open],
            }
        behind = [{"cursor": listed.cursor, "open": sorted(listed.open)} for listed in self._behind]
        attempts = {url_key(url): number for url, number in self.attempts.items()}
        ended = self.ended
        extras = {"behind": behind, "attempts": attempts, "barren": barren, "ended": ended.value if ended else ""}
        return place | {name: value for name, value in extras.items() if value}

    def _open_count(self) -> int:
        return len(self._current.open if self._current else ()) + sum(len(listed.open) for listed in self._behind)

    def _read(self, listed: _Listed) -> list[Result]:
        listed.page = self._ask(listed.cursor)
        candidates = listed.page.candidates
        if listed is self._current:
            listed.open.update(index for index in range(self._offset, len(candidates)) if index not in self._ahead)
            self.listed = listed.page.total
        else:
            # A list that became shorter has taken its candidates along.
            listed.open = {index for index in listed.open if index < len(candidates)}
        in_hand = [candidates[index] for index in listed.open]
        known: dict[str, Refusal] = {
            key: Refusal(reason, "") for key, reason in recorder.known(self._chunk, in_hand).items()
        }
        refused = takedowns.refusals(candidate.url for candidate in in_hand)
        known |= {finding_key(one): refused[one.url] for one in in_hand if one.url in refused}
        for one in in_hand:
            if finding_key(one) not in known and (refusal := self._refuses(one)):
                known[finding_key(one)] = refusal
        results = [
            result
            for index in sorted(listed.open)
            if (result := self._take(listed, index, candidates[index], known)) is not None
        ]
        self._behind = [one for one in self._behind if one.open]
        return results

    def _take(self, listed: _Listed, index: int, candidate: Candidate, known: Mapping[str, Refusal]) -> Result | None:
        key = finding_key(candidate)
        if key in known:
            listed.open.discard(index)
            return Result(candidate=candidate, reason=known[key].reason, detail=known[key].detail)
        if key not in self._same:
            self.queue.append(candidate)
            if self._tried and (tried := self._tried.get(url_key(candidate.url))):
                self.attempts[candidate.url] = tried
        self._same.setdefault(key, []).append((listed, index, candidate))
        return None

    def _close(self, listed: _Listed, index: int) -> None:
        listed.open.discard(index)
        if not listed.open and listed in self._behind:
            self._behind.remove(listed)


class RetryIntake:
    """The candidates of the chunk's findings that had failed, for another attempt."""

    def __init__(self, chunk: Chunk) -> None:
        self.queue: deque[Candidate] = deque()
        self.attempts: dict[str, int] = {}
        self._chunk = chunk
        self._tried: Mapping[str, int] = chunk.position.get("attempts", {})
        self._finding_ids: dict[str, int] = {}
        self._read_up_to = 0

    def refill(self, *, wanted: int) -> list[Result] | None:  # noqa: ARG002 - what failed is tried again, all of it
        """Reads some more findings into the queue. None: not now, or there are no more."""
        if len(self._finding_ids) >= MAX_OPEN:
            return None
        open_findings = Finding.objects.filter(chunk=self._chunk, run__lt=self._chunk.run, candidate__isnull=False)
        if self._chunk.job.retry_reasons:
            open_findings = open_findings.filter(reason__in=self._chunk.job.retry_reasons)
        findings = list(open_findings.filter(pk__gt=self._read_up_to).order_by("pk")[:_BATCH])
        refused = takedowns.refusals(finding.url for finding in findings)
        results = []
        for finding in findings:
            candidate = _stored(finding.candidate)
            self._read_up_to = finding.pk
            if refusal := refused.get(finding.url):
                results.append(
                    Result(candidate=candidate, reason=refusal.reason, detail=refusal.detail, retries=finding.pk)
                )
                continue
            self._finding_ids[finding_key(candidate)] = finding.pk
            self.queue.append(candidate)
            if self._tried and (tried := self._tried.get(url_key(candidate.url))):
                self.attempts[candidate.url] = tried
        return results if results or self.queue else None

    def settle(self, result: Result) -> list[Result]:
        return [replace(result, retries=self._finding_ids.pop(finding_key(result.candidate)))]

    def position(self) -> dict[str, Any]:
        attempts = {url_key(url): number for url, number in self.attempts.items()}
        return {**self._chunk.position, "attempts": attempts}


Intake = PageIntake | RetryIntake


def _stored(stored: Any) -> Candidate:
    """A candidate as a finding keeps it for a retry."""
    return Candidate(**{**stored, "tags": tuple(stored["tags"])})
