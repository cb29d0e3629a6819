"""Empties the database after each test that commits, row by row.

Django truncates every table then, and writes content types and permissions anew. Most of these tests leave a few rows,
and on PostgreSQL all that took longer than many of them.
"""

from collections.abc import Iterator

import pytest
from django.db import connections, transaction
from django.test import TransactionTestCase

#: What `migrate` writes for every test, and no test changes.
_LASTING = frozenset({"django_content_type", "auth_permission"})


@pytest.fixture(scope="session", autouse=True)
def emptied_by_deleting() -> Iterator[None]:
    """Every test that commits ends with an empty database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty_databases)
        yield


def _empty_databases(test_case: TransactionTestCase) -> None:
    for alias in connections:
        _empty(alias)


def _empty(alias: str) -> None:
    connection = connections[alias]
    tables = set(connection.introspection.django_table_names(include_views=False)) - _LASTING
    names = [connection.ops.quote_name(table) for table in sorted(tables)]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # As truncating does, it waits for whoever still writes.
            cursor.execute(f"LOCK TABLE {', '.join(names)}")
        for name in names:
            cursor.execute(f"DELETE FROM {name}")
