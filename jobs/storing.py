"""Writes pictures to the media store beside the work that goes on.

A file that survives a power cut is a forced write to the disk, and a store on the network answers when it likes.
Threads wait for that. A disk is given several pictures together, since one forced write takes the others along.
Nothing may be recorded before `finish`.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from datasets import blobs
from datasets.imaging.types import ImageFacts

#: Threads of one process that write.
THREADS = 4

#: Pictures, and their bytes, that may wait to be written: they must not pile up where the store is slow.
_MOST_WAITING = 64
_MOST_WAITING_BYTES = 32 * 1024 * 1024

#: As many of them, or of their bytes, go to a disk together.
_TOGETHER = _MOST_WAITING // THREADS
_TOGETHER_BYTES = _MOST_WAITING_BYTES // THREADS


@dataclass(slots=True)
class _Batch:
    """Files by their names in the store."""

    files: dict[str, bytes] = field(default_factory=dict)
    pictures: int = 0
    size_bytes: int = 0


class Storing:
    """The files of one chunk's pictures, on their way to the store. For one thread."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._together = _TOGETHER if blobs.writes_together() else 1
        self._gathered = _Batch()
        self._under_way: deque[tuple[Future[None], _Batch]] = deque()

    def put(self, body: bytes, facts: ImageFacts) -> tuple[str, str]:
        """Begins to write a picture and its thumbnail; gives their names in the store.

        Raises the BlobError of one that was put before.
        """
        if not self._has_room(len(body)):
            self._hand_over()
            while self._under_way and not self._has_room(len(body)):
                self._wait_for_first()
        original = blobs.original_name(sha256=facts.sha256, format=facts.format)
        thumbnail = blobs.thumbnail_name(sha256=facts.sha256)
        batch = self._gathered
        batch.files |= {original: body, thumbnail: facts.thumbnail}
        batch.pictures += 1
        batch.size_bytes += len(body)
        if batch.pictures >= self._together or batch.size_bytes >= _TOGETHER_BYTES:
            self._hand_over()
        return original, thumbnail

    def finish(self) -> None:
        """Waits until all that was put is in the store. Raises BlobError where something of it is not."""
        self._hand_over()
        while self._under_way:
            self._wait_for_first()

    def forget(self) -> None:
        """Gives up what has not begun to be written: nobody will record it."""
        for future, _ in self._under_way:
            future.cancel()
        self._under_way.clear()
        self._gathered = _Batch()

    def _has_room(self, size_bytes: int) -> bool:
        waiting = [self._gathered, *(batch for _, batch in self._under_way)]
        return (
            sum(batch.pictures for batch in waiting) < _MOST_WAITING
            and sum(batch.size_bytes for batch in waiting) + size_bytes <= _MOST_WAITING_BYTES
        )

    def _hand_over(self) -> None:
        if self._gathered.files:
            self._under_way.append((self._threads.submit(blobs.put_all, self._gathered.files), self._gathered))
            self._gathered = _Batch()

    def _wait_for_first(self) -> None:
        future, _ = self._under_way.popleft()
        future.result()
