"""The local backend of the store: what makes a file appear whole or not at all is its own matter."""

import os
import tempfile
from pathlib import Path

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

#: Of files under way; a sweep may remove old ones.
TEMPORARY_PREFIX = ".tmp-"


class AtomicFileSystemStorage(FileSystemStorage):
    """Writes to a temporary name in the same folder, flushes to the disk, renames. An existing file stays, renewed."""

    def _save(self, name: str, content: File) -> str:  # type: ignore[type-arg]
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as output:
                for part in content.chunks():
                    output.write(part)
                output.flush()
                os.fsync(output.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return name

    def renew(self, name: str) -> None:
        """Sets the file's time to now: it is in use again."""
        os.utime(self.path(name))
