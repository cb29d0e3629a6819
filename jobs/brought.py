"""What the batches of this process brought, on its way to Redis with the next write of progress, which takes it along.

Noted when a batch commits. What gets lost on the way is counted from the rows: see jobs.progress.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from datasets.models import Image
from jobs import left_out
from jobs.models import Chunk, Finding
from jobs.newest import Picture


@dataclass(slots=True)
class Brought:
    """Pictures that were kept, and by reason what was left out; None: not known, since findings were replaced."""

    pictures: list[Picture] = field(default_factory=list)
    left_out: Counter[str] | None = field(default_factory=Counter)


_unsent: dict[int, Brought] = {}
_lock = threading.Lock()


def note(chunk: Chunk, images: Iterable[Image], findings: Iterable[Finding], *, retried: int) -> None:
    """Adds a batch of the chunk; `retried` of its findings replaced others."""
    told = None if retried else left_out.told(chunk.job.kind, findings)
    with _lock:
        total = _unsent.setdefault(chunk.pk, Brought())
        total.pictures += (Picture(pk=image.pk, label=image.label) for image in images)
        total.left_out = None if total.left_out is None or told is None else total.left_out + told


def take(chunk_id: int) -> Brought:
    """What is to be sent of the chunk."""
    with _lock:
        return _unsent.pop(chunk_id, Brought())
