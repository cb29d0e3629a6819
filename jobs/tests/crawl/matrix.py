"""What every adapter of a service has to do, whatever the service: a test file says what sets its service apart.

class TestOpenverse(SourceMatrix):
    case = SourceCase(...)
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest
from pytest_django import Settings

from datasets.models import Image
from datasets.tests.pictures import encoded, noisy
from jobs import crawl_services, wiring
from jobs.crawl.filters import VALUES
from jobs.crawl.sources.base import (
    EVERY,
    Services,
    SlicedSource,
    Source,
    SourceCaptcha,
    SourceConfig,
    SourceError,
    SourceRateLimited,
    SourceRefused,
    SourceShapeChanged,
    SourceUnavailable,
)
from jobs.crawl.sources.registry import registry
from jobs.crawl.types import Cursor, Page, Query
from jobs.crawl_services import CrawlRequest
from jobs.models import Finding, Status
from jobs.tests.crawl.faultweb import Behaviour, FaultWeb, answer, declared_length, drip, reset, stall
from jobs.tests.crawl.service import PAGE, RIDDLE, Service, SourceCase, answering, too_many
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds

QUERY = Query(keyword="tree", label="tree")

#: More requests than any search of these tests needs: a list without an end is a failure, not a test that hangs.
_MANY_PAGES = 60


class SourceMatrix:
    """The tests; a subclass sets `case`."""

    case: ClassVar[SourceCase]

    def __init_subclass__(cls) -> None:
        """Leaves out what a service of that kind does not have."""
        module = cls.case.module
        left_out = {
            "test_another_process_goes_on_from_the_place_that_was_written_down": not cls.case.has_pages,
            "test_the_cap_is_used_and_never_passed": module.INFO.result_cap is None,
            "test_slices_narrow_the_search_and_end": not isinstance(
                module.build(SourceConfig(), Services()), SlicedSource
            ),
        }
        for name, is_left_out in left_out.items():
            if is_left_out:
                setattr(cls, name, None)

    # What is listed

    def test_everything_that_the_service_says_is_kept(self, web: FaultWeb) -> None:
        service = Service(self.case, web, count=1)
        page = service.source().page(QUERY, None)
        assert page.candidates == (replace(self.case.expected, url=service.picture_url(0), rank=0),)
        assert (page.next_cursor is None) == self.case.tells_end

    def test_a_search_goes_on_from_page_to_page_to_its_end(self, web: FaultWeb) -> None:
        count = self._several_pages()
        service = Service(self.case, web, count=count)
        found = list(pages(service.source()))
        candidates = [one for page in found for one in page.candidates]
        assert [one.url for one in candidates] == [service.picture_url(number) for number in range(count)]
        assert [one.rank for one in candidates] == list(range(count))
        assert found[-1].next_cursor is None
        if self.case.has_total:
            assert {page.total for page in found} == {count}

    def test_another_process_goes_on_from_the_place_that_was_written_down(self, web: FaultWeb) -> None:
        service = Service(self.case, web, count=self._several_pages())
        first = service.source().page(QUERY, None)
        assert first.next_cursor is not None
        again = service.source().page(QUERY, json.loads(json.dumps(first.next_cursor)))
        assert again.candidates[0].url == service.picture_url(len(first.candidates))
        assert again.candidates[0].rank == len(first.candidates)

    def test_an_empty_search_is_an_end(self, web: FaultWeb) -> None:
        page = Service(self.case, web, count=0).source().page(QUERY, None)
        assert (page.candidates, page.next_cursor, page.total or 0) == ((), None, 0)

    def test_missing_and_odd_fields_cost_nothing_but_themselves(self, web: FaultWeb) -> None:
        bare = self.case.bare(web.url("/bare.jpg"))
        service = Service(self.case, web, results=[bare, *self.case.odd, bare])
        candidates = service.source(page_size=max(self.case.page_size, len(self.case.odd) + 2)).page(QUERY, None)
        first, last = candidates.candidates
        info = self.case.module.INFO
        assert first.url == last.url == web.url("/bare.jpg")
        assert (first.source, first.ml_use, first.rank) == (info.name, info.ml_use, 0)
        assert first.mature is False
        for text in (first.title, first.creator, first.attribution, first.sha1, first.published_on):
            assert isinstance(text, str)

    def test_the_cap_is_used_and_never_passed(self, web: FaultWeb) -> None:
        cap = min(self.case.module.INFO.result_cap or 0, self.case.page_size * 3)
        service = Service(self.case, web, count=cap * 4)
        found = list(pages(service.source(result_cap=cap)))
        assert sum(len(page.candidates) for page in found) == cap
        assert found[-1].is_cut_off
        assert all(self.case.asked(query).start + self.case.asked(query).size <= cap for query in service.asked)

    def test_filters_reach_the_service_in_its_own_words(self, web: FaultWeb) -> None:
        service = Service(self.case, web, count=1)
        for filters, parameters in self.case.filters:
            service.source().page(replace(QUERY, filters=filters), None)
            assert {name: service.asked[-1].get(name) for name in parameters} == dict(parameters), filters

    def test_what_it_applies_itself_is_a_value_that_there_is(self) -> None:
        info = self.case.module.INFO
        for wanted, values in info.applies.items():
            assert values == EVERY or values <= VALUES[wanted], wanted

    def test_slices_narrow_the_search_and_end(self, web: FaultWeb) -> None:
        service = Service(self.case, web, count=1)
        source = service.source()
        assert isinstance(source, SlicedSource)
        source.page(QUERY, None)
        whole = service.asked[-1]
        query = QUERY
        seen = 0
        while parts := list(source.slices(query)):
            assert parts == list(service.source().slices(query))  # type: ignore[attr-defined]
            for part in parts:
                assert part.words
                source.page(replace(query, slice=part), None)
                assert service.asked[-1] != whole
            asked = [json.dumps(one, sort_keys=True) for one in service.asked[-len(parts) :]]
            assert len(set(asked)) == len(parts)
            query = replace(query, slice=parts[0])
            seen += 1
            assert seen < 10

    # What goes wrong

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refusal_names_what_to_check(self, web: FaultWeb, status: int) -> None:
        error = self._error(web, answering({"message": "no"}, status))
        assert isinstance(error, SourceRefused)
        assert not error.retryable
        info = self.case.module.INFO
        assert any(info.setting(one) in str(error) for one in [*(c.name for c in info.credentials), "url"])

    def test_a_refusal_with_patience_asked_for_is_no_refusal(self, web: FaultWeb) -> None:
        error = self._error(web, too_many("17", status=403))
        assert isinstance(error, SourceRateLimited)
        assert error.retry_after_s == 17
        assert isinstance(self._error(web, too_many("17", status=401)), SourceRefused)

    @pytest.mark.parametrize(("retry_after", "wait_s"), [("17", 17.0), (None, None), ("soon", None)])
    def test_too_many_requests_are_put_off(self, web: FaultWeb, retry_after: str | None, wait_s: float | None) -> None:
        error = self._error(web, too_many(retry_after))
        assert isinstance(error, SourceRateLimited)
        assert error.retryable
        assert error.retry_after_s == wait_s

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_trouble_of_the_service_may_pass(self, web: FaultWeb, status: int) -> None:
        error = self._error(web, answering(PAGE, status, Retry_After="9"))
        assert isinstance(error, SourceUnavailable)
        assert (error.retryable, error.retry_after_s) == (True, 9)

    @pytest.mark.parametrize(
        "behaviour",
        [reset(), stall(), drip(interval_s=0.05, data=b" "), declared_length(b'{"a": [', declared=500)],
        ids=["reset", "silent", "drip", "cut off"],
    )
    def test_a_broken_connection_may_pass(self, web: FaultWeb, behaviour: Behaviour) -> None:
        assert isinstance(self._error(web, behaviour, timeout_s=0.3), SourceUnavailable)

    def test_the_services_own_errors_are_understood(self, web: FaultWeb) -> None:
        for status, body, kind in self.case.errors:
            error = self._error(web, answering(body, status))
            assert type(error) is kind, (status, body, error)

    def test_an_answer_of_another_shape_is_said_to_be_one(self, web: FaultWeb) -> None:
        bodies: list[object] = [*self.case.changed, b"\xff\xfe\x00", b"", *([] if self.case.pages_html else [[], "x"])]
        for body in bodies:
            error = self._error(web, answering(body))
            assert isinstance(error, SourceShapeChanged), body
            assert not error.retryable
        moved = answer(status=302, headers={"Location": "https://elsewhere.example/"})
        assert isinstance(self._error(web, moved), SourceShapeChanged)

    def test_a_web_page_is_no_answer_and_a_riddle_is_named(self, web: FaultWeb) -> None:
        assert type(self._error(web, answering(PAGE))) is SourceShapeChanged
        assert type(self._error(web, answering(RIDDLE))) is SourceCaptcha
        assert type(self._error(web, answering(RIDDLE, 403))) is SourceCaptcha

    def test_keys_are_in_no_error(self, web: FaultWeb) -> None:
        secrets = [value for value in self.case.credentials.values() if value]
        told = " and ".join(["bad key:", *secrets])
        for status in (400, 401, 403, 404, 429, 500):
            error = self._error(web, answering({"message": told, "error": told, "detail": told}, status))
            assert not any(secret in f"{error} {error!r}" for secret in secrets)
        source = Service(self.case, web).source()
        assert not any(secret in repr(source) for secret in secrets)

    # How it is asked

    def test_every_request_waits_for_its_turn_and_is_told(self, web: FaultWeb) -> None:
        service = Service(self.case, web, count=self._several_pages())
        list(pages(service.source()))
        assert len(service.exchanges) == len(service.paced) == sum(web.requests.values())
        assert {one.status for one in service.exchanges} == {200}
        assert all(one.seconds >= 0 for one in service.exchanges)
        assert all(one["user-agent"].startswith(("PixCrawler/test", "Mozilla/")) for one in service.headers)

    def test_what_is_left_of_a_quota_is_told(self, web: FaultWeb) -> None:
        service = Service(self.case, web)
        service.refuse(answering({}, 429, X_RateLimit_Limit="50", X_RateLimit_Remaining="0", X_RateLimit_Reset="30"))
        with pytest.raises(SourceError):
            service.source().page(QUERY, None)
        (quota,) = service.exchanges[-1].quotas
        assert (quota.remaining, quota.limit, quota.resets_in_s) == (0, 50, 30)

    def test_nothing_of_the_environment_is_used(
        self, web: FaultWeb, canary: FaultWeb, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, canary.url())
        Service(self.case, web, count=1).source().page(QUERY, None)
        assert canary.connections == 0

    # In a crawl

    @pytest.mark.django_db(transaction=True)
    def test_a_whole_crawl_keeps_to_the_law_of_the_ledger(self, web: FaultWeb, settings: Settings) -> None:
        count = 7
        service = self._installed(web, settings, count=count)
        for number in range(5):
            web.on(f"/pictures/{number}.jpg", answer(_photo(number % 4)))

        job = drain(crawl_services.submit_crawl(self._request(), by=None))

        assert_ledger_holds(job)
        assert (job.status, job.found) == (Status.COMPLETED, count), job.summary
        assert (job.kept, job.duplicate, job.failed) == (4, 1, 2)
        assert set(Image.objects.values_list("source", flat=True)) == {self.case.name}
        assert set(Image.objects.values_list("url", flat=True)) == {service.picture_url(n) for n in range(4)}
        assert {one.reason for one in Finding.objects.filter(outcome="failed")} == {"http_404"}

    @pytest.mark.django_db(transaction=True)
    def test_a_crawl_that_is_refused_says_so_and_keeps_to_the_law(self, web: FaultWeb, settings: Settings) -> None:
        service = self._installed(web, settings, count=3)
        service.refuse(*[answering({}, 403)] * 20)

        job = drain(crawl_services.submit_crawl(self._request(), by=None))

        assert_ledger_holds(job)
        assert job.status == Status.FAILED
        assert self.case.module.INFO.title in job.summary

    def _request(self) -> CrawlRequest:
        return CrawlRequest(dataset="Trees", keywords=("tree",), sources=(self.case.name,), per_label=50)

    def _installed(self, web: FaultWeb, settings: Settings, *, count: int) -> Service:
        """The service, where the installation looks for it."""
        info = self.case.module.INFO
        assert registry().modules[info.name] is self.case.module
        values = {
            "url": web.url(self.case.url),
            "page_size": str(self.case.page_size),
            "requests_per_minute": "0",
            "terms_accepted": "true",
            **self.case.credentials,
        }
        settings.SOURCE_SETTINGS = {
            **settings.SOURCE_SETTINGS,
            **{info.setting(name): value for name, value in values.items()},
        }
        settings.ALLOW_HOSTS = frozenset({web.host_port})
        wiring.fetcher.cache_clear()
        wiring.robots.cache_clear()
        return Service(self.case, web, count=count)

    def _several_pages(self) -> int:
        """Results for two pages and a half, as far as the service's cap allows."""
        count = self.case.page_size * 5 // 2
        cap = self.case.cap if self.case.cap is not None else self.case.module.INFO.result_cap
        return count if cap is None else min(count, cap)

    def _error(self, web: FaultWeb, behaviour: Behaviour, **config: float) -> SourceError:
        service = Service(self.case, web)
        service.refuse(behaviour)
        with pytest.raises(SourceError) as caught:
            service.source(**config).page(QUERY, None)
        sentence = str(caught.value)
        assert sentence.startswith(f"{self.case.module.INFO.title} ")
        assert sentence.endswith(".")
        return caught.value


def pages(source: Source) -> Iterator[Page]:
    """All pages of a search, its cursors written down and read again in between."""
    cursor: Cursor | None = None
    for _ in range(_MANY_PAGES):
        page = source.page(QUERY, cursor)
        yield page
        if page.next_cursor is None:
            return
        cursor = json.loads(json.dumps(page.next_cursor))
    pytest.fail("The list has no end.")


def _photo(seed: int) -> bytes:
    return encoded(noisy(90, 80, seed=seed))
