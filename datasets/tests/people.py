"""People with the rights of a group, for tests."""

from django.contrib.auth.models import Permission, User

from datasets.people import OPERATOR, ROLES
from datasets.tests.factories import UserFactory


def person(role: str) -> User:
    """Somebody with the permissions of the role; without its group, which tests with real transactions do not have."""
    user = UserFactory.create()
    for permission in ROLES[role]:
        label, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    return user


def operator() -> User:
    return person(OPERATOR)
