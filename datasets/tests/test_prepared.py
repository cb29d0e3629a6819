"""A query whose SQL is made once gives what Django's own gives, for whatever values."""

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.db.models import Q, QuerySet
from django.test.utils import CaptureQueriesContext

from datasets.prepared import Prepared
from datasets.tests.factories import UserFactory

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
