"""Personal tokens for the API: shown once, stored as their SHA-256."""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models import ApiToken

_PREFIX = "px_"
_USE_NOTED_EVERY = timedelta(minutes=1)


class InvalidToken(ValueError):
    """A token that cannot be made; the message says why."""


def create_token(user: User, name: str) -> str:
    """Makes a token for the user and gives it, for the only time. Raises InvalidToken."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60 or not name.isprintable():
        raise InvalidToken("A token's name has 1 to 60 printable characters; it tells you later what the token is for.")
    token = _PREFIX + secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            ApiToken.objects.create(user_id=user.pk, name=name, digest=_digest(token))
    except IntegrityError:
        raise InvalidToken(
            f"You have a token named “{name}” already. Choose another name, or revoke that one."
        ) from None
    return token


def revoke_token(user: User, token_id: int) -> bool:
    """Removes the user's token; False: there was none."""
    return ApiToken.objects.filter(user_id=user.pk, pk=token_id).delete()[0] > 0


def user_of_token(token: str) -> User | None:
    """The active user whose token it is; its use is noted once a minute."""
    stored = ApiToken.objects.select_related("user").filter(digest=_digest(token), user__is_active=True).first()
    if stored is None:
        return None
    unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lt=Now() - _USE_NOTED_EVERY)
    ApiToken.objects.filter(unnoted, pk=stored.pk).update(last_used_at=Now())
    user: User = stored.user
    return user


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
