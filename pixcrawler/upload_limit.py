"""Keeps an upload from filling the disk before anybody could look at it."""

from typing import IO, Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler


class UploadLimit(FileUploadHandler):
    """Lets one byte more of a file pass than is taken, and drops the rest: who gets it sees that it is too large."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._room = settings.MAX_UPLOAD_BYTES + 1

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:  # noqa: ARG002
        piece = raw_data[: self._room]
        self._room -= len(piece)
        return piece or None

    def file_complete(self, file_size: int) -> IO[bytes] | None:  # type: ignore[override]  # noqa: ARG002
        """The file is for the next handler to make."""
        return None
