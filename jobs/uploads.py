"""ZIP files that people upload for a crawl: checked at the door, kept in the media store while a job may read them.

    uploads/<32 hexadecimal digits>.zip

The name is ours, and the job's spec holds it. A file without a job is one whose job was never made, or is gone.
"""

import logging
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Final

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Now

from datasets.blobs import BlobError, translated
from datasets.counting import number_of
from datasets.ranged_file import open_ranged
from datasets.storage import RangedStorage, SweepableStorage
from jobs.crawl.archive import Archive, ArchiveError
from jobs.crawl.sources.base import GivenArchive
from jobs.crawl.text import clean
from jobs.models import TERMINAL, Job
from jobs.spec import MAX_KEYWORDS, InvalidSpec, Upload

log = logging.getLogger(__name__)

#: A job that has ended may be retried or topped up for so long; then its ZIP file goes.
KEPT_AFTER_END: Final = timedelta(days=3)

#: A file whose job is only being made is younger than this.
_GRACE_S: Final = 86_400.0

_FOLDER: Final = "uploads"
_NAME: Final = re.compile(r"([0-9a-f]{32})\.zip")
#: The same while it is being written, or was when its writer died.
_UNFINISHED: Final = re.compile(r"\.[0-9a-f]{32}\.zip\.[0-9a-f]+\.tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenZip:
    """An open ZIP file, and what whoever gave it calls it: the name is shown, and used for nothing else."""

    file: IO[bytes]
    name: str


@contextmanager
def taken_in(given: GivenZip | Upload, *, root_label: str) -> Iterator[Upload]:
    """Checks and stores the file, or sees that it is stored still; after the block it stays only where a job names it.

    `root_label` is the label of pictures that lie in no folder of a new one. Raises InvalidSpec.
    """
    try:
        upload = _found_again(given) if isinstance(given, Upload) else _new(given, root_label)
    except (BlobError, OSError) as error:
        raise InvalidSpec("zip", f"The ZIP file could not be stored. {error}") from None
    try:
        yield upload
    finally:
        # What is left over goes with the daily housekeeping.
        with suppress(DatabaseError, BlobError):
            remove_unless_wanted(upload.token)


def archive_of(job: Job) -> GivenArchive | None:
    """What a worker is given to read the job's file, where it has one."""
    upload = _upload_of(job)
    if upload is None:
        return None
    name = _name(upload.token)
    return GivenArchive(name=name, root_label=upload.root_label, open=lambda: _open(name))


def remove_unless_wanted(token: str) -> None:
    """Removes the file where no job may read it any more. Raises BlobError."""
    if not _wanted([token]):
        _remove(_name(token))


def remove_of(job: Job) -> None:
    """Removes the file of a job that was removed, unless another job reads it. Raises BlobError."""
    upload = _upload_of(job)
    if upload:
        remove_unless_wanted(upload.token)


def remove_unwanted() -> int:
    """Removes what no job may read any more, and what was never finished; gives their number. Raises BlobError."""
    storage = _storage()
    if not isinstance(storage, SweepableStorage):
        return 0
    with translated("list the uploads"):
        before = storage.clock() - _GRACE_S
        old = {file.name.rpartition("/")[2] for file in storage.files(_FOLDER) if file.modified_at < before}
    tokens = {match[1]: name for name in old if (match := _NAME.fullmatch(name))}
    wanted = _wanted(tokens)
    unwanted = [name for token, name in tokens.items() if token not in wanted]
    unwanted += [name for name in old if _UNFINISHED.fullmatch(name)]
    for name in unwanted:
        _remove(f"{_FOLDER}/{name}")
    if unwanted:
        log.info("%s uploaded ZIP files that no job reads any more were removed.", f"{len(unwanted):,}")
    return len(unwanted)


def _upload_of(job: Job) -> Upload | None:
    # A source is also checked without a job to work on.
    data = (job.spec or {}).get("upload")
    return Upload.from_json(data) if data else None


def limit_words() -> str:
    """How large an uploaded file may be, for people."""
    return f"{settings.MAX_UPLOAD_BYTES / 1_000_000:,.1f} MB"


def _new(given: GivenZip, root_label: str) -> Upload:
    upload = _looked_at(given, root_label)
    _store(_name(upload.token), given.file)
    return upload


def _found_again(upload: Upload) -> Upload:
    name = _name(upload.token)
    with translated(f"look for {name}"):
        if _storage().exists(name):
            return upload
    raise InvalidSpec(
        "zip", "The ZIP file is not kept any more: it goes some days after its job's end. Start a new crawl with it."
    )


def _looked_at(given: GivenZip, root_label: str) -> Upload:
    """What the file holds. Raises InvalidSpec."""
    called = clean(given.name, 100) or "The ZIP file"
    try:
        size_bytes = given.file.seek(0, 2)
        if size_bytes > settings.MAX_UPLOAD_BYTES:
            raise ArchiveError(
                f"The ZIP file is larger than {limit_words()}, the most that is taken "
                "here. Split it; or ask the operator to raise PIXCRAWLER_MAX_UPLOAD_BYTES, or to put the pictures in a "
                "folder that the source “folder” may read."
            )
        archive = Archive(given.file)
    except ArchiveError as error:
        raise InvalidSpec("zip", f"{called} was not taken. {error}") from None
    except OSError as error:
        raise InvalidSpec("zip", f"{called} cannot be read ({error.strerror or error}). Choose it again.") from None
    if not archive.pictures:
        raise InvalidSpec(
            "zip", f"{called} holds no pictures. Taken are JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF, by their names."
        )
    labels = tuple(dict.fromkeys(entry.folder or root_label for entry in archive.pictures))
    if len(labels) > MAX_KEYWORDS:
        raise InvalidSpec(
            "zip", f"{called} has more than {MAX_KEYWORDS:,} folders, and each is a label. Split it into several."
        )
    told = f"{called} holds {number_of(len(archive.pictures), 'picture')} in {number_of(len(labels), 'label')}."
    if archive.passed_over:
        told += f" Passed over: {', '.join(f'{number:,} {what}' for what, number in archive.passed_over.items())}."
    return Upload(token=secrets.token_hex(16), root_label=root_label, labels=labels, told=told)


def _store(name: str, file: IO[bytes]) -> None:
    storage = _storage()
    with translated(f"write {name}"):
        if isinstance(storage, RangedStorage):
            storage.upload_open(name, file)
            return
        file.seek(0)
        stored = storage.save(name, File(file))
    if stored != name:
        raise OSError(f"The media store named {name} otherwise ({stored}). Configure it to overwrite files.")


def _open(name: str) -> IO[bytes]:
    storage = _storage()
    if isinstance(storage, RangedStorage):
        return open_ranged(storage, name)
    with translated(f"read {name}", missing_is_trouble=False):
        return storage.open(name, "rb")


def _remove(name: str) -> None:
    with translated(f"delete {name}"):
        _storage().delete(name)


def _wanted(tokens: Iterable[str]) -> set[str]:
    """Those of the tokens that a job names which is under way, or may be retried still."""
    readable = ~Q(status__in=TERMINAL) | Q(finished_at__gt=Now() - KEPT_AFTER_END)
    named = Job.objects.order_by().filter(readable, spec__upload__token__in=list(tokens))
    return set(named.values_list("spec__upload__token", flat=True))


def _name(token: str) -> str:
    """Raises ValueError for a token that is not ours: it becomes a path."""
    if not _NAME.fullmatch(f"{token}.zip"):
        raise ValueError(f"{token!r} is not the name of an upload.")
    return f"{_FOLDER}/{token}.zip"


def _storage() -> Storage:
    return storages["default"]
