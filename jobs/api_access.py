"""Who may call the API: by whose token or session, with which scope, and how often. The one place that asks.

What a caller may do to a dataset is asked where everybody's rights are: datasets.access.
"""

import time

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja.security import HttpBearer, SessionAuth

from jobs.redis_store import RedisError, client
from jobs.token_models import Scope
from jobs.tokens import find_token

#: Methods that only look.
_LOOKS = frozenset({"GET", "HEAD"})
_WINDOW_S = 60


class ScopeMissing(Exception):
    """The token is good for less than this operation; the message says what to do."""

    def __init__(self) -> None:
        self.message = (
            f"This token may only look: its scope is “{Scope.READ}”. Make one with the scope “{Scope.WRITE}” under "
            "Account, or by “manage.py createtoken --scope write”."
        )
        super().__init__(self.message)


class TooManyRequests(Exception):
    """The caller has used up what a minute allows; `retry_after_s` are the seconds until the next one begins."""

    def __init__(self, *, per_minute: int, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        self.message = (
            f"More than {per_minute:,} requests came from this account within a minute. Go on in {retry_after_s} s; "
            "ask less often, or have PIXCRAWLER_API_REQUESTS_PER_MINUTE raised."
        )
        super().__init__(self.message)


class TokenAuth(HttpBearer):
    """A personal token."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        """Raises ScopeMissing, TooManyRequests."""
        stored = find_token(token)
        if stored is None:
            return None
        if request.method not in _LOOKS and stored.scope != Scope.WRITE:
            raise ScopeMissing
        count_request(stored.user_id, now_s=time.time())
        user: User = stored.user
        return user


class BrowserAuth(SessionAuth):
    """A signed-in browser, whose writing requests carry the CSRF token.

    Who is not signed in, or sent a token that does not hold, is told that, not that a CSRF token is missing.
    """

    def __call__(self, request: HttpRequest) -> User | None:
        """Raises TooManyRequests."""
        if "Authorization" in request.headers or not request.user.is_authenticated:
            return None
        user: User | None = super().__call__(request)
        if user is not None:
            count_request(user.pk, now_s=time.time())
        return user


def count_request(user_id: int, *, now_s: float) -> None:
    """Counts one more request of the user, by whatever token, in the minute that runs. Raises TooManyRequests.

    Where Redis is away nothing is counted: the limit is there against scripts that run wild, not against foes, and the
    API goes on without Redis like everything else.
    """
    per_minute = settings.API_REQUESTS_PER_MINUTE
    if per_minute <= 0:
        return
    window = int(now_s // _WINDOW_S)
    key = f"px:api:{user_id}:{window}"
    try:
        count, _ = client().pipeline().incr(key).expire(key, 2 * _WINDOW_S).execute()
    except RedisError:
        return
    if count > per_minute:
        left_s = (window + 1) * _WINDOW_S - now_s
        raise TooManyRequests(per_minute=per_minute, retry_after_s=max(1, int(left_s) + 1))
