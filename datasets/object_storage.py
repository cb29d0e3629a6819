"""A private bucket of an S3-compatible object store, with the promises of the local folder (datasets/storage.py).

An object appears whole or not at all, because one PUT writes it and its MD5 goes along. Every request has an end: the
time-outs and the number of attempts are given. What goes wrong is told as an operating system would, by OSError.
"""

import base64
import errno
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from django.core.files import File
from django.utils.http import content_disposition_header
from storages.backends.s3 import S3Storage

from datasets.storage import ASIDE_SUFFIX, IsWanted, StorageTrouble, StoredFile

#: How stores say that there is no more room.
_FULL: Final = frozenset(
    {"InsufficientStorage", "QuotaExceeded", "StorageFull", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"}
)
_REFUSED: Final = frozenset(
    {"AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"}
)
_MISSING: Final = frozenset({"NoSuchKey", "NotFound", "404"})
_INSUFFICIENT_STORAGE: Final = 507
_FORBIDDEN: Final = 403
_READ_BYTES: Final = 1024 * 1024

#: Tries of one request: the second one helps against a connection that the store had closed.
_ATTEMPTS: Final = 2


class ObjectStorage(S3Storage):  # type: ignore[misc]
    """`bucket_name`, `location` (a prefix), `endpoint_url`, `access_key` and so on are those of django-storages.

    An object younger than `fresh_s` is not written again when the same bytes come. Links are signed for
    `public_endpoint_url`, where browsers find the store under another address, and are valid for `link_s`.
    """

    def __init__(
        self,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        fresh_s: float,
        link_s: int,
        public_endpoint_url: str = "",
        addressing_style: str = "auto",
        **options: Any,
    ) -> None:
        self._fresh_s = fresh_s
        self._link_s = link_s
        self._public_endpoint_url = public_endpoint_url
        config = Config(
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": addressing_style},
            # Newer checksums are more than many stores understand; every PUT of ours carries an MD5.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        super().__init__(
            client_config=config,
            transfer_config=TransferConfig(multipart_chunksize=16 * 1024 * 1024, max_concurrency=4),
            querystring_auth=True,
            default_acl=None,
            file_overwrite=True,
            **options,
        )

    @property
    def place(self) -> str:
        return f"the bucket {self.bucket_name}" + (f" at {self.endpoint_url}" if self.endpoint_url else "")

    @cached_property
    def _client(self) -> Any:
        """One for all threads of the process: unlike the library's `connection`, it may be shared."""
        return self._client_of(self.endpoint_url)

    @cached_property
    def _signer(self) -> Any:
        """Signs links; it never talks to the store itself."""
        return self._client_of(self._public_endpoint_url or self.endpoint_url)

    def _client_of(self, endpoint_url: str | None) -> Any:
        session = self._create_session()
        return session.client("s3", region_name=self.region_name, endpoint_url=endpoint_url, config=self.client_config)

    def _key(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": self._normalize_name(name)}

    def _folder_key(self, folder: str) -> str:
        return str(self._normalize_name(folder)).rstrip("/") + "/"

    # -- files as Django knows them --------------------------------------------------------------------------------

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":  # noqa: ARG002
        """The whole object, in memory: what breaks off breaks off here, not while somebody reads."""
        body = io.BytesIO()
        try:
            self.fetch(name, body)
        except FileNotFoundError:
            if not self._bring_back(name):
                raise
            self.fetch(name, body)
        body.seek(0)
        return File(body, name=name)

    def _save(self, name: str, content: "File[bytes]") -> str:
        body = content.read()
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        with self._told():
            self._client.put_object(
                **self._key(name), Body=body, ContentMD5=digest, **self._get_write_parameters(name, content)
            )
        return name

    def exists(self, name: str) -> bool:
        if self._head(name) is not None or self._bring_back(name):
            return True
        # A bucket that is not there answers as a missing object does.
        self.clock()
        return False

    def delete(self, name: str) -> None:
        with self._told():
            self._client.delete_object(**self._key(name))

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        prefix = self._folder_key(name)
        folders: list[str] = []
        files: list[str] = []
        for page in self._pages(prefix, Delimiter="/"):
            folders += [entry["Prefix"].removeprefix(prefix).rstrip("/") for entry in page.get("CommonPrefixes", ())]
            files += [entry["Key"].removeprefix(prefix) for entry in page.get("Contents", ())]
        return folders, files

    # -- what datasets.blobs asks for (datasets.storage has the promises) --------------------------------------------

    def renew(self, name: str, *, size_bytes: int) -> bool:
        """False also for an object that has grown old: writing it again is what makes it new."""
        found = self._head(name)
        if found is None or found["ContentLength"] != size_bytes:
            return False
        return bool(_date_of(found) - found["LastModified"].timestamp() < self._fresh_s)

    def clock(self) -> float:
        """The store's own time, in whole seconds. It asks for the bucket, so that it finds whether there is one."""
        with self._told(f"the bucket {self.bucket_name}"):
            return _date_of(self._client.head_bucket(Bucket=self.bucket_name))

    def files(self, folder: str) -> Iterator[StoredFile]:
        prefix = self._folder_key(folder)
        for page in self._pages(prefix):
            for entry in page.get("Contents", ()):
                name = f"{folder}/{entry['Key'].removeprefix(prefix)}"
                yield StoredFile(name, entry["Size"], entry["LastModified"].timestamp())

    def remove_abandoned(self, name: str, *, before: float, is_wanted: IsWanted) -> bool:
        """Copies the object aside, looks again, and removes it from its place; the copy goes a grace time later.

        A store has no rename that is one step, so a worker may write the bytes anew between the second look and the
        removal. Within the grace time its row is there, and the copy is brought back: by whoever reads the object
        first, else when the copy's own time has come.
        """
        if name.endswith(ASIDE_SUFFIX):
            return self._decide(name, before=before, is_wanted=is_wanted)
        aside = _aside(name)
        if not self._copy(name, aside):
            return False
        found = self._head(name)
        if found is None:
            return False
        if found["LastModified"].timestamp() >= before or is_wanted():
            self.delete(aside)
            return False
        self.delete(name)
        return True

    def _decide(self, aside: str, *, before: float, is_wanted: IsWanted) -> bool:
        found = self._head(aside)
        if found is None or found["LastModified"].timestamp() >= before:
            return False
        name = _place_of(aside)
        if is_wanted() and self._head(name) is None:
            self._copy(aside, name)
        self.delete(aside)
        return False

    def _bring_back(self, name: str) -> bool:
        return not name.endswith(ASIDE_SUFFIX) and self._copy(_aside(name), name)

    # -- large files, piece by piece -------------------------------------------------------------------------------

    def upload(self, name: str, path: Path, *, start: int = 0, end: int | None = None) -> None:
        """Stores the bytes of a local file from `start` to `end`, in constant memory."""
        with path.open("rb") as file:
            self._send(name, _Window(file, start, path.stat().st_size if end is None else end))

    def upload_open(self, name: str, file: IO[bytes]) -> None:
        """Stores what an open file holds, in constant memory, and leaves it open."""
        self._send(name, _Window(file, 0, file.seek(0, io.SEEK_END)))

    def _send(self, name: str, window: "_Window") -> None:
        with self._told():
            self._client.upload_fileobj(
                window, **self._key(name), ExtraArgs=self._get_write_parameters(name), Config=self.transfer_config
            )

    def fetch(self, name: str, file: IO[bytes]) -> None:
        """Writes the object's bytes to `file`. Raises FileNotFoundError."""
        with self._told(name):
            body = self._client.get_object(**self._key(name))["Body"]
            for piece in body.iter_chunks(_READ_BYTES):
                file.write(piece)

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """The object's bytes from `start` to `end`. Raises FileNotFoundError."""
        with self._told(name):
            answer = self._client.get_object(**self._key(name), Range=f"bytes={start}-{end - 1}")
            return bytes(answer["Body"].read())

    def size(self, name: str) -> int:
        """Bytes. Raises FileNotFoundError."""
        found = self._head(name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "the object is not there", name)
        return int(found["ContentLength"])

    def link(self, name: str, *, save_as: str) -> str:
        """An address that gives the object, as an attachment of that name, to whoever has it, for a short while."""
        address: str = self._signer.generate_presigned_url(
            "get_object",
            Params={**self._key(name), "ResponseContentDisposition": content_disposition_header(True, save_as)},
            ExpiresIn=self._link_s,
        )
        return address

    def remove_folder(self, folder: str) -> None:
        """Removes every object below; none is fine."""
        for file in list(self.files(folder)):
            self.delete(file.name)

    # -- requests ------------------------------------------------------------------------------------------------------

    def _pages(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        """The store's answers to "which objects have a name that begins so", a thousand in each."""
        paginator = self._client.get_paginator("list_objects_v2")
        with self._told():
            yield from paginator.paginate(Bucket=self.bucket_name, Prefix=prefix, **options)

    def _head(self, name: str) -> dict[str, Any] | None:
        try:
            with self._told(name):
                found: dict[str, Any] = self._client.head_object(**self._key(name))
        except FileNotFoundError:
            return None
        return found

    def _copy(self, name: str, to: str) -> bool:
        try:
            with self._told(name):
                self._client.copy_object(**self._key(to), CopySource=self._key(name))
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """Turns what boto3 raises into what an operating system would have raised."""
        try:
            yield
        except ClientError as error:
            raise self._answered(error, name) from error
        except NoCredentialsError as error:
            raise StorageTrouble(
                errno.EACCES,
                "there are no keys for the object store",
                "Set PIXCRAWLER_S3_ACCESS_KEY and PIXCRAWLER_S3_SECRET_KEY, then retry.",
            ) from error
        except (BotoCoreError, Boto3Error) as error:
            raise StorageTrouble(
                errno.EIO,
                f"{self.endpoint_url or 'the object store'} does not answer: {type(error).__name__}",
                "See that the store runs, is reached from here, and that PIXCRAWLER_S3_ENDPOINT names it, then retry.",
            ) from error

    def _answered(self, error: ClientError, name: str) -> OSError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket" or (code in _MISSING and name.startswith("the bucket")):
            return StorageTrouble(
                errno.EIO,
                f"there is no bucket {self.bucket_name}",
                "Make it, or mend PIXCRAWLER_S3_BUCKET, PIXCRAWLER_S3_ENDPOINT and PIXCRAWLER_S3_REGION, then retry.",
            )
        if code in _MISSING:
            return FileNotFoundError(errno.ENOENT, "the object is not there", name)
        if code in _FULL or status == _INSUFFICIENT_STORAGE:
            return StorageTrouble(errno.EDQUOT, f"the object store is full: {code or status}", "")
        if code in _REFUSED or status == _FORBIDDEN:
            return StorageTrouble(
                errno.EACCES,
                f"the object store refuses: {code or status}",
                "See that PIXCRAWLER_S3_ACCESS_KEY and PIXCRAWLER_S3_SECRET_KEY are right, and that they may list, "
                f"read, write and delete in the bucket {self.bucket_name}, then retry.",
            )
        return StorageTrouble(
            errno.EIO,
            f"the object store answers {code or status}",
            "See what the store's own log says of it, and that PIXCRAWLER_S3_REGION is the bucket's, then retry.",
        )


class _Window(io.RawIOBase):
    """A part of an open file, as a file of its own."""

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        super().__init__()
        self._file = file
        self._left = end - start
        file.seek(start)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece


def _date_of(answer: dict[str, Any]) -> float:
    """When the store says that it answered. Raises StorageTrouble for one that does not say."""
    stated = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        return float(parsedate_to_datetime(stated).timestamp())
    except ValueError:
        raise StorageTrouble(
            errno.EIO, "the object store does not say what time it is", "Use a store that sends the header Date."
        ) from None


def _aside(name: str) -> str:
    folder, _, base = name.rpartition("/")
    return f"{folder}/.{base}{ASIDE_SUFFIX}"


def _place_of(aside: str) -> str:
    folder, _, base = aside.rpartition("/")
    return f"{folder}/{base.removeprefix('.').removesuffix(ASIDE_SUFFIX)}"
