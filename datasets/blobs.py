"""The only module that knows files: bytes are put, opened and deleted by content, over Django's storage.

Names come from our own hashes alone; nothing from the web ever becomes part of a path.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from datasets.imaging.formats import EXTENSIONS
from datasets.outcomes import Reason

_NAME = re.compile(r"(originals|thumbs)/([0-9a-f]{2})/\2[0-9a-f]{62}\.[a-z]{3,4}")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BlobError(Exception):
    """The store cannot do what is asked. The message says what it means and what to do next."""

    reason = Reason.STORAGE_UNAVAILABLE


class StorageFull(BlobError):
    reason = Reason.STORAGE_FULL


class StorageUnavailable(BlobError):
    reason = Reason.STORAGE_UNAVAILABLE


def put_original(body: bytes, *, sha256: str, format: str) -> str:
    """Stores the bytes as they came; gives their name. The same content again is the same blob. Raises BlobError."""
    return _put(f"originals/{sha256[:2]}/{sha256}.{EXTENSIONS[format]}", body)


def put_thumbnail(body: bytes, *, sha256: str) -> str:
    """Stores the thumbnail of the original with that sha256; gives its name. Raises BlobError."""
    return _put(f"thumbs/{sha256[:2]}/{sha256}.jpg", body)


def open_blob(name: str) -> IO[bytes]:
    """The blob, open for reading. Raises FileNotFoundError, BlobError."""
    with _storage_errors(missing_is_trouble=False):
        return _storage().open(_checked(name), "rb")


def exists(name: str) -> bool:
    """Whether the blob is there. Raises BlobError."""
    with _storage_errors():
        return _storage().exists(_checked(name))


def delete(name: str) -> None:
    """Removes the blob; one that is not there is no error. Raises BlobError."""
    with _storage_errors():
        _storage().delete(_checked(name))


def _put(name: str, body: bytes) -> str:
    storage = _storage()
    _checked(name)
    with _storage_errors():
        if storage.exists(name) and storage.size(name) == len(body):
            _renew(storage, name)
        else:
            storage._save(name, ContentFile(body))
    return name


def _renew(storage: Storage, name: str) -> None:
    """Marks a blob as used again, where the backend has a way to."""
    renew = getattr(storage, "renew", None)
    if renew:
        renew(name)


def _storage() -> Storage:
    return storages["default"]


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a blob.")
    return name


@contextmanager
def _storage_errors(*, missing_is_trouble: bool = True) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not missing_is_trouble:
            raise
        if error.errno in _FULL:
            raise StorageFull("The disk of the media folder is full. Free some space, then retry: it goes on there.") from None
        raise StorageUnavailable(
            f"The media folder cannot be used ({error.strerror or type(error).__name__}). "
            "Check that it is mounted and that the worker may write to it, then retry."
        ) from None
