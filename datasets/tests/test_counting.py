"""Counts that end early, and lists whose places many images share."""

import re

import pytest
from django.db import connection
from django.db.models import OuterRef
from django.test import Client
from django.test.utils import CaptureQueriesContext

from datasets import counting, queries
from datasets.counting import CountUpTo, counted_by, in_words
from datasets.image_indexes import FACET_COLUMNS
from datasets.models import Dataset, Image
from datasets.queries import ORDERS, Filters, gallery_page, matching
from datasets.ranges import MEASURES, Range
from datasets.tests.factories import DatasetFactory, ImageFactory

pytestmark = pytest.mark.django_db

#: Few enough to be made in a test.
LIMIT = 3


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (counting, queries):
        monkeypatch.setattr(module, "EXACT_UP_TO", LIMIT)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("images", "told"), [(0, "0"), (LIMIT, "3"), (LIMIT + 1, "3+"), (LIMIT + 5, "3+")])
def test_counts_are_exact_up_to_their_limit_and_tell_of_more(images: int, told: str) -> None:
    dataset = DatasetFactory.create()
    ImageFactory.create_batch(images, dataset=dataset)
    ImageFactory.create_batch(2)

    found = Dataset.objects.annotate(n=CountUpTo(Image.objects.filter(dataset=OuterRef("pk")))).get(pk=dataset.pk)

    assert in_words(found.n) == told
    assert found.n <= LIMIT + 1


@pytest.mark.usefixtures("few")
def test_values_are_counted_among_the_first_rows_alone() -> None:
    dataset = DatasetFactory.create()
    for label in ("robin", "robin", "wren", "wren", "wren"):
        ImageFactory.create(dataset=dataset, label=label)

    rows = counted_by(Image.objects.filter(dataset=dataset).order_by("-pk"), ["label"])

    assert sorted(rows) == [("robin", 1), ("wren", 3)]


def test_nothing_matches_where_the_condition_can_never_hold() -> None:
    assert counted_by(Image.objects.filter(pk__in=[]), ["label"]) == []


@pytest.mark.parametrize("name", ORDERS)
def test_pages_give_each_image_once_where_many_have_the_same_size(name: str) -> None:
    dataset = DatasetFactory.create()
    for width_px in (640, 640, 800, 640, 640, 320, 640):
        ImageFactory.create(dataset=dataset, width_px=width_px, height_px=480)
    images, after, seen = Image.objects.filter(dataset=dataset), "", []

    while True:
        page, after = gallery_page(images, after, 2, ORDERS[name])
        seen += page
        if not after:
            break

    assert seen == list(images.order_by(*ORDERS[name].columns))


def test_a_search_for_two_letters_looks_at_the_newest_images_of_a_large_dataset(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "SHORT_SEARCH", 2)
    dataset = DatasetFactory.create(image_count=10**6)
    old, *_, new = (ImageFactory.create(dataset=dataset, title="ox", sha256=f"{n:064}") for n in range(4))

    drawn = admin_client.get(f"{dataset.get_absolute_url()}?q=ox").content.decode()

    assert f"/images/{new.pk}/" in drawn
    assert f"/images/{old.pk}/" not in drawn
    assert "among the newest 2" in drawn


@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.unit.startswith("score")])
def test_indexes_of_scores_hold_all_that_a_range_is_counted_by(name: str) -> None:
    """So no row is read but those of the page: a range may let a hundred thousand images through."""
    column = MEASURES[name].expression.name
    index = next(one for one in Image._meta.indexes if one.fields[:2] == ["dataset", column])
    rows = matching(DatasetFactory.create(), Filters(chosen={}, ranges={name: Range(0.2, 0.4)}))

    for asked in (rows.values("pk"), rows.values(*FACET_COLUMNS)):
        read = set(re.findall(r'"datasets_image"\."(\w+)"', str(asked.query)))
        assert read <= {"id", "dataset_id", *(column.removeprefix("-") for column in index.fields)}


def test_a_page_is_found_by_ids_alone() -> None:
    ImageFactory.create_batch(3, dataset=(dataset := DatasetFactory.create()))

    with CaptureQueriesContext(connection) as seen:
        page, after = gallery_page(Image.objects.filter(dataset=dataset), size=2)

    assert [image.pk for image in page] == sorted((image.pk for image in page), reverse=True)
    assert after == str(page[-1].pk)
    assert len(seen) == 1
    assert "IN (SELECT" in seen[0]["sql"]
