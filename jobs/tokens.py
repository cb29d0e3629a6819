"""Personal tokens for the API: shown once, stored as their SHA-256, good for what their scope says, for a while."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from jobs.token_models import ApiToken, Scope

_PREFIX = "px_"
_USE_NOTED_EVERY = timedelta(minutes=1)

#: Days that a token may be made for at most; None in place of days: it does not expire.
MAX_DAYS: Final = 3650


class InvalidToken(ValueError):
    """A token that cannot be made; the message says why."""


def create_token(user: User, name: str, *, scope: str = Scope.READ, days: int | None = None) -> str:
    """Makes a token for the user, good for `days` from now on, and gives it, for the only time. Raises InvalidToken."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60 or not name.isprintable():
        raise InvalidToken("A token's name has 1 to 60 printable characters; it tells you later what the token is for.")
    if scope not in Scope.values:
        raise InvalidToken(f"There is no scope “{scope}”. Known are: {', '.join(Scope.values)}.")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise InvalidToken(f"A token is good for 1 to {MAX_DAYS:,} days, or for ever where no days are given.")
    token = _PREFIX + secrets.token_urlsafe(32)
    expires_at = None if days is None else timezone.now() + timedelta(days=days)
    try:
        with transaction.atomic():
            ApiToken.objects.create(
                user_id=user.pk, name=name, digest=_digest(token), scope=scope, expires_at=expires_at
            )
    except IntegrityError:
        raise InvalidToken(
            f"You have a token named “{name}” already. Choose another name, or revoke that one."
        ) from None
    return token


def revoke_token(user: User, token_id: int) -> bool:
    """Removes the user's token; False: there was none."""
    return ApiToken.objects.filter(user_id=user.pk, pk=token_id).delete()[0] > 0


def find_token(token: str) -> ApiToken | None:
    """The stored token of an active user, where it has not expired; its use is noted once a minute.

    One query; another one where a use is noted.
    """
    stored = ApiToken.objects.select_related("user").filter(digest=_digest(token), user__is_active=True).first()
    if stored is None or stored.is_expired:
        return None
    if stored.last_used_at is None or stored.last_used_at < timezone.now() - _USE_NOTED_EVERY:
        unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lt=Now() - _USE_NOTED_EVERY)
        ApiToken.objects.filter(unnoted, pk=stored.pk).update(last_used_at=Now())
    return stored


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
