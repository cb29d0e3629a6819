"""Which bytes have broken decoder processes, remembered for all workers (a `datasets.imaging.decoder.KillRecord`)."""

from django.db.models import F
from django.db.models.functions import Now

from datasets.imaging.decoder import MAX_KILLS
from datasets.models import Undecodable


class SharedKillRecord:
    """In the database: what broke the decoders of one worker is not tried by another."""

    def is_condemned(self, sha256: str) -> bool:
        return Undecodable.objects.filter(sha256=sha256, kills__gte=MAX_KILLS).exists()

    def note_kill(self, sha256: str) -> None:
        Undecodable.objects.bulk_create([Undecodable(sha256=sha256)], ignore_conflicts=True)
        Undecodable.objects.filter(sha256=sha256).update(kills=F("kills") + 1, last_killed_at=Now())
