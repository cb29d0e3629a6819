"""The only module that knows files: pictures and their thumbnails in the media store, named by their content.

    originals/ab/<sha256>.<jpg|png|webp|gif|bmp|tiff|avif>      thumbs/ab/<sha256 of the original>.jpg

Every name is checked against this pattern, so that nothing from outside ever becomes a path.
"""

import errno
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Literal

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from datasets.imaging.formats import EXTENSIONS, extension_of
from datasets.outcomes import Reason
from datasets.storage import (
    ASIDE_SUFFIX,
    TEMPORARY_SUFFIX,
    BatchStorage,
    IsWanted,
    LinkingStorage,
    RenewableStorage,
    StorageTrouble,
    StoredFile,
    SweepableStorage,
)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(
    rf"originals/([0-9a-f]{{2}})/\1[0-9a-f]{{62}}\.(?:{'|'.join(EXTENSIONS.values())})"
    r"|thumbs/([0-9a-f]{2})/\2[0-9a-f]{62}\.jpg"
)
_UNFINISHED = re.compile(rf"\.[0-9a-f]{{64}}\.[a-z]+\.[0-9a-f]{{12}}{re.escape(TEMPORARY_SUFFIX)}")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class BlobError(Exception):
    """The media store did not do its part. The message says what happened and what to do."""

    reason: Reason


class StorageFull(BlobError):
    """The disk, or the quota on it, is used up."""

    reason = Reason.STORAGE_FULL


class StorageUnavailable(BlobError):
    """The media store cannot be read or written."""

    reason = Reason.STORAGE_UNAVAILABLE


def put_all(files: Mapping[str, bytes]) -> None:
    """Stores bytes under the names that `original_name` and `thumbnail_name` give; see `writes_together`.

    Bytes that are there already are kept, and count as new from now on. Raises BlobError, and ValueError for a name of
    another pattern. After an error some may be stored, each whole.
    """
    storage = _storage()
    for name in files:
        _checked(name)
    if isinstance(storage, BatchStorage):
        first, *others = files
        with translated(f"write {first} and {len(others)} more" if others else f"write {first}"):
            storage.save_all(
                {name: body for name, body in files.items() if not storage.renew(name, size_bytes=len(body))}
            )
        return
    for name, body in files.items():
        if not _renewed(storage, name, len(body)):
            _write(body, name)


def writes_together() -> bool:
    """Whether many files at once take the media store little longer than one, as on a local disk."""
    return isinstance(_storage(), BatchStorage)


def sha256_of(body: bytes) -> str:
    """What a picture is named by."""
    return hashlib.sha256(body).hexdigest()


def restore_original(body: bytes, *, sha256: str, format: str) -> str:
    """Stores a picture's bytes whatever lies under their name, and returns it. Raises as `put_all` does."""
    return _write(body, original_name(sha256=sha256, format=format))


def original_name(*, sha256: str, format: str) -> str:
    """The name of a picture's bytes. Raises ValueError for a hash or a format that is none."""
    return f"originals/{_checked_sha256(sha256)[:2]}/{sha256}.{extension_of(format)}"


def thumbnail_name(*, sha256: str) -> str:
    """The name of the thumbnail of the picture with that hash. Raises ValueError for a hash that is none."""
    return f"thumbs/{_checked_sha256(sha256)[:2]}/{sha256}.jpg"


def put_thumbnail(body: bytes, *, sha256: str) -> str:
    """Stores the JPEG thumbnail of the picture with that hash and returns its name. Raises as `put_all` does."""
    name = thumbnail_name(sha256=sha256)
    put_all({name: body})
    return name


def restore_thumbnail(body: bytes, *, sha256: str) -> str:
    """Stores a thumbnail whatever lies under its name, and returns it. Raises as `put_all` does."""
    return _write(body, thumbnail_name(sha256=sha256))


def restore(name: str, body: bytes) -> None:
    """Stores a blob as a backup had it, whatever lies under its name.

    Raises BlobError, and ValueError for a name of another pattern.
    """
    _write(body, _checked(name))


def open(name: str) -> IO[bytes]:
    """The blob, open for reading. Raises FileNotFoundError when it is missing, BlobError, and ValueError."""
    with translated(f"read {_checked(name)}", missing_is_trouble=False):
        return _storage().open(name, "rb")


def exists(name: str) -> bool:
    """Whether the blob is there. Raises BlobError, and ValueError for a name of another pattern."""
    with translated(f"look for {_checked(name)}"):
        return _storage().exists(name)


def delete(name: str) -> None:
    """Removes the blob; one that is missing is fine. Raises BlobError, and ValueError for a name of another pattern."""
    with translated(f"delete {_checked(name)}"):
        _storage().delete(name)


def link(name: str, *, save_as: str) -> str | None:
    """A short-lived address that gives the blob as an attachment of that name; None where it lies in a folder.

    Whoever has the address may use it. Raises FileNotFoundError when it is missing, BlobError, and ValueError.
    """
    storage = _storage()
    if not isinstance(storage, LinkingStorage):
        return None
    if not exists(name):
        raise FileNotFoundError(errno.ENOENT, "The blob is missing", name)
    return storage.link(name, save_as=save_as)


def names(folder: Literal["originals", "thumbs"]) -> Iterator[str]:
    """The names of all blobs of a folder, without files that are still being written. Raises BlobError."""
    for prefix in sorted(_listed(folder)[0]):
        for file in sorted(_listed(f"{folder}/{prefix}")[1]):
            name = f"{folder}/{prefix}/{file}"
            if _NAME.fullmatch(name):
                yield name


def place() -> str | None:
    """Which store it is, in words; None where it is the media folder."""
    storage = _storage()
    return storage.place if isinstance(storage, LinkingStorage) else None


def can_be_swept() -> bool:
    """Whether the media store can have its orphans removed by us."""
    return isinstance(_storage(), SweepableStorage)


def abandoned(
    folder: Literal["originals", "thumbs"], prefix: str, *, before: float
) -> Iterator[tuple[StoredFile, str]]:
    """Files under a prefix (two hexadecimal digits) last written or renewed before that time, each with the SHA-256
    that it is named by: "" for a file that was never finished. Files left aside by a sweep that died, of any time.

    What is not named as we name files is nobody's business here. Raises BlobError.
    """
    with translated(f"list {folder}/{prefix}"):
        for file in _sweepable().files(f"{folder}/{prefix}"):
            base = file.name.rpartition("/")[2]
            if file.modified_at >= before and not is_aside(file):
                continue
            if base.endswith(TEMPORARY_SUFFIX) and _UNFINISHED.fullmatch(base):
                yield file, ""
            elif _NAME.fullmatch(f"{folder}/{prefix}/{base.removeprefix('.').removesuffix(ASIDE_SUFFIX)}"):
                yield file, base.removeprefix(".")[:64]


def is_aside(file: StoredFile) -> bool:
    """Whether a sweep that died left it beside its place."""
    return file.name.endswith(ASIDE_SUFFIX)


def remove_abandoned(file: StoredFile, *, before: float, is_wanted: IsWanted) -> bool:
    """Removes a file that `abandoned` gave, after a second look at its time and at `is_wanted`. Raises BlobError."""
    with translated(f"remove {file.name}"):
        return _sweepable().remove_abandoned(file.name, before=before, is_wanted=is_wanted)


def clock() -> float:
    """The present time as the media store writes it on files, in seconds. Raises BlobError."""
    with translated("write a file"):
        return _sweepable().clock()


def _sweepable() -> SweepableStorage:
    storage = _storage()
    if not isinstance(storage, SweepableStorage):
        raise StorageUnavailable("This media store cannot be swept by us. Use a lifecycle rule of the store itself.")
    return storage


def _storage() -> Storage:
    return storages["default"]


def _renewed(storage: Storage, name: str, size_bytes: int) -> bool:
    with translated(f"write {name}"):
        return isinstance(storage, RenewableStorage) and storage.renew(name, size_bytes=size_bytes)


def _write(body: bytes, name: str) -> str:
    storage = _storage()
    with translated(f"write {name}"):
        stored = storage.save(name, ContentFile(body))
        if stored != name:
            storage.delete(stored)
            raise StorageUnavailable(
                f"The media store named {name} otherwise ({stored}), so it could not be found again. "
                "Configure it to overwrite files, then retry."
            )
    return name


def _listed(folder: str) -> tuple[list[str], list[str]]:
    try:
        with translated(f"list {folder}", missing_is_trouble=False):
            return _storage().listdir(folder)
    except FileNotFoundError:
        return [], []


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a blob.")
    return name


def _checked_sha256(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is not a SHA-256 in lower-case hexadecimal digits.")
    return sha256


@contextmanager
def translated(action: str, *, missing_is_trouble: bool = True) -> Iterator[None]:
    """Turns the errors of the operating system, or of a store that speaks like one, into BlobError.

    `action` is what was tried, such as "read thumbs/ab/…".
    """
    try:
        yield
    except FileNotFoundError as error:
        if not missing_is_trouble:
            raise
        raise _unavailable(action, error) from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                f"The media store is full: it could not {action} ({error.strerror}). Free space on it, then retry."
            ) from error
        raise _unavailable(action, error) from error


def _unavailable(action: str, error: OSError) -> StorageUnavailable:
    advice = "Check that its folder is mounted and writable for this user, then retry."
    if isinstance(error, StorageTrouble):
        advice = error.advice
    return StorageUnavailable(f"The media store could not {action} ({error.strerror or error}). {advice}")
