"""The overview: how fast it goes, how long it takes, and what needs somebody."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from datasets.models import Dataset, DuplicateGroup, DuplicateScan, Verdict
from datasets.people import OPERATOR
from datasets.tests.factories import DatasetFactory, ImageFactory
from jobs import progress, throughput
from jobs.health import note_worker_alive
from jobs.models import Chunk, Job, Kind, Status
from jobs.redis_store import client as redis
from jobs.tests.factories import ChunkFactory, JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ana"))
    note_worker_alive("w")
    return client


def text(page: Client, address: str = "/") -> str:
    return page.get(address).content.decode()


def kept(minutes_ago: int, images: int) -> None:
    """As if workers had kept so many in that minute."""
    with redis().pipeline() as pipe:
        throughput.note(pipe, images)
        pipe.execute()
    minute = throughput._minute()
    redis().rename(throughput._key(minute), throughput._key(minute - minutes_ago))


def test_a_curve_is_drawn_once_something_was_kept_and_not_before(page: Client) -> None:
    JobFactory.create(status=Status.COMPLETED)
    assert "Kept per second" not in text(page)

    kept(2, 600)
    kept(1, 384)

    drawn = text(page)
    assert "Images kept per second over the last hour: 10.0 at most, 6.4 in the last minute" in drawn
    curve = throughput.last_hour()
    assert curve is not None
    assert (len(curve.per_s), curve.per_s[-3:]) == (60, [0.0, 10.0, 6.4])


def test_what_workers_publish_is_what_the_curve_counts() -> None:
    chunk = ChunkFactory.create(status=Status.PENDING)
    progress.rebuild(chunk.job)
    for number in (4, 10):
        Chunk.objects.filter(pk=chunk.pk).update(found=number, kept=number)
        progress.publish(Chunk.objects.select_related("job").get(pk=chunk.pk))
    validation = ChunkFactory.create(job__kind=Kind.VALIDATE, status=Status.PENDING, found=5, kept=5)
    progress.rebuild(validation.job)
    progress.publish(validation)

    keys = list(redis().scan_iter("px:kept:*"))
    assert sum(int(redis().get(key)) for key in keys) == 10
    assert all(0 < redis().ttl(key) <= 65 * 60 for key in keys)


def test_a_running_job_tells_its_speed_what_is_left_and_what_stopped(page: Client) -> None:
    job = JobFactory.create(
        status=Status.PROCESSING, wanted=120, started_at=timezone.now() - timedelta(seconds=60), dataset__name="Birds"
    )
    ChunkFactory.create(job=job, status=Status.COMPLETED, found=60, kept=60)
    ChunkFactory.create_batch(2, job=job, status=Status.FAILED, error="It broke.")
    progress.rebuild(job)

    drawn = text(page)

    assert "2 stopped" in drawn
    assert "1.0/s" in drawn
    assert "about 60 s left" in drawn or "about 59 s left" in drawn


@pytest.fixture
def waiting() -> Dataset:
    """A dataset with a damaged file, an unknown licence in four, and a group of look-alikes."""
    dataset = DatasetFactory.create(name="Birds", slug="birds", image_count=4)
    ImageFactory.create(dataset=dataset, damage="truncated", checked_at=timezone.now(), checked_level="basic")
    ImageFactory.create(dataset=dataset, licence_code="unknown")
    ImageFactory.create(dataset=dataset, licence_code="unknown", review=Verdict.EXCLUDED)
    ImageFactory.create(dataset=dataset, licence_code="by")
    job = JobFactory.create(dataset=dataset, kind=Kind.VALIDATE, status=Status.COMPLETED)
    scan = DuplicateScan.objects.create(
        dataset=dataset, job_id=job.pk, max_bits=10, last_image_id=9, image_count=4, group_count=1,
        completed_at=timezone.now(),
    )  # fmt: skip
    DuplicateGroup.objects.create(scan=scan, position=1, keeper=dataset.images.first(), why="Most pixels.")
    return dataset


def test_datasets_say_what_waits_in_them(page: Client, waiting: Dataset) -> None:
    ImageFactory.create(dataset=waiting, licence_code="by", damage="")
    for address in ("/", "/datasets/"):
        drawn = text(page, address)
        for badge in ("1 damaged", "1 to review"):
            assert badge in drawn, address
    drawn = text(page)
    assert "1 file of Birds is damaged or missing" in drawn
    assert "1 group of look-alikes in Birds" in drawn
    assert "% of Birds has no known licence" in drawn
    for where in ("checks/", "duplicates/", "report/"):
        assert f'href="/datasets/birds/{where}"' in drawn


def test_what_is_not_shown_to_somebody_needs_nobody(client: Client, waiting: Dataset) -> None:
    Dataset.objects.update(is_shared=False)
    other = User.objects.create_user("bo")
    other.groups.add(Group.objects.get(name=OPERATOR))
    client.force_login(other)

    assert "Birds" not in text(client)


def test_a_person_s_rights_are_one_query_and_the_same_as_django_s(client: Client) -> None:
    person = User.objects.create_user("cy")
    person.groups.add(Group.objects.get(name=OPERATOR))
    granted = {f"jobs.{right}" for right in ("add_job", "change_job")}
    with CaptureQueriesContext(connection) as seen:
        assert person.has_perms(granted)
        assert not person.has_perm("jobs.delete_job")
    assert len(seen) == 1
    person = User.objects.get(pk=person.pk)
    assert person.get_all_permissions() == person.get_group_permissions() | person.get_user_permissions()


def test_jobs_that_ended_badly_stand_first(page: Client, waiting: Dataset) -> None:
    failed = JobFactory.create(dataset__name="Fungi", status=Status.FAILED, summary="The disk is full.")

    drawn = text(page)

    assert drawn.index(f"Fungi, job {failed.pk}") < drawn.index("1 file of Birds")
    assert Job.objects.count() == 2
