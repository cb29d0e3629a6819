"""Pages of a dataset while a job looks at its images: how far it is, and what they show before and after."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from datasets.models import Dataset, ValidationLevel
from datasets.tests.factories import DatasetFactory, ImageFactory
from jobs import progress
from jobs.models import Job, Kind, Status
from jobs.spec import ValidationSpec
from jobs.tests.factories import ChunkFactory, JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ana"))
    return client


@pytest.fixture
def dataset() -> Dataset:
    dataset = DatasetFactory.create(slug="birds", image_count=2)
    ImageFactory.create_batch(2, dataset=dataset)
    return dataset


@pytest.fixture
def validation(dataset: Dataset) -> Job:
    spec = ValidationSpec(level=ValidationLevel.STANDARD, last_image_id=99, image_count=2)
    job = JobFactory.create(
        dataset=dataset, kind=Kind.VALIDATE, status=Status.PROCESSING, wanted=2, spec=spec.to_json()
    )
    ChunkFactory.create(job=job, status=Status.PROCESSING, found=1, kept=1)
    progress.rebuild(job)
    return job


@pytest.mark.parametrize("where", ["checks", "duplicates"])
def test_the_page_tells_how_far_a_check_is_and_loads_anew_when_it_ends(
    page: Client, validation: Job, where: str
) -> None:
    text = page.get(f"/datasets/birds/{where}/").content.decode()
    assert "checks the images: 1 of 2" in text
    found = re.search(rf'hx-get="(/jobs/{validation.pk}/note/\?v=\w+)"', text)
    assert found
    assert page.get(found[1]).status_code == 204

    progress.touch(validation.pk)
    assert "checks the images: 1 of 2" in page.get(found[1]).content.decode()

    Job.objects.filter(pk=validation.pk).update(status=Status.CANCELLED, finished_at=validation.created_at)
    progress.touch(validation.pk)
    answer = page.get(found[1])
    assert (answer["HX-Refresh"], answer.content) == ("true", b"")


def test_the_review_says_what_to_do_before_anything_was_searched(page: Client, dataset: Dataset) -> None:
    text = page.get("/datasets/birds/duplicates/").content.decode()
    assert "Not searched yet" in text
    assert 'id="search-alike"' in text

    answer = page.post("/datasets/birds/validate/", {"level": "standard"})

    assert answer["Location"] == f"/jobs/{Job.objects.get(kind=Kind.VALIDATE).pk}/"


def test_the_review_says_that_a_search_is_under_way(page: Client, validation: Job) -> None:
    text = page.get("/datasets/birds/duplicates/").content.decode()

    assert "Every picture is compared with every other." in text
    assert 'id="search-alike"' not in text


def test_an_empty_dataset_is_offered_no_search(page: Client) -> None:
    DatasetFactory.create(slug="empty", image_count=0)

    text = page.get("/datasets/empty/duplicates/").content.decode()

    assert "The dataset holds no image yet." in text
    assert 'id="search-alike"' not in text
