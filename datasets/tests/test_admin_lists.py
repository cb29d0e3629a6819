"""Lists of the admin beside many rows: how far they count and search, what they offer, how many queries they make."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bench.addresses import LIST
from datasets import admin_lists, counting
from datasets.admin import ImageAdmin
from datasets.models import Image
from datasets.tests.factories import DatasetFactory, ImageFactory

pytestmark = pytest.mark.django_db

#: Few enough to be made in a test.
LIMIT, PER_PAGE = 4, 2


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (counting, admin_lists):
        monkeypatch.setattr(module, "EXACT_UP_TO", LIMIT)
    monkeypatch.setattr(ImageAdmin, "list_per_page", PER_PAGE)


@pytest.fixture
def images() -> list[Image]:
    """Oldest first; the first one alone comes from an archive, and is no more among those that are counted."""
    dataset = DatasetFactory.create()
    first = ImageFactory.create(dataset=dataset, source="archive", title="Aurora")
    return [first, *ImageFactory.create_batch(LIMIT + 5, dataset=dataset, source="openverse")]


def address(query: str = "") -> str:
    return reverse("admin:datasets_image_changelist") + query


@pytest.mark.parametrize(("count", "told"), [(LIMIT, "4 images"), (LIMIT + 1, "4+ images")])
def test_a_list_counts_up_to_a_limit_and_tells_of_more(admin_client: Client, count: int, told: str) -> None:
    ImageFactory.create_batch(count, dataset=DatasetFactory.create())

    assert told in " ".join(admin_client.get(address()).content.decode().split())


def test_the_last_page_is_full_where_there_are_more_rows(admin_client: Client, images: list[Image]) -> None:
    changes = admin_client.get(address("?p=2")).context["cl"]

    assert list(changes.result_list) == images[::-1][PER_PAGE : 2 * PER_PAGE]
    assert changes.paginator.num_pages == LIMIT // PER_PAGE


def test_filters_offer_what_the_newest_rows_have_and_what_is_chosen(admin_client: Client, images: list[Image]) -> None:
    offered = admin_client.get(address()).content.decode()
    chosen = admin_client.get(address("?source=archive"))

    assert "?source=openverse" in offered
    assert "?source=archive" not in offered
    assert "?source=archive" in chosen.content.decode()
    assert list(chosen.context["cl"].result_list) == images[:1]


def test_words_are_looked_for_among_the_newest_rows_that_filters_let_through(
    admin_client: Client, images: list[Image]
) -> None:
    def found(query: str) -> list[Image]:
        return list(admin_client.get(address(query)).context["cl"].result_list)

    first = images[0]
    assert found("?q=aurora") == []
    assert found("?q=aurora&source=archive") == found(f"?q={first.sha256}") == [first]


def test_no_column_offers_an_order_that_would_read_all_rows(admin_client: Client, images: list[Image]) -> None:
    page = admin_client.get(address())

    assert len(page.context["cl"].result_list) == PER_PAGE
    assert "?o=" not in page.content.decode()


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("query", ["", "?p=2", "?source=openverse", "?q=robin"])
def test_a_list_makes_few_queries_and_none_reads_all_images(admin_client: Client, query: str) -> None:
    with CaptureQueriesContext(connection) as seen:
        admin_client.get(address(query))

    of_images = [one["sql"] for one in seen if Image._meta.db_table in one["sql"]]
    assert len(seen) <= LIST.queries
    assert [sql for sql in of_images if "LIMIT" not in sql] == []
