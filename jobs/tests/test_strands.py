"""A long list is read by several workers at once: every line of it once, wherever they are interrupted."""

import pytest
from pytest_django import Settings

from jobs import planner, runner, services
from jobs.models import Chunk, Job, Status
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import photo, submit

pytestmark = pytest.mark.django_db(transaction=True)

#: Nothing is asked of such an address, so that a long list of them is done in a moment.
REFUSED = "http://10.0.0.1/{}.jpg"


def listed(lines: int, *, label: str = "tree", pictures: dict[int, str] | None = None) -> list[str]:
    given = pictures or {}
    return ["url,label", *(f"{given.get(number, REFUSED.format(number))},{label}" for number in range(lines))]


def strands(job: Job) -> dict[int, list[str]]:
    """The addresses that each strand brought into the ledger."""
    found: dict[int, list[str]] = {}
    for strand, url in job.findings.order_by("pk").values_list("chunk__strand", "url"):
        found.setdefault(strand, []).append(url)
    return found


def test_several_chunks_share_the_pages_of_a_list(settings: Settings) -> None:
    settings.CHUNK_SIZE, settings.LIST_STRANDS = 100, 2

    job = drain(submit(keywords=(), sources=("urls",), url_list=listed(320), per_label=500))

    assert_ledger_holds(job)
    read = strands(job)
    assert sorted(read) == [0, 1]
    lines = [REFUSED.format(number) for number in range(320)]
    assert sorted(read[0]) == sorted(lines[:100] + lines[200:300])
    assert sorted(read[1]) == sorted(lines[100:200] + lines[300:])
    assert set(job.chunks.filter(exhausted=True).values_list("strand", flat=True)) == {0, 1}


def test_all_strands_are_open_from_the_start(settings: Settings) -> None:
    settings.CHUNK_SIZE, settings.LIST_STRANDS = 50, 4
    job = submit(keywords=(), sources=("urls",), url_list=listed(900), per_label=170)
    planner.plan(job.pk)
    quotas = job.chunks.order_by("strand").values_list("strand", "quota", "status")
    assert list(quotas) == [(strand, 43 if strand < 3 else 41, Status.PENDING) for strand in range(4)]


@pytest.mark.parametrize(("lines", "per_label", "expected"), [(90, 500, 1), (1_000, 40, 1), (1_000, 90, 2), (0, 9, 1)])
def test_a_short_list_or_a_small_target_has_one(settings: Settings, lines: int, per_label: int, expected: int) -> None:
    settings.CHUNK_SIZE = 50
    given = listed(lines) if lines else [REFUSED.format(0)]
    job = submit(keywords=(), sources=("urls",), url_list=given, per_label=per_label)
    planner.plan(job.pk)
    assert job.chunks.count() == expected


def test_a_list_leaves_the_other_sources_of_its_label_their_share(web: PhotoWeb, settings: Settings) -> None:
    settings.CHUNK_SIZE = 50
    job = submit(keywords=("tree",), sources=("openverse", "urls"), url_list=listed(900), per_label=500)
    planner.plan(job.pk)
    assert list(job.chunks.order_by("source").values_list("source", "strand")) == [("openverse", 0), ("urls", 0)]


def test_the_target_is_met_exactly_by_all_together(web: PhotoWeb, settings: Settings) -> None:
    settings.CHUNK_SIZE, settings.LIST_STRANDS = 4, 3
    pictures = {number: web.add_photo(f"/{number}.jpg", photo(number)) for number in range(0, 300, 15)}

    job = drain(submit(keywords=(), sources=("urls",), url_list=listed(300, pictures=pictures), per_label=11))

    assert_ledger_holds(job)
    assert (job.kept, job.status) == (11, Status.COMPLETED)


def test_a_cancelled_list_goes_on_where_each_strand_stopped(settings: Settings) -> None:
    settings.CHUNK_SIZE, settings.LIST_STRANDS = 100, 3
    job = submit(keywords=(), sources=("urls",), url_list=listed(700), per_label=900)
    planner.plan(job.pk)
    runner.run_chunk(job.chunks.get(strand=1).pk)
    services.cancel_job(job_id=job.pk, by=None)
    job.refresh_from_db()
    assert (job.status, sorted(strands(job))) == (Status.CANCELLED, [1])

    services.retry_job(job_id=job.pk, by=None)
    job = drain(job)

    assert_ledger_holds(job)
    found = [url for urls in strands(job).values() for url in urls]
    assert sorted(found) == sorted(REFUSED.format(number) for number in range(700))
    assert not Chunk.objects.filter(job=job, status=Status.PENDING).exists()


def test_a_retry_reads_the_strands_that_it_had_no_place_for_at_first(web: PhotoWeb, settings: Settings) -> None:
    settings.CHUNK_SIZE, settings.LIST_STRANDS = 2, 3
    # Pictures lie in the first page, read by strand 0, and in the third one, read by strand 2.
    pictures = {number: web.add_photo(f"/{number}.jpg", photo(number)) for number in (3, 4, 205)}
    job = submit(keywords=(), sources=("urls",), url_list=listed(300, pictures=pictures), per_label=6)
    planner.plan(job.pk)
    runner.run_chunk(job.chunks.get(strand=0).pk)
    services.cancel_job(job_id=job.pk, by=None)
    # One place is left, and two strands were cancelled.
    job.targets.update(wanted=3)

    services.retry_job(job_id=job.pk, by=None)
    job = drain(job)

    assert_ledger_holds(job)
    assert (job.status, job.targets.get().kept) == (Status.COMPLETED, 3)


def test_the_parts_of_a_list_are_told_apart(settings: Settings) -> None:
    settings.CHUNK_SIZE, settings.LIST_STRANDS = 100, 2
    job = submit(keywords=(), sources=("urls",), url_list=listed(320), per_label=500)
    planner.plan(job.pk)
    assert [chunk.title for chunk in job.chunks.order_by("strand")] == ["tree × urls", "tree × urls, part 2"]
