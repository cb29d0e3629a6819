"""Writes pictures to the media store beside the work that goes on.

A file that survives a power cut is a forced write to the disk, and a store on the network answers when it likes.
Threads wait for that, several at a time, which a disk answers together. Nothing may be recorded before `finish`.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from datasets import blobs
from datasets.imaging.types import ImageFacts

#: Threads of one process that write.
THREADS = 4

#: Pictures, and their bytes, that may wait to be written: they must not pile up where the store is slow.
_MOST_WAITING = 16
_MOST_WAITING_BYTES = 32 * 1024 * 1024


class Storing:
    """The files of one chunk's pictures, on their way to the store. For one thread."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._under_way: deque[tuple[Future[None], int]] = deque()
        self._waiting_bytes = 0

    def put(self, body: bytes, facts: ImageFacts) -> tuple[str, str]:
        """Begins to write a picture and its thumbnail; gives their names in the store.

        Raises the BlobError of one that was put before.
        """
        while self._under_way and not self._has_room(len(body)):
            self._wait_for_first()
        self._under_way.append((self._threads.submit(_write, body, facts), len(body)))
        self._waiting_bytes += len(body)
        return (
            blobs.original_name(sha256=facts.sha256, format=facts.format),
            blobs.thumbnail_name(sha256=facts.sha256),
        )

    def finish(self) -> None:
        """Waits until all that was put is in the store. Raises BlobError where something of it is not."""
        while self._under_way:
            self._wait_for_first()

    def forget(self) -> None:
        """Gives up what has not begun to be written: nobody will record it."""
        for future, _ in self._under_way:
            future.cancel()
        self._under_way.clear()
        self._waiting_bytes = 0

    def _has_room(self, size_bytes: int) -> bool:
        return len(self._under_way) < _MOST_WAITING and self._waiting_bytes + size_bytes <= _MOST_WAITING_BYTES

    def _wait_for_first(self) -> None:
        future, size_bytes = self._under_way.popleft()
        self._waiting_bytes -= size_bytes
        future.result()


def _write(body: bytes, facts: ImageFacts) -> None:
    blobs.put_original(body, sha256=facts.sha256, format=facts.format)
    blobs.put_thumbnail(facts.thumbnail, sha256=facts.sha256)
