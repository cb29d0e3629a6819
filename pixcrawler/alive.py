"""A file that shows whoever looks after processes that this one is well."""

from contextlib import suppress

from django.conf import settings


def note_alive() -> None:
    """Touches the file of PIXCRAWLER_ALIVE_FILE, where one is named."""
    if settings.ALIVE_FILE is not None:
        # A file that cannot be touched grows old, and the health check says so.
        with suppress(OSError):
            settings.ALIVE_FILE.touch()
