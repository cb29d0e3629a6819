"""Sessions as Django keeps them in the database, read by a query whose SQL is made once: every page and poll asks."""

from typing import Any, Final

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from datasets.prepared import Prepared

_ALIVE: Final = Prepared(
    lambda key: Session.objects.filter(session_key=key, expire_date__gt=Now()).values_list("session_data"), str
)


class SessionStore(db.SessionStore):
    """Django's own store. A session that ended, on the database's clock, is none."""

    def load(self) -> dict[str, Any]:
        rows = _ALIVE.rows(self.session_key) if self.session_key else []
        if not rows:
            self._session_key = None
            return {}
        data: dict[str, Any] = self.decode(rows[0][0])
        return data
