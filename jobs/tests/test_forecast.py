"""About how much disk and time a crawl takes: learnt from what was done here, and said to be a guess."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from datasets.models import Dataset
from datasets.tests.factories import DatasetFactory
from jobs.forecast import ASSUMED_IMAGE_BYTES, ASSUMED_IMAGES_PER_S, forecast
from jobs.models import Job, Status
from jobs.tests.factories import JobFactory

pytestmark = pytest.mark.django_db


def crawled(*, kept: int, seconds: int, **values: object) -> Job:
    now = timezone.now()
    job = JobFactory.create(status=Status.COMPLETED, found=kept, kept=kept, **values)
    Job.objects.filter(pk=job.pk).update(started_at=now - timedelta(seconds=seconds), finished_at=now)
    return job


def test_nothing_to_learn_from_is_assumed_and_said(client: Client) -> None:
    told = forecast(images=1500, keywords=6, per_label=250, sources=[])

    assert (told.image_bytes, told.images_per_s) == (ASSUMED_IMAGE_BYTES, ASSUMED_IMAGES_PER_S)
    assert (told.size_bytes, told.seconds, told.duration) == (600_000_000, 750, "13 min")
    client.force_login(User.objects.create_superuser("ana"))
    values = {"keywords": "robin\nwren", "per_label": "100", "sources": ["sample"]}
    text = client.post("/jobs/estimate/", values).content.decode()
    assert "80.0 MB of" in text
    assert "assumed until 100 are kept here" in text
    assert "assumed until a crawl has shown the pace" in text


def test_sizes_and_pace_are_learnt_from_what_was_done_here() -> None:
    DatasetFactory.create(image_count=100, size_bytes=20_000_000)
    DatasetFactory.create(image_count=300, size_bytes=60_000_000)
    crawled(kept=100, seconds=20)
    crawled(kept=300, seconds=60)
    crawled(kept=5, seconds=500)
    crawled(kept=900, seconds=1, run=2)

    told = forecast(images=1000, keywords=2, per_label=500, sources=[])

    assert (told.image_bytes, told.size_bytes, told.is_size_learnt) == (200_000, 200_000_000, True)
    assert (told.images_per_s, told.seconds, told.is_pace_learnt) == (5.0, 200, True)


def test_a_source_that_may_be_asked_rarely_decides_the_time(settings: Settings) -> None:
    settings.SOURCE_SETTINGS = {
        **settings.SOURCE_SETTINGS,
        "PIXCRAWLER_OPENVERSE_REQUESTS_PER_MINUTE": "20",
        "PIXCRAWLER_OPENVERSE_PAGE_SIZE": "20",
    }
    # 40 keywords of 3 pages at 20 a minute are 6 minutes; 40 images a keyword would be there sooner.
    told = forecast(images=400, keywords=40, per_label=60, sources=["openverse"])

    assert told.seconds == 360


def test_the_warning_is_told_beside_the_form(client: Client) -> None:
    Dataset.objects.bulk_create([Dataset(name="Huge", slug="huge", image_count=100, size_bytes=100 * 10**13)])
    client.force_login(User.objects.create_superuser("ana"))

    text = client.post(
        "/jobs/estimate/", {"keywords": "robin", "per_label": "100", "sources": ["sample"]}
    ).content.decode()

    assert "The disk may not hold it" in text
    assert "1000.0 TB" in text
