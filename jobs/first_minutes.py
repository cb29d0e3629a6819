"""What an empty installation tells whoever sees it for the first time."""

from dataclasses import dataclass

from django.conf import settings

from datasets import blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstMinutes:
    """Where files lie, and what is set that a first crawl may need."""

    data_dir: str
    exports_dir: str
    has_token: bool
    contact: str


def told() -> FirstMinutes:
    bucket = blobs.place()
    return FirstMinutes(
        data_dir=bucket or str(settings.DATA_DIR),
        exports_dir=bucket or str(settings.EXPORTS_ROOT),
        has_token=bool(settings.SOURCE_SETTINGS["PIXCRAWLER_OPENVERSE_TOKEN"]),
        contact=settings.CONTACT,
    )
