"""A person comes with all rights by one query, and they are those that Django would find."""

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from pytest_django import DjangoAssertNumQueries

from pixcrawler.permissions import OneQueryBackend

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return User.objects.create_user("ana", email="ana@example.org")


def loaded(user: User) -> User:
    found = OneQueryBackend().get_user(user.pk)
    assert found
    return found


@pytest.mark.parametrize("groups", [(), ("viewer",), ("viewer", "operator"), ("administrator",)])
@pytest.mark.parametrize("own", [(), ("add_job",), ("add_job", "delete_user")])
def test_own_rights_and_those_of_groups_are_the_ones_that_django_finds(
    ana: User,
    groups: tuple[str, ...],
    own: tuple[str, ...],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    ana.groups.set(Group.objects.filter(name__in=groups))
    ana.user_permissions.set(Permission.objects.filter(codename__in=own))

    with django_assert_num_queries(1):
        found = loaded(ana)
        rights = found.get_all_permissions()

    assert rights == ModelBackend().get_all_permissions(User.objects.get(pk=ana.pk))
    assert len(rights) >= len(own)
    assert (found, found.email, found.last_login, found._state.adding) == (ana, ana.email, ana.last_login, False)


def test_someone_who_may_do_everything_has_no_list(ana: User) -> None:
    User.objects.filter(pk=ana.pk).update(is_superuser=True)

    assert loaded(ana).has_perm("jobs.anything_at_all")


def test_nobody_who_was_removed_or_shut_out_comes_back(ana: User) -> None:
    User.objects.filter(pk=ana.pk).update(is_active=False)
    assert OneQueryBackend().get_user(ana.pk) is None

    ana.delete()
    assert OneQueryBackend().get_user(ana.pk or 0) is None
