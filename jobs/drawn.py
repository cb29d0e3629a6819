"""The live part of a job as it was drawn, in Redis: of all who watch a job, one draws it, once a second.

It is kept for each page of keywords, for each set of rights, and for each state of what the page's head tells. Whoever
asks is let in before (session, right to see the job); a form's token against forgery is put in for each person.
"""

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.middleware.csrf import get_token

from jobs.job_view import Part
from jobs.queries import JobState
from jobs.redis_store import RedisError, client

#: So often it is drawn anew while something changes. What a person does to the job is seen at once.
_DRAWN_EVERY_MS = 1_000
#: Longer than drawing takes on a busy machine: until then others get what was drawn before.
_KEPT_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """HTML with `blank`, a word that is nowhere else in it, for the token against forgery; of the job as it was then.

    `is_due`: if it is not the newest version, it is time to draw it anew.
    """

    version: str
    state: str
    blank: str
    html: str
    is_due: bool = False

    def shows(self, state: JobState) -> bool:
        """Whether the job's row still says what it said then."""
        return self.state == _told(state)

    def for_(self, request: HttpRequest) -> str:
        """With the token of whoever asks."""
        return self.html.replace(self.blank, get_token(request)) if self.blank in self.html else self.html


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a drawing is kept; `blank` is the word to draw with in place of the token."""

    key: str
    blank: str

    @classmethod
    def of(cls, job_id: int, part: Part, user: User, *, banners: str) -> Self:
        """The same for all who are shown the same. `banners` names what is wrong with the system."""
        rights = ["all"] if user.is_superuser else sorted(user.get_all_permissions())
        told = (part.page, part.only_problems, banners, user.is_staff, rights)
        digest = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
        return cls(key=f"px:job:{job_id}:drawn:{digest}", blank=secrets.token_hex(16))

    @property
    def _turn(self) -> str:
        return f"{self.key}:turn"

    def drawn(self) -> Drawn | None:
        """What others have drawn lately; None where nobody has, or Redis is away."""
        try:
            with client().pipeline(transaction=False) as pipe:
                pipe.hmget(self.key, "version", "state", "blank", "html")
                pipe.pttl(self.key)
                (version, state, blank, html), lives_ms = pipe.execute()
        except RedisError:
            return None
        if html is None:
            return None
        is_due = lives_ms < _KEPT_MS - _DRAWN_EVERY_MS
        return Drawn(version=version, state=state, blank=blank, html=html, is_due=is_due)

    def is_our_turn(self) -> bool:
        """Whether nobody else is drawing it, as also where Redis is away."""
        try:
            return bool(client().set(self._turn, "", nx=True, px=_DRAWN_EVERY_MS))
        except RedisError:
            return True

    def keep(self, html: str, *, version: str | None, state: JobState) -> Drawn:
        """Keeps for others what was drawn after `version` was read (None: Redis has none, so it is not kept)."""
        drawn = Drawn(version=version or "", state=_told(state), blank=self.blank, html=html)
        if version is not None:
            fields: dict[str, Any] = {"version": version, "state": drawn.state, "blank": self.blank, "html": html}
            with suppress(RedisError), client().pipeline(transaction=True) as pipe:
                pipe.hset(self.key, mapping=fields)
                pipe.pexpire(self.key, _KEPT_MS)
                pipe.delete(self._turn)
                pipe.execute()
        return drawn


def _told(state: JobState) -> str:
    return " ".join(str(value) for value in state)
