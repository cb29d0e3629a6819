"""The local media folder: what it holds is complete, whatever happens to the process that writes."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from django.core.files import File
from django.core.files.storage import FileSystemStorage

#: Ends the name of a file that is still being written, or was when its writer died.
TEMPORARY_SUFFIX = ".tmp"


@runtime_checkable
class RenewableStorage(Protocol):
    """A storage that can tell cheaply that a file is there, and keep it from looking abandoned."""

    def renew(self, name: str, *, size_bytes: int) -> bool:
        """Sets the modification time of a file of exactly that size to now; False when there is none."""


class AtomicFileSystemStorage(FileSystemStorage):
    """Files appear complete or not at all: written under a temporary name in the same folder, synced, then renamed.

    A name that is taken is overwritten.
    """

    def __init__(self, location: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__(location=location, allow_overwrite=True, **options)

    def renew(self, name: str, *, size_bytes: int) -> bool:
        path = self.path(name)
        with suppress(FileNotFoundError):
            if os.stat(path).st_size == size_bytes:
                os.utime(path)
                return True
        return False

    def _save(self, name: str, content: "File[bytes]") -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
        try:
            with temporary.open("xb") as file:
                self._write(file, content)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        return name

    def _write(self, file: IO[bytes], content: "File[bytes]") -> None:
        for chunk in content.chunks():
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        if self.file_permissions_mode is not None:
            os.chmod(file.name, self.file_permissions_mode)
