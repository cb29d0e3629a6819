"""A query whose SQL is made once gives what Django's own gives, for whatever values."""

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.db.models import Model, Q, QuerySet
from django.test.utils import CaptureQueriesContext

from datasets.models import Dataset
from datasets.prepared import Prepared, PreparedObjects
from datasets.tests.factories import DatasetFactory, UserFactory

pytestmark = pytest.mark.django_db

FIELDS = ("pk", "username", "is_active", "date_joined", "last_login")


def people(pk: int, name: str) -> QuerySet[User, tuple[object, ...]]:
    return User.objects.order_by("pk").filter(Q(pk=pk) | Q(username=name) | Q(email=name)).values_list(*FIELDS)


def test_it_gives_the_rows_that_django_gives_with_the_same_types() -> None:
    ana, ben = UserFactory.create(is_active=False), UserFactory.create()
    prepared = Prepared(people, int, str)

    for values in ((ana.pk, ben.username), (ben.pk, "nobody's"), (0, "x'; DROP TABLE auth_user; --"), (0, "%s")):
        assert prepared.rows(*values) == list(people(*values))


def test_it_is_made_once_for_each_connection() -> None:
    made = []

    def counted(pk: int) -> QuerySet[User, tuple[object, ...]]:
        made.append(pk)
        return User.objects.filter(pk=pk).values_list("pk")

    prepared = Prepared(counted, int)
    with CaptureQueriesContext(connections["default"]) as seen:
        for pk in range(3):
            prepared.rows(pk)

    assert (len(made), len(seen)) == (1, 3)


def test_a_value_that_the_query_does_not_use_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        Prepared(lambda pk, _name: User.objects.filter(pk=pk).values_list("pk"), int, str).rows(1, "ana")


def test_objects_are_those_that_django_gives_with_what_their_keys_point_to() -> None:
    ana = UserFactory.create(is_active=False)
    rows = [DatasetFactory.create(created_by=ana, is_shared=True), DatasetFactory.create(created_by=None)]
    prepared = PreparedObjects(Dataset, lambda pk: Dataset.objects.filter(pk=pk), int, related=["created_by"])

    for row in rows:
        expected = Dataset.objects.select_related("created_by").get(pk=row.pk)
        with CaptureQueriesContext(connections["default"]) as seen:
            (found,) = prepared.objects(row.pk)
            maker = found.created_by
        assert len(seen) == 1
        assert values(found) == values(expected)
        assert (maker and values(maker)) == (expected.created_by and values(expected.created_by))
    assert prepared.objects(0) == []


def values(row: Model) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
