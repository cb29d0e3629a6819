"""Pages of datasets and images."""

import hashlib
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from datasets import blobs
from datasets.models import Image
from datasets.tests.factories import DatasetFactory, ImageFactory
from datasets.tests.originals import put_original
from datasets.tests.pictures import encoded, noisy

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_user("ana"))
    return client


@pytest.fixture
def stored() -> Image:
    body = encoded(noisy())
    sha256 = hashlib.sha256(body).hexdigest()
    put_original(body, sha256=sha256, format="JPEG")
    blobs.put_thumbnail(body, sha256=sha256)
    return ImageFactory.create(sha256=sha256, size_bytes=len(body))


def test_the_gallery_counts_its_facets_and_filters_by_them(page: Client) -> None:
    dataset = DatasetFactory.create(image_count=5)
    ImageFactory.create_batch(3, dataset=dataset, label="robin")
    ImageFactory.create_batch(2, dataset=dataset, label="tit", format="PNG")

    everything = page.get(dataset.get_absolute_url()).content.decode()
    robins = page.get(dataset.get_absolute_url(), {"label": "robin"}).content.decode()
    nothing = page.get(dataset.get_absolute_url(), {"label": "robin", "format": "PNG"}).content.decode()

    assert 'value="robin"> robin <span class="n">3</span>' in everything
    assert everything.count('class="tile"') == 5
    assert robins.count('class="tile"') == 3
    assert "<strong>3</strong> images" in robins
    assert "Nothing matches" in nothing


def test_a_long_gallery_has_pages_that_do_not_overlap(page: Client) -> None:
    dataset = DatasetFactory.create(image_count=60)
    ImageFactory.create_batch(60, dataset=dataset)

    first = page.get(dataset.get_absolute_url())
    second = page.get(dataset.get_absolute_url() + first.context["older"])

    ids = [image.pk for image in (*first.context["images"], *second.context["images"])]
    assert len(ids) == len(set(ids)) == 60
    assert second.context["older"] == ""


@pytest.mark.parametrize("query", ["after=x", "after=99999999999999999999", "label=%00", "q=%00", "format=a&format=b"])
def test_rubbish_in_the_address_shows_a_page(page: Client, query: str) -> None:
    assert page.get(f"{DatasetFactory.create().get_absolute_url()}?{query}").status_code == 200


def test_a_thumbnail_is_a_jpeg_that_may_be_kept(page: Client, stored: Image) -> None:
    response = page.get(reverse("image-thumb", args=[stored.dataset.slug, stored.pk]))

    assert response["Content-Type"] == "image/jpeg"
    assert "immutable" in response["Cache-Control"]


def test_an_original_is_saved_and_never_shown(page: Client, stored: Image) -> None:
    response = page.get(reverse("image-original", args=[stored.dataset.slug, stored.pk]))

    assert response["Content-Disposition"] == f'attachment; filename="{stored.sha256}.jpg"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    body = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    assert hashlib.sha256(body).hexdigest() == stored.sha256


def test_a_missing_file_is_told_on_the_page_and_404_by_itself(page: Client) -> None:
    image = ImageFactory.create()

    assert "missing from the media folder" in page.get(image.get_absolute_url()).content.decode()
    assert page.get(reverse("image-original", args=[image.dataset.slug, image.pk])).status_code == 404


def test_a_store_that_cannot_be_read_says_so_and_is_not_remembered(page: Client, settings: Settings) -> None:
    image = ImageFactory.create()
    in_the_way = Path(settings.MEDIA_ROOT) / image.thumb_name
    in_the_way.mkdir(parents=True)
    try:
        response = page.get(reverse("image-thumb", args=[image.dataset.slug, image.pk]))
    finally:
        in_the_way.rmdir()

    assert response.status_code == 503
    assert "Check that its folder is mounted" in response.content.decode()
    assert "immutable" not in response.get("Cache-Control", "")


def test_an_older_page_leads_back_to_the_newest_under_the_same_filters(page: Client) -> None:
    dataset = DatasetFactory.create()
    ImageFactory.create_batch(2, dataset=dataset, label="robin")

    response = page.get(dataset.get_absolute_url(), {"label": "robin", "after": str(Image.objects.latest("pk").pk)})

    assert response.context["newest"] == "?label=robin"


def test_an_image_belongs_to_its_dataset_alone(page: Client) -> None:
    image, other = ImageFactory.create(), DatasetFactory.create()

    assert page.get(reverse("image", args=[other.slug, image.pk])).status_code == 404


def test_an_image_leads_to_its_neighbours(page: Client) -> None:
    dataset = DatasetFactory.create()
    oldest, middle, newest = ImageFactory.create_batch(3, dataset=dataset)

    response = page.get(middle.get_absolute_url())

    assert (response.context["newer"], response.context["older"]) == (newest, oldest)


def test_a_link_that_is_no_web_address_is_text(page: Client) -> None:
    image = ImageFactory.create(url="sample:robin/1")

    assert 'href="sample:' not in page.get(image.get_absolute_url()).content.decode()


@pytest.mark.parametrize("column", ["url", "page_url", "creator_url", "licence_url"])
def test_an_address_that_runs_something_is_never_a_link(page: Client, column: str) -> None:
    image = ImageFactory.create(**{column: "javascript:alert(1)"})

    assert 'href="javascript:' not in page.get(image.get_absolute_url()).content.decode()
