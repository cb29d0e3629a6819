"""Which candidates are open, and the place that a chunk goes on from."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from datasets.outcomes import Reason
from jobs.crawl.types import Candidate, Page
from jobs.crawl.urls import url_key
from jobs.intake import Ending, PageIntake, RetryIntake
from jobs.recorder import Result, finding_key
from jobs.tests.factories import ChunkFactory, FindingFactory

pytestmark = pytest.mark.django_db


def candidate(name: object) -> Candidate:
    return Candidate(url=f"https://photos.example/{name}.jpg", source="urls")


@dataclass
class Source:
    """Lists `count` candidates, three to a page."""

    count: int
    asked: list[int] = field(default_factory=list)

    def page(self, cursor: Any) -> Page:
        start = cursor["start"] if cursor else 0
        self.asked.append(start)
        end = min(start + 3, self.count)
        next_cursor = {"start": end} if end < self.count else None
        return Page(candidates=tuple(candidate(n) for n in range(start, end)), next_cursor=next_cursor, total=None)


def intake(source: Source, position: dict[str, Any] | None = None, *, is_metered: bool = False) -> PageIntake:
    chunk = ChunkFactory.create(position=json.loads(json.dumps(position or {})))
    return PageIntake(chunk, ask=source.page, is_metered=is_metered)


def read_all(one: PageIntake) -> list[str]:
    """Everything that is to be fetched, in order."""
    names = []
    while one.refill(wanted=100) is not None:
        while one.queue:
            names.append(one.queue.popleft().url)
    return names


def settle(one: PageIntake, names: Iterable[object]) -> None:
    for name in names:
        one.settle(Result(candidate=candidate(name), reason=Reason.HTTP_404))


def urls(*names: object) -> list[str]:
    return [candidate(name).url for name in names]


def test_everything_is_listed_once_and_then_the_list_is_exhausted() -> None:
    one = intake(Source(8))
    assert read_all(one) == urls(*range(8))
    assert not one.is_exhausted
    settle(one, range(8))
    assert one.is_exhausted


def test_whoever_takes_over_gets_what_was_not_recorded_and_nothing_else() -> None:
    one = intake(Source(8))
    read_all(one)
    settle(one, [1, 3, 4, 5, 7])
    position = one.position()
    assert position == {
        "cursor": {"start": 6}, "offset": 0, "ahead": [1], "behind": [{"cursor": None, "open": [0, 2]}], "barren": 2
    }  # fmt: skip
    other = intake(Source(8), position)
    assert read_all(other) == urls(0, 2, 6)
    settle(other, [0, 2, 6])
    assert other.is_exhausted


def test_a_place_that_was_not_gone_to_yet_stays_as_it_is() -> None:
    position = {"cursor": {"start": 3}, "offset": 1, "ahead": [2], "behind": [{"cursor": None, "open": [2]}]}
    one = intake(Source(8), position)
    assert one.position() == position
    one.refill(wanted=100)
    assert one.position() == position
    assert not one.is_exhausted


def test_at_the_end_of_a_page_the_place_is_the_next_one() -> None:
    one = intake(Source(8))
    one.refill(wanted=100)
    settle(one, range(3))
    assert one.position() == {"cursor": {"start": 3}, "barren": 1}


def test_pages_without_anything_new_are_counted_until_something_is() -> None:
    one = intake(Source(30))
    for page in range(4):
        one.refill(wanted=1)
        settle(one, range(page * 3, page * 3 + 3))
    assert one.position()["barren"] == 4
    one.note_new()
    assert "barren" not in one.position()
    one.refill(wanted=1)
    assert one.position() == {"cursor": {"start": 12}, "offset": 0, "ahead": []}


def test_a_list_is_left_when_all_is_done_that_it_gave() -> None:
    chunk = ChunkFactory.create()
    source = Source(300)
    one = PageIntake(chunk, ask=source.page, is_metered=False, most_barren=lambda _: 3)
    assert read_all(one) == urls(*range(9)), "a fourth page is not asked for before these are known not to be new"
    assert not one.is_exhausted
    settle(one, range(9))
    assert (one.is_exhausted, one.ended, one.position()["ended"]) == (True, Ending.BARREN, "barren")


def test_a_page_that_became_shorter_took_its_candidates_along() -> None:
    one = intake(Source(2), {"cursor": None, "behind": [{"cursor": {"start": 0}, "open": [1, 2]}]})
    one.refill(wanted=100)
    assert [waiting.url for waiting in one.queue] == urls(1)


def test_a_metered_source_is_not_asked_before_a_page_is_needed() -> None:
    source = Source(9)
    one = intake(source, is_metered=True)
    while one.refill(wanted=4) is not None:
        pass
    assert source.asked == [0, 3]
    settle(one, range(3))
    assert one.refill(wanted=4) == []
    assert source.asked == [0, 3, 6]


def test_what_the_job_has_listed_before_needs_no_download() -> None:
    source = Source(3)
    one = intake(source)
    FindingFactory.create(
        chunk=one._chunk, job=one._chunk.job, key=finding_key(candidate(1)), outcome="failed", reason="http_404"
    )
    known = one.refill(wanted=100)
    assert known is not None
    assert [(result.candidate.url, result.reason) for result in known] == [(urls(1)[0], Reason.HTTP_404)]
    assert [waiting.url for waiting in one.queue] == urls(0, 2)
    settle(one, [0, 2])
    assert one.is_exhausted


def test_attempts_are_written_down_and_read_again() -> None:
    one = intake(Source(3))
    one.refill(wanted=100)
    one.attempts[candidate(2).url] = 2
    position = one.position()
    assert position["attempts"] == {url_key(candidate(2).url): 2}
    other = intake(Source(3), position)
    other.refill(wanted=100)
    assert other.attempts == {candidate(2).url: 2}


def test_a_retry_takes_the_findings_that_failed_and_says_which_it_replaces() -> None:
    chunk = ChunkFactory.create(run=2)
    stored = {"url": candidate("a").url, "source": "urls", "tags": []}
    failed = FindingFactory.create(
        chunk=chunk, job=chunk.job, outcome="failed", reason="timeout", run=1, candidate=stored, url=candidate("a").url
    )
    FindingFactory.create(chunk=chunk, job=chunk.job, outcome="failed", reason="http_404", run=1)
    one = RetryIntake(chunk)
    assert one.refill(wanted=1) == []
    assert [waiting.url for waiting in one.queue] == urls("a")
    one.queue.clear()
    assert one.refill(wanted=1) is None
    (result,) = one.settle(Result(candidate=candidate("a")))
    assert result.retries == failed.pk
