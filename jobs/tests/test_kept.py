"""When large datasets are counted again, and that what workers write makes numbers old."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from datasets.models import Dataset, Image
from datasets.number_models import KeptNumbers
from datasets.numbers import COUNTED_ANEW
from datasets.tests.factories import DatasetFactory, ImageFactory
from jobs import kept, services
from jobs.dataset_report import report_of
from jobs.models import Status
from jobs.scheduler import sweep
from jobs.tasks import count_dataset_task
from jobs.tests.drain import drain
from jobs.tests.factories import ChunkFactory, FindingFactory, JobFactory
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.stored import dataset_of, file, images_of, scene

pytestmark = pytest.mark.django_db


def large(**values: int) -> Dataset:
    dataset = DatasetFactory.create(image_count=COUNTED_ANEW + 1, **values)
    ImageFactory.create(dataset=dataset)
    return dataset


def an_hour_ago(dataset: Dataset) -> None:
    KeptNumbers.objects.filter(dataset=dataset).update(counted_at=timezone.now() - timedelta(hours=1))


def test_the_scheduler_has_a_large_dataset_counted_once() -> None:
    dataset, small = large(), DatasetFactory.create(image_count=COUNTED_ANEW)

    assert sweep().counts_asked == 1
    assert sweep().counts_asked == 0
    assert count_dataset_task(dataset.pk) == "counted"
    assert sweep().counts_asked == 0
    assert KeptNumbers.objects.get().dataset == dataset != small


def test_it_is_counted_again_when_it_changed_and_nothing_works_on_it() -> None:
    dataset = large()
    kept.draw(dataset.pk)
    Dataset.objects.update(revision=F("revision") + 1)
    assert kept.ask_for_due() == 0, "not twice within a minute"

    an_hour_ago(dataset)
    job = JobFactory.create(dataset=dataset, status=Status.PROCESSING)
    assert kept.ask_for_due() == 0, "not while a job works on it"

    job.status, job.finished_at = Status.COMPLETED, timezone.now()
    job.save(update_fields=["status", "finished_at"])
    KeptNumbers.objects.update(seconds=200)
    assert kept.ask_for_due() == 0, "not more than a twentieth of the time"

    KeptNumbers.objects.update(seconds=1)
    assert kept.ask_for_due() == 1


def test_an_asked_worker_that_vanished_is_asked_for_again() -> None:
    large()
    assert kept.ask_for_due() == 1
    KeptNumbers.objects.update(asked_at=timezone.now() - timedelta(hours=1))
    assert kept.ask_for_due() == 1


def test_candidates_that_come_later_make_a_report_old() -> None:
    dataset = large()
    counters = {"found": 2, "kept": 1, "failed": 1}
    chunk = ChunkFactory.create(
        job=JobFactory.create(dataset=dataset, status=Status.COMPLETED, **counters),
        status=Status.COMPLETED,
        source="openverse",
        **counters,
    )
    FindingFactory.create(chunk=chunk, outcome="failed", reason="timeout")
    kept.draw(dataset.pk)
    assert report_of(dataset).since == ""

    type(chunk).objects.update(found=F("found") + 1, failed=F("failed") + 1)
    report = report_of(dataset)

    assert report.since == "more candidates were looked at"
    assert [(row.found, row.failed) for row in report.funnels] == [(2, 1)]
    assert [(row.reason, row.count) for row in report.left_out] == [("timeout", 1)]


@pytest.mark.parametrize("level", ["basic", "standard", "strict"])
def test_a_validation_makes_numbers_old(level: str) -> None:
    dataset = dataset_of([file(scene(1)), file(scene(2))])

    drain(services.submit_validation(dataset=dataset, level=level, by=None))

    assert Dataset.objects.get(pk=dataset.pk).revision > dataset.revision


def test_a_repair_makes_numbers_old(web: PhotoWeb) -> None:
    body = file(scene(1))
    dataset = dataset_of([body])
    image = images_of(dataset)[0]
    Image.objects.filter(pk=image.pk).update(damage="truncated", url=web.add_photo("/1.jpg", body))

    drain(services.submit_repair(dataset=dataset, by=None))

    assert Image.objects.get(pk=image.pk).damage == ""
    assert Dataset.objects.get(pk=dataset.pk).revision > dataset.revision
