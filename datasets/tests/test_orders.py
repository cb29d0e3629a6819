"""Orders of the gallery: every image once, whatever the order and wherever pages end."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from datasets import queries
from datasets.models import Dataset, Image
from datasets.tests.factories import DatasetFactory, ImageFactory

pytestmark = pytest.mark.django_db

_SIDES_PX = ((640, 480), (640, 480), (320, 240), (2400, 1600), (640, 480), (320, 240), (480, 640))


@pytest.fixture
def dataset() -> Dataset:
    dataset = DatasetFactory.create(slug="birds")
    for width_px, height_px in _SIDES_PX:
        ImageFactory.create(dataset=dataset, width_px=width_px, height_px=height_px, licence_code="by-sa")
    return dataset


@pytest.mark.parametrize("key", queries.ORDERS)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_hold_every_image_once_in_order(dataset: Dataset, key: str, size: int) -> None:
    order, after, seen = queries.ORDERS[key], "", []
    while True:
        page, after = queries.gallery_page(Image.objects.filter(dataset=dataset), after, size, order)
        seen += page
        if not after:
            break
    images = list(Image.objects.filter(dataset=dataset))
    sizes = {image.pk: image.area_px if order.by_area else 0 for image in images}
    images.sort(key=lambda image: (sizes[image.pk], image.pk), reverse=order.is_descending)
    assert seen == images


@pytest.mark.parametrize("after", ["x", "1-", "-1", "9" * 30, "5", "1-2-3"])
def test_a_place_that_is_none_shows_the_first_page(dataset: Dataset, after: str) -> None:
    images = Image.objects.filter(dataset=dataset)
    assert len(queries.gallery_page(images, after, 48, queries.ORDERS["largest"])[0]) == len(_SIDES_PX)


@pytest.mark.parametrize(("key", "index"), [("", "image_by_dataset"), ("largest", "image_by_area")])
def test_orders_run_along_an_index(dataset: Dataset, key: str, index: str) -> None:
    order = queries.ORDERS[key]
    some = Image.objects.filter(dataset=dataset).exclude(review="excluded")
    if connection.vendor == "postgresql":
        # A table of a few rows is read whole otherwise, and put in order.
        Image.objects.bulk_create(ImageFactory.build_batch(300, dataset=DatasetFactory.create()))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE datasets_image")
            for way in ("seqscan", "sort", "bitmapscan"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
    plan = (
        some.filter(order.behind("307200-3" if order.by_area else "999999999")).order_by(*order.columns)[:48].explain()
    )
    assert index in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ana"))
    return client


def test_the_gallery_has_orders_tiles_and_licences_in_words(page: Client, dataset: Dataset) -> None:
    answer = page.get("/datasets/birds/?sort=largest&tiles=l")
    text = answer.content.decode()
    first = Image.objects.get(width_px=2400)
    assert re.findall(r'href="/datasets/birds/images/(\d+)/"', text)[0] == str(first.pk)
    assert "tiles-l" in text
    assert "CC BY-SA" in text
    assert answer.cookies["tiles"].value == "l"
    assert "tiles-l" in page.get("/datasets/birds/").content.decode()


def test_a_view_without_images_offers_each_filter_for_removal(page: Client, dataset: Dataset) -> None:
    text = page.get("/datasets/birds/?licence=by-sa&q=nothing").content.decode()
    panel = text[text.index("Nothing matches") :]
    assert "?q=nothing" in panel
    assert "?licence=by-sa" in panel
