"""Targets, quotas and what comes next."""

import threading

import pytest
from django.db import connection
from django.db.models import Count, Sum
from pytest_django import Settings

from jobs import lifecycle, planner, progress
from jobs.crawl_services import CrawlRequest, submit_crawl
from jobs.models import Chunk, Job, LabelTarget, Status
from jobs.services import cancel_job


def _submitted(**changes: object) -> Job:
    request = {"dataset": "Birds", "keywords": ("robin",), "sources": ("sample",), "per_label": 120, **changes}
    return submit_crawl(CrawlRequest(**request), by=None)  # type: ignore[arg-type]


def _planned(**changes: object) -> Job:
    job = _submitted(**changes)
    assert planner.plan(job.pk)
    job.refresh_from_db()
    return job


def _kept(chunk: Chunk, images: int, *, exhausted: bool = False) -> None:
    """As if the chunk had kept so many images."""
    chunk.refresh_from_db()
    Chunk.objects.filter(pk=chunk.pk).update(found=images, kept=images, quota=chunk.quota - images, exhausted=exhausted)
    target = LabelTarget.objects.get(job=chunk.job, label=chunk.label)
    LabelTarget.objects.filter(pk=target.pk).update(kept=target.kept + images, reserved=target.reserved - images)


def _finish(chunk: Chunk, to: Status = Status.COMPLETED) -> None:
    lease = lifecycle.claim_chunk(chunk.pk, worker="w", task_id="t")
    assert lease is not None
    assert planner.finish_chunk(chunk, to, token=lease.token)


@pytest.mark.django_db
def test_a_target_is_shared_by_the_labels_keywords_and_sources() -> None:
    job = _planned(keywords=("bird: robin, blue tit",), sources=("sample", "openverse"), per_label=40)

    assert sorted(job.chunks.values_list("keyword", "source", "quota")) == [
        ("blue tit", "openverse", 10), ("blue tit", "sample", 10), ("robin", "openverse", 10), ("robin", "sample", 10),
    ]  # fmt: skip
    assert job.targets.get().reserved == 40


@pytest.mark.django_db
def test_a_job_is_planned_once_however_often_it_is_told() -> None:
    job = _planned()

    assert not planner.plan(job.pk)
    assert job.chunks.count() == 1


@pytest.mark.django_db
def test_the_next_chunk_goes_on_where_the_last_one_stopped(settings: Settings) -> None:
    settings.CHUNK_SIZE = 50
    job = _planned()
    first = job.chunks.get()
    _kept(first, 50)
    Chunk.objects.filter(pk=first.pk).update(position={"cursor": {"page": 5}, "offset": 2})

    _finish(first)

    second = job.chunks.get(window=1)
    assert (second.quota, second.position) == (50, {"cursor": {"page": 5}, "offset": 2})


@pytest.mark.django_db
def test_what_one_source_cannot_deliver_is_taken_from_the_other() -> None:
    job = _planned(sources=("sample", "openverse"), per_label=60)
    poor, rich = job.chunks.get(source="sample"), job.chunks.get(source="openverse")
    _kept(poor, 4, exhausted=True)
    _finish(poor)
    _kept(rich, 30)
    _finish(rich)

    following = job.chunks.get(source="openverse", window=1)
    assert following.quota == 26
    assert not job.chunks.filter(source="sample", window=1).exists()


@pytest.mark.django_db
def test_a_met_target_ends_the_job_with_all_that_was_asked_for() -> None:
    job = _planned(per_label=20)
    chunk = job.chunks.get()
    _kept(chunk, 20)
    _finish(chunk)

    job.refresh_from_db()
    assert (job.status, job.kept, job.summary) == (Status.COMPLETED, 20, "Kept all that was asked for: 20 images.")


@pytest.mark.django_db
def test_a_job_that_kept_fewer_says_why() -> None:
    job = _planned(per_label=20)
    chunk = job.chunks.get()
    _kept(chunk, 7, exhausted=True)
    _finish(chunk)

    job.refresh_from_db()
    assert job.status == Status.COMPLETED
    assert job.summary.startswith("Kept 7 of 20. The sources listed 7 and have no more.")


@pytest.mark.django_db
def test_a_job_fails_only_when_every_chunk_failed() -> None:
    job = _planned(keywords=("a", "b"), per_label=5)
    one, two = job.chunks.all()
    _finish(one, Status.FAILED)
    job.refresh_from_db()
    assert job.status == Status.PROCESSING
    _finish(two, Status.FAILED)

    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert job.targets.aggregate(n=Sum("reserved"))["n"] == 0


@pytest.mark.django_db
def test_an_end_reads_its_own_chunk_and_the_open_ones_and_the_jobs_end_reads_all() -> None:
    job = _planned(keywords=("a", "b", "c"), per_label=10)
    one, two, three = job.chunks.all()
    _kept(one, 10)
    _finish(one)
    # As a search for duplicates does it, with chunks that have ended.
    Chunk.objects.filter(pk=one.pk).update(kept=7, duplicate=3)
    _kept(two, 10)
    Chunk.objects.filter(pk=three.pk).update(found=4, rejected=4, exhausted=True)

    _finish(two)

    job.refresh_from_db()
    assert (job.found, job.kept, job.duplicate, job.rejected) == (24, 20, 0, 4)
    _finish(three)
    job.refresh_from_db()
    assert (job.status, job.kept, job.duplicate, job.rejected) == (Status.COMPLETED, 17, 3, 4)


@pytest.mark.django_db
def test_a_job_of_the_time_before_its_ended_chunks_were_summed_up_is_counted() -> None:
    job = _planned(keywords=("a", "b", "c"), per_label=10)
    one, two, _ = job.chunks.all()
    for chunk in (one, two):
        _kept(chunk, 10)
        Job.objects.filter(pk=job.pk).update(ended=None)
        _finish(chunk)

    job.refresh_from_db()
    assert (job.status, job.kept) == (Status.PROCESSING, 20)


@pytest.mark.django_db(transaction=True)
def test_chunks_that_end_at_once_reserve_no_more_than_is_left() -> None:
    job = _planned(keywords=("x: a, b, c, d",), per_label=203)
    chunks = list(job.chunks.all())
    for chunk in chunks:
        _kept(chunk, 10)
    barrier = threading.Barrier(len(chunks))

    def finish(chunk: Chunk) -> None:
        try:
            barrier.wait()
            _finish(chunk)
        finally:
            connection.close()

    threads = [threading.Thread(target=finish, args=[chunk]) for chunk in chunks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    job.refresh_from_db()
    assert (job.kept, job.ended) == (40, progress.look(job).ended)
    target = job.targets.get()
    still_open = job.chunks.filter(status=Status.PENDING).aggregate(n=Sum("quota"))["n"]
    assert target.kept == 40
    assert target.reserved == still_open
    assert target.kept + target.reserved <= target.wanted


@pytest.mark.django_db
def test_the_last_two_chunks_that_end_finish_the_job_once() -> None:
    job = _planned(keywords=("a", "b"), per_label=5)
    for chunk in job.chunks.all():
        _kept(chunk, 5)
        _finish(chunk)

    job.refresh_from_db()
    assert job.status == Status.COMPLETED
    assert job.activities.filter(sentence__startswith="Kept all").count() == 1


@pytest.mark.django_db
def test_more_labels_than_a_batch_get_their_chunks_and_reservations() -> None:
    job = _planned(keywords=tuple(f"bird {n}" for n in range(1_100)), per_label=3)

    assert job.chunks.count() == job.targets.filter(reserved=3).count() == 1_100


@pytest.mark.django_db
def test_a_cancelled_job_gives_back_every_quota_of_more_chunks_than_a_batch() -> None:
    job = _planned(keywords=tuple(f"bird {n}" for n in range(1_100)), per_label=3)

    cancel_job(job_id=job.pk, by=None)

    assert list(job.chunks.values_list("status").annotate(n=Count("pk"))) == [(Status.CANCELLED, 1_100)]
    assert job.targets.aggregate(n=Sum("reserved"))["n"] == 0


@pytest.mark.django_db
def test_a_lane_goes_on_behind_its_newest_chunk() -> None:
    job = _planned(keywords=("bird: robin, blue tit",), per_label=400)
    for place in range(3):
        for chunk in job.chunks.filter(status=Status.PENDING):
            _kept(chunk, 10)
            Chunk.objects.filter(pk=chunk.pk).update(position={"cursor": {"page": place}})
            _finish(chunk)

    newest = job.chunks.filter(window=3).order_by("keyword").values_list("keyword", "position")
    assert list(newest) == [("blue tit", {"cursor": {"page": 2}}), ("robin", {"cursor": {"page": 2}})]
