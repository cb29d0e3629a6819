"""The files of exports: where they lie, which are offered, and how they go again."""

import logging
import re
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from datasets.exports.parts import SUMS
from jobs.export_models import Export
from jobs.models import TERMINAL

log = logging.getLogger(__name__)

_FOLDER = re.compile(r"[0-9]+-[0-9a-f]{8}")

#: What a failed or cancelled export has written waits so long for its retry.
KEPT_UNFINISHED: Final = timedelta(days=3)


def folder_of(export: Export) -> Path:
    """The export's own folder."""
    return Path(settings.EXPORTS_ROOT) / export.folder


def file_of(export: Export, name: str) -> Path | None:
    """Where an offered file lies; None where there is none of that name."""
    names = {SUMS, *(file["name"] for file in export.files)}
    path = folder_of(export) / name
    return path if export.is_offered and name in names and path.is_file() else None


def remove_files(export: Export) -> None:
    """Takes the export's files away; its row says from then on that they are gone."""
    Export.objects.filter(pk=export.pk).update(removed_at=Now(), ready_at=None)
    with suppress(FileNotFoundError):
        shutil.rmtree(folder_of(export))


def remove_unwanted() -> int:
    """Removes folders whose job was deleted, and what jobs that failed or were cancelled left; gives their number."""
    root = Path(settings.EXPORTS_ROOT)
    if not root.is_dir():
        return 0
    removed = 0
    for folder in root.iterdir():
        if not _FOLDER.fullmatch(folder.name):
            continue
        export = Export.objects.select_related("job").filter(folder=folder.name).first()
        if export is None:
            shutil.rmtree(folder)
        elif _is_given_up(export):
            remove_files(export)
        else:
            continue
        removed += 1
    if removed:
        log.info("%s folders of exports that nobody wants any more were removed.", f"{removed:,}")
    return removed


def _is_given_up(export: Export) -> bool:
    job = export.job
    if job.status not in TERMINAL or export.ready_at is not None or job.finished_at is None:
        return False
    return job.finished_at < timezone.now() - KEPT_UNFINISHED
