"""Which bytes have broken decoder processes, remembered for all workers (a `datasets.imaging.decoder.KillRecord`)."""

import time

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from datasets.imaging.decoder import MAX_KILLS
from datasets.models import Undecodable

#: What other workers have noted is read so often. A picture that just broke their decoders may break one more.
_READ_EVERY_S = 1.0

#: Up to so many are kept in memory; of more, each picture is looked up by itself.
_MOST_REMEMBERED = 1_000


class SharedKillRecord:
    """In the database: what broke the decoders of one worker is not tried by another, a second later."""

    def __init__(self) -> None:
        self._condemned: frozenset[str] = frozenset()
        self._read_at = -_READ_EVERY_S

    def is_condemned(self, sha256: str) -> bool:
        now = time.monotonic()
        if now - self._read_at >= _READ_EVERY_S:
            self._condemned = frozenset(_condemned().values_list("sha256", flat=True)[: _MOST_REMEMBERED + 1])
            self._read_at = now
        if len(self._condemned) > _MOST_REMEMBERED:
            return _condemned().filter(sha256=sha256).exists()
        return sha256 in self._condemned

    def note_kill(self, sha256: str) -> None:
        Undecodable.objects.bulk_create([Undecodable(sha256=sha256)], ignore_conflicts=True)
        Undecodable.objects.filter(sha256=sha256).update(kills=F("kills") + 1, last_killed_at=Now())
        self._read_at = -_READ_EVERY_S


def _condemned() -> QuerySet[Undecodable]:
    return Undecodable.objects.filter(kills__gte=MAX_KILLS).order_by()
