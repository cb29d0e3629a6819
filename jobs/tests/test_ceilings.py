"""Beyond a service's cap, and where a source is left: in whole crawls, and through kills, retries and top-ups."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from pytest_django import Settings

from datasets.models import Image
from datasets.tests.pictures import encoded, noisy
from jobs import crawl_services, planner, runner, services
from jobs.chunk_work import BARREN_PAGES
from jobs.crawl.sources.base import SourceInfo
from jobs.crawl.sources.slicing import is_in_parts, page_of, slice_at
from jobs.crawl.types import Candidate, Cursor, Page, Query, Slice
from jobs.crawl_services import CrawlRequest
from jobs.models import Activity, Finding, Job, Status
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb

QUERY = Query(keyword="tree", label="tree")


@dataclass
class Shelf:
    """`content` by part ("" the whole): numbers; `cap` of them are given at most, two to a page. Parts lie in parts."""

    content: dict[str, list[int]]
    cap: int = 4
    asked: list[tuple[str, int]] = field(default_factory=list)
    info: SourceInfo = field(
        default_factory=lambda: SourceInfo(name="shelf", title="Shelf", hint="", licence_known=True, result_cap=4)
    )

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        part = query.slice.values["part"] if query.slice else ""
        start = int(cursor["start"]) if cursor else 0
        self.asked.append((part, start))
        numbers = self.content[part]
        end = min(start + 2, self.cap, len(numbers))
        is_end = end >= min(self.cap, len(numbers))
        return Page(
            candidates=tuple(Candidate(url=f"https://x.example/{n}", source="shelf") for n in numbers[start:end]),
            next_cursor=None if is_end else {"start": end},
            total=min(len(numbers), self.cap),
            is_cut_off=is_end and len(numbers) > self.cap,
        )

    def slices(self, query: Query) -> Sequence[Slice]:
        above = query.slice.values["part"] if query.slice else ""
        names = [name for name in self.content if name and len(name) == len(above) + 1 and name.startswith(above)]
        return [Slice(words=name, values={"part": name}) for name in names]


def read(shelf: Shelf, cursor: Cursor | None = None) -> list[str]:
    """All that is listed from there on; the place is written down after each page."""
    listed = []
    for _ in range(50):
        page = page_of(shelf, QUERY, cursor)
        listed += [one.url.rpartition("/")[2] for one in page.candidates]
        if page.next_cursor is None:
            return listed
        cursor = json.loads(json.dumps(page.next_cursor))
    pytest.fail("The list has no end.")


def test_a_list_below_the_cap_is_not_cut() -> None:
    shelf = Shelf({"": [1, 2, 3, 4], "a": [1, 2, 3, 4]})
    assert read(shelf) == ["1", "2", "3", "4"]
    assert {part for part, _ in shelf.asked} == {""}


def test_a_list_above_the_cap_is_read_in_parts_and_only_full_parts_in_theirs() -> None:
    numbers = list(range(12))
    shelf = Shelf({"": numbers, "a": numbers[:3], "b": numbers[3:], "bx": numbers[3:7], "by": numbers[7:], "c": []})
    listed = read(shelf)
    assert listed[:4] == ["0", "1", "2", "3"]
    assert set(listed) == {str(number) for number in range(11)}, "the part by is cut off, and has no parts"
    parts = list(dict.fromkeys(part for part, _ in shelf.asked))
    assert parts == ["", "a", "b", "bx", "by", "c"]


def test_whoever_goes_on_from_a_written_place_reads_the_rest_and_nothing_else() -> None:
    numbers = list(range(12))
    content = {"": numbers, "a": numbers[:3], "b": numbers[3:], "bx": numbers[3:7], "by": numbers[7:]}
    whole = read(Shelf(content))
    cursor: Cursor | None = None
    before: list[str] = []
    while True:
        assert before + read(Shelf(content), cursor) == whole
        page = page_of(Shelf(content), QUERY, cursor)
        before += [one.url.rpartition("/")[2] for one in page.candidates]
        if page.next_cursor is None:
            break
        cursor = json.loads(json.dumps(page.next_cursor))


def test_a_place_tells_whether_it_lies_in_a_part() -> None:
    shelf = Shelf({"": [1], "a": [1]})
    assert not is_in_parts(None)
    assert not is_in_parts({"start": 2})
    assert is_in_parts({"path": [0], "cursor": None})
    assert slice_at(shelf, QUERY, []) is None
    part = slice_at(shelf, QUERY, [0])
    assert part is not None
    assert part.words == "a"
    assert slice_at(shelf, QUERY, [7]) is None


# Whole crawls

LICENCES = ("by", "by-sa", "cc0")


def photo(seed: int) -> bytes:
    return encoded(noisy(90, 80, seed=seed))


def submit(**changes: object) -> Job:
    asked = {"dataset": "Photos", "keywords": ("tree",), "sources": ("openverse",), "per_label": 60, **changes}
    return crawl_services.submit_crawl(CrawlRequest(**asked), by=None)  # type: ignore[arg-type]


def capped(settings: Settings, cap: int) -> None:
    settings.SOURCE_SETTINGS = {**settings.SOURCE_SETTINGS, "PIXCRAWLER_OPENVERSE_RESULT_CAP": str(cap)}


def filled(web: PhotoWeb, count: int) -> None:
    for number in range(count):
        web.add_photo(f"/{number}.jpg", photo(number), license=LICENCES[number % 3], license_url="")


@pytest.mark.django_db(transaction=True)
def test_a_keyword_that_needs_more_than_the_cap_gets_it_in_parts(web: PhotoWeb, settings: Settings) -> None:
    capped(settings, 20)
    filled(web, 45)

    job = drain(submit(per_label=45))

    assert_ledger_holds(job)
    assert (job.kept, job.failed, job.rejected) == (45, 0, 0), job.summary
    assert set(Finding.objects.filter(outcome="duplicate").values_list("reason", flat=True)) == {"duplicate_url"}
    downloads = [n for path, n in web.hits.items() if path.endswith(".jpg")]
    assert downloads == [1] * 45


@pytest.mark.django_db(transaction=True)
def test_a_target_below_the_cap_is_met_without_parts(web: PhotoWeb, settings: Settings) -> None:
    capped(settings, 20)
    filled(web, 45)

    job = drain(submit(per_label=15))

    assert job.kept == 15
    assert job.duplicate == 0, "parts would repeat what the whole list has shown"


@pytest.mark.django_db(transaction=True)
def test_a_crawl_that_is_topped_up_goes_on_in_the_part_where_it_was(web: PhotoWeb, settings: Settings) -> None:
    capped(settings, 20)
    settings.CHUNK_SIZE = 7
    filled(web, 45)
    job = drain(submit(per_label=30))
    assert_ledger_holds(job)
    assert job.kept == 30

    services.top_up(job_id=job.pk, images=15, by=None)
    job = drain(job)

    assert_ledger_holds(job)
    assert (job.kept, Image.objects.count()) == (45, 45), job.summary
    assert [n for path, n in web.hits.items() if path.endswith(".jpg")] == [1] * 45


@pytest.mark.django_db(transaction=True)
def test_a_chunk_that_fails_in_a_part_is_retried_there(web: PhotoWeb, settings: Settings) -> None:
    capped(settings, 20)
    settings.CHUNK_SIZE = 7
    filled(web, 45)
    job = submit(per_label=45)
    planner.plan(job.pk)
    while job.chunks.filter(status=Status.PENDING).exists() and Image.objects.count() < 25:
        runner.run_chunk(job.chunks.get(status=Status.PENDING).pk)
    web.refused["tree"] = 403
    job = drain(job)
    assert_ledger_holds(job)
    assert job.chunks.filter(status=Status.FAILED).count() == 1

    web.refused.clear()
    services.retry_job(job_id=job.pk, by=None)
    job = drain(job)

    assert_ledger_holds(job)
    assert (job.kept, job.status) == (45, Status.COMPLETED), job.summary
    assert [n for path, n in web.hits.items() if path.endswith(".jpg")] == [1] * 45


@pytest.mark.django_db(transaction=True)
def test_a_service_that_gives_no_more_is_said_to_give_no_more(web: PhotoWeb, settings: Settings) -> None:
    capped(settings, 20)
    for number in range(45):
        web.add_photo(f"/{number}.jpg", photo(number), license="by", size="large", aspect_ratio="wide")

    job = drain(submit())

    assert_ledger_holds(job)
    assert job.kept == 20
    assert job.status == Status.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_a_source_that_brings_nothing_new_is_left_and_the_job_says_so(web: PhotoWeb) -> None:
    for number in range(5):
        web.add_photo(f"/{number}.jpg", photo(number))
    web.listed[""] = web.listed[""] * 80

    job = drain(submit())

    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, 5)
    assert 10 * (BARREN_PAGES + 1) <= job.found < 400, "pages may be asked for while the last new picture is on its way"
    assert "openverse was left for 1 keyword," in job.summary
    told = Activity.objects.filter(job=job).values_list("sentence", flat=True)
    assert f"tree × openverse was left: {BARREN_PAGES} pages in a row brought nothing new." in list(told)


@pytest.mark.django_db(transaction=True)
def test_something_new_at_the_last_moment_keeps_a_source(web: PhotoWeb) -> None:
    web.add_photo("/0.jpg", photo(0))
    web.listed[""] = web.listed[""] * (10 * BARREN_PAGES)
    web.add_photo("/1.jpg", photo(1))
    web.listed[""] += web.listed[""][:1] * 300

    job = drain(submit())

    assert_ledger_holds(job)
    assert job.kept == 2


@pytest.mark.django_db(transaction=True)
def test_what_the_dataset_has_already_is_no_reason_to_leave(web: PhotoWeb) -> None:
    for seed in range(5):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    drain(submit(per_label=5))
    known, web.listed[""] = web.listed[""], []
    for number in range(10 * (BARREN_PAGES + 1)):
        web.listed[""].append({**known[number % 5], "url": f"{known[number % 5]['url']}"})
    web.add_photo("/new.jpg", photo(9))

    job = drain(submit(per_label=1))

    assert_ledger_holds(job)
    assert job.kept == 1, job.summary


@pytest.mark.django_db(transaction=True)
def test_a_list_that_people_brought_is_read_to_its_end(web: PhotoWeb) -> None:
    url = web.add_photo("/0.jpg", photo(0))
    count = 100 * (BARREN_PAGES + 3)
    last = web.add_photo("/1.jpg", photo(1))

    job = drain(submit(keywords=(), sources=("urls",), url_list=[*[url] * count, last]))

    assert_ledger_holds(job)
    assert (job.found, job.kept) == (count + 1, 2)
