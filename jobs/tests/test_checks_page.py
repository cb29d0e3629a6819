"""What the page of a dataset's checks tells of jobs."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.models import Dataset
from datasets.tests.factories import DatasetFactory, ImageFactory
from jobs import services
from jobs.models import Job, Status
from jobs.tests.factories import JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ana"))
    return client


@pytest.fixture
def dataset() -> Dataset:
    dataset = DatasetFactory.create()
    ImageFactory.create(dataset=dataset, damage="truncated")
    return dataset


def shown(page: Client, dataset: Dataset) -> str:
    return page.get(reverse("dataset-checks", args=[dataset.slug])).content.decode()


def running(html: str) -> list[str]:
    """The checks that are said to run."""
    return re.findall(r"<strong>([^<]+)</strong>\s*<span class=\"badge run\">running</span>", html)


def test_checks_run_that_the_level_of_the_validation_does(page: Client, dataset: Dataset) -> None:
    job = services.submit_validation(dataset=dataset, level="standard", by=None)

    html = shown(page, dataset)

    assert running(html) == ["File is there", "Checksum", "File size", "Format", "Dimensions", "Near-duplicates"]
    assert f'href="{job.get_absolute_url()}"' in html
    assert "No image has been checked yet." not in html


def test_a_strict_validation_runs_all_that_have_not_looked_at_every_image(page: Client, dataset: Dataset) -> None:
    services.submit_validation(dataset=dataset, level="strict", by=None)

    assert {"Dark", "Grayscale", "GPS position", "Checksum"} <= set(running(shown(page, dataset)))
    assert "Odd size" not in running(shown(page, dataset))


def test_nothing_runs_once_the_validation_has_ended_or_where_it_is_another_dataset_s(
    page: Client, dataset: Dataset
) -> None:
    job = services.submit_validation(dataset=dataset, level="strict", by=None)
    other = DatasetFactory.create()
    ImageFactory.create(dataset=other)

    assert running(shown(page, other)) == []
    Job.objects.filter(pk=job.pk).update(status=Status.COMPLETED, finished_at=timezone.now())
    assert running(shown(page, dataset)) == []


def test_a_repair_under_way_is_told_in_place_of_its_buttons(page: Client, dataset: Dataset) -> None:
    assert "Fetch again" in shown(page, dataset)
    job = services.submit_repair(dataset=dataset, by=None)

    html = shown(page, dataset)

    assert f"Job {job.pk} is fetching" in html
    assert "Fetch again" not in html


def test_a_crawl_is_no_check(page: Client, dataset: Dataset) -> None:
    JobFactory.create(dataset=dataset, status=Status.PROCESSING)

    assert running(shown(page, dataset)) == []
