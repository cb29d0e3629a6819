"""The state of what PixCrawler runs on, for the System page."""

import shutil
import time
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection

from jobs.health import Health, system_health
from jobs.models import Chunk, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemState:
    """Seen at one moment; a number is None where it could not be learnt."""

    health: Health
    database_ms: float | None
    waiting_chunks: int
    running_chunks: int
    disk_used_percent: int | None
    disk_free_bytes: int | None

    @property
    def has_silent_queue(self) -> bool:
        """Whether something waits that nobody will take."""
        return self.health.redis and self.health.workers == 0 and self.running_chunks == 0


def state() -> SystemState:
    """Asks Redis, the database and the disk, each for a moment."""
    started = time.perf_counter()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        database_ms = (time.perf_counter() - started) * 1000
    except DatabaseError:
        database_ms = None
    try:
        disk = shutil.disk_usage(settings.DATA_DIR)
    except OSError:
        disk = None
    return SystemState(
        health=system_health(),
        database_ms=database_ms,
        waiting_chunks=Chunk.objects.filter(status=Status.PENDING, job__status=Status.PROCESSING).count(),
        running_chunks=Chunk.objects.filter(status=Status.PROCESSING).count(),
        disk_used_percent=round(100 * disk.used / disk.total) if disk else None,
        disk_free_bytes=disk.free if disk else None,
    )
