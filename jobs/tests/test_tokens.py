"""Personal tokens for the API."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from datasets.tests.factories import UserFactory
from jobs.models import ApiToken
from jobs.tests.factories import ApiTokenFactory
from jobs.tokens import InvalidToken, create_token, revoke_token, user_of_token

pytestmark = pytest.mark.django_db


def test_a_token_leads_to_its_user_and_only_its_digest_is_stored() -> None:
    user = UserFactory.create()

    token = create_token(user, "laptop")

    assert token.startswith("px_")
    assert len(token) > 40
    assert user_of_token(token) == user
    stored = ApiToken.objects.get(user=user)
    assert stored.digest == hashlib.sha256(token.encode()).hexdigest()


@pytest.mark.parametrize("wrong", ["", "px_", "px_nothing", "ÿ", "px_" + "a" * 10_000])
def test_a_token_that_was_never_made_leads_to_nobody(wrong: str) -> None:
    create_token(UserFactory.create(), "laptop")

    assert user_of_token(wrong) is None


def test_the_token_of_an_inactive_user_leads_to_nobody() -> None:
    user = UserFactory.create()
    token = create_token(user, "laptop")
    type(user).objects.filter(pk=user.pk).update(is_active=False)

    assert user_of_token(token) is None


def test_a_revoked_token_leads_to_nobody() -> None:
    user = UserFactory.create()
    token = create_token(user, "laptop")

    assert revoke_token(user, ApiToken.objects.get().pk)

    assert user_of_token(token) is None


def test_nobody_revokes_the_token_of_another() -> None:
    token = ApiTokenFactory.create()

    assert not revoke_token(UserFactory.create(), token.pk)
    assert ApiToken.objects.filter(pk=token.pk).exists()


def test_the_first_use_is_noted() -> None:
    token = create_token(UserFactory.create(), "laptop")

    user_of_token(token)

    assert ApiToken.objects.get().last_used_at is not None


@pytest.mark.parametrize(("seconds_ago", "renewed"), [(30, False), (90, True)])
def test_a_use_is_noted_once_a_minute(seconds_ago: int, renewed: bool) -> None:
    token = create_token(UserFactory.create(), "laptop")
    before = timezone.now() - timedelta(seconds=seconds_ago)
    ApiToken.objects.update(last_used_at=before)

    user_of_token(token)

    assert (ApiToken.objects.get().last_used_at != before) is renewed


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
