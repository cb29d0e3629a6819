"""Bytes go into the database and come back, one row or many at a time."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datasets.models import Image
from datasets.tests.factories import DatasetFactory, ImageFactory

pytestmark = pytest.mark.django_db

_BYTES = [b"\x00\xff'\\x00%s" * 7, b"", None]


def test_bytes_come_back_as_they_went() -> None:
    dataset = DatasetFactory.create()
    one, *many = (ImageFactory.build(dataset=dataset, turned_hashes=content) for content in [b"\x00%", *_BYTES])
    Image.objects.bulk_create([one])
    Image.objects.bulk_create(many)
    stored = Image.objects.filter(dataset=dataset).order_by("pk").values_list("turned_hashes", flat=True)
    assert [None if content is None else bytes(content) for content in stored] == [b"\x00%", *_BYTES]


def test_the_size_of_a_batch_makes_no_longer_statement_on_postgresql() -> None:
    if connection.vendor != "postgresql":
        # SQLite takes rows as they are; there is nothing to shorten.
        assert connection.vendor == "sqlite"
        return
    dataset = DatasetFactory.create()
    lengths = []
    for count in (2, 50):
        with CaptureQueriesContext(connection) as queries:
            Image.objects.bulk_create(ImageFactory.build_batch(count, dataset=dataset))
        lengths.append(queries.captured_queries[-1]["sql"].count("UNNEST"))
    assert lengths == [1, 1]
