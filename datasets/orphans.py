"""Removes what no dataset names: pictures whose recording never came about or whose images were removed, and files
that were never finished.

A worker stores a picture first and names it in a row later, so a young file without a row is work under way. What is
older than the grace time, which exceeds the time that a task may take, is nobody's: a worker that reuses such a file
renews its time first. docs/decisions/0005 has the argument why no file in use is ever taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.conf import settings

from datasets import blobs
from datasets.models import Image
from datasets.storage import StoredFile

#: The folders' subfolders: the first two digits of every name.
PREFIXES = tuple(f"{number:02x}" for number in range(256))

_FOLDERS: tuple[Literal["originals", "thumbs"], ...] = ("originals", "thumbs")
_NAMES_PER_QUERY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptFiles:
    """What a sweep removed, or would: finished files, unfinished ones, and their bytes."""

    orphans: int = 0
    unfinished: int = 0
    size_bytes: int = 0

    def __add__(self, other: "SweptFiles") -> "SweptFiles":
        return SweptFiles(
            orphans=self.orphans + other.orphans,
            unfinished=self.unfinished + other.unfinished,
            size_bytes=self.size_bytes + other.size_bytes,
        )


def sweep_prefix(prefix: str, *, grace_s: float | None = None, dry_run: bool = False) -> SweptFiles:
    """Removes the abandoned files under one prefix; `grace_s` is the installation's unless given.

    Raises blobs.BlobError. Any number of sweeps may run at once, beside any number of workers.
    """
    before = blobs.clock() - (settings.ORPHAN_GRACE_S if grace_s is None else grace_s)
    swept = SweptFiles()
    for folder in _FOLDERS:
        for batch in _batches(blobs.abandoned(folder, prefix, before=before)):
            named = _named({sha256 for _, sha256 in batch})
            for file, sha256 in batch:
                if sha256 in named and not blobs.is_aside(file):
                    continue
                if dry_run or _remove(file, sha256, before=before):
                    swept += SweptFiles(orphans=bool(sha256), unfinished=not sha256, size_bytes=file.size_bytes)
    return swept


def _remove(file: StoredFile, sha256: str, *, before: float) -> bool:
    return blobs.remove_abandoned(file, before=before, is_wanted=lambda: bool(_named({sha256})))


def _named(digests: set[str]) -> set[str]:
    """Those of the SHA-256 that an image of any dataset has."""
    return set(Image.objects.filter(sha256__in=digests - {""}).values_list("sha256", flat=True))


def _batches(files: Iterator[tuple[StoredFile, str]]) -> Iterator[list[tuple[StoredFile, str]]]:
    batch = []
    for file in files:
        batch.append(file)
        if len(batch) >= _NAMES_PER_QUERY:
            yield batch
            batch = []
    if batch:
        yield batch
