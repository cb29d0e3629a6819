"""Personal tokens for the API."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from datasets.tests.factories import UserFactory
from jobs.tests.factories import ApiTokenFactory
from jobs.token_models import ApiToken, Scope
from jobs.tokens import MAX_DAYS, InvalidToken, create_token, find_token, revoke_token

pytestmark = pytest.mark.django_db


def test_a_token_leads_to_its_user_and_only_its_digest_is_stored() -> None:
    user = UserFactory.create()

    token = create_token(user, "laptop")

    assert token.startswith("px_")
    assert len(token) > 40
    stored = ApiToken.objects.get(user=user)
    assert find_token(token) == stored
    assert stored.digest == hashlib.sha256(token.encode()).hexdigest()


@pytest.mark.parametrize("wrong", ["", "px_", "px_nothing", "ÿ", "px_" + "a" * 10_000])
def test_a_token_that_was_never_made_leads_to_nobody(wrong: str) -> None:
    create_token(UserFactory.create(), "laptop")

    assert find_token(wrong) is None


def test_the_token_of_an_inactive_user_leads_to_nobody() -> None:
    user = UserFactory.create()
    token = create_token(user, "laptop")
    type(user).objects.filter(pk=user.pk).update(is_active=False)

    assert find_token(token) is None


def test_a_revoked_token_leads_to_nobody() -> None:
    user = UserFactory.create()
    token = create_token(user, "laptop")

    assert revoke_token(user, ApiToken.objects.get().pk)

    assert find_token(token) is None


def test_nobody_revokes_the_token_of_another() -> None:
    token = ApiTokenFactory.create()

    assert not revoke_token(UserFactory.create(), token.pk)
    assert ApiToken.objects.filter(pk=token.pk).exists()


def test_the_first_use_is_noted() -> None:
    token = create_token(UserFactory.create(), "laptop")

    find_token(token)

    assert ApiToken.objects.get().last_used_at is not None


@pytest.mark.parametrize(("seconds_ago", "renewed"), [(30, False), (90, True)])
def test_a_use_is_noted_once_a_minute(seconds_ago: int, renewed: bool) -> None:
    token = create_token(UserFactory.create(), "laptop")
    before = timezone.now() - timedelta(seconds=seconds_ago)
    ApiToken.objects.update(last_used_at=before)

    find_token(token)

    assert (ApiToken.objects.get().last_used_at != before) is renewed


def test_a_use_costs_one_query_while_it_is_noted_already(django_assert_num_queries: Any) -> None:
    token = create_token(UserFactory.create(), "laptop")
    with django_assert_num_queries(2):
        find_token(token)

    with django_assert_num_queries(1):
        find_token(token)


def test_a_token_reads_unless_more_is_asked_for() -> None:
    user = UserFactory.create()
    create_token(user, "looks")
    create_token(user, "acts", scope=Scope.WRITE)

    assert list(ApiToken.objects.order_by("pk").values_list("name", "scope")) == [("looks", "read"), ("acts", "write")]
    with pytest.raises(InvalidToken, match=r"no scope “all”\. Known are: read, write"):
        create_token(user, "wide", scope="all")


def test_the_database_takes_no_other_scope() -> None:
    with pytest.raises(IntegrityError, match="token_scope"):
        ApiTokenFactory.create(scope="all")


def test_a_token_opens_nothing_once_its_days_are_over() -> None:
    token = create_token(UserFactory.create(), "laptop", days=30)
    assert find_token(token)

    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert find_token(token) is None


@pytest.mark.parametrize("days", [0, -1, MAX_DAYS + 1])
def test_days_that_no_token_is_good_for_are_refused(days: int) -> None:
    with pytest.raises(InvalidToken, match="1 to 3,650 days"):
        create_token(UserFactory.create(), "laptop", days=days)


def test_a_user_has_one_token_of_a_name() -> None:
    user = UserFactory.create()
    create_token(user, "laptop")

    with pytest.raises(InvalidToken, match="named “laptop” already"):
        create_token(user, " laptop ")

    assert create_token(UserFactory.create(), "laptop")


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b"])
def test_a_token_needs_a_name_that_can_be_read(name: str) -> None:
    with pytest.raises(InvalidToken, match="1 to 60 printable characters"):
        create_token(UserFactory.create(), name)
