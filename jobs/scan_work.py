"""The work on one range of a dataset's images: read each file, decode it, hold it against its row."""

import time
from collections import deque
from collections.abc import Callable, Iterator

from django.conf import settings

from datasets import blobs, validation
from datasets.imaging.types import Extras
from datasets.models import Image, ValidationLevel
from datasets.validation import Examination
from jobs import examined, progress, wiring
from jobs.lifecycle import Lease
from jobs.models import Chunk
from jobs.plans.validation import images_of
from jobs.spec import ValidationSpec

#: Verdicts are written at least so often.
FLUSH_IMAGES = 128
FLUSH_S = 1.0

#: Pictures that may lie in the decoder's hands while more are read.
MAX_DECODING = 8

_ROWS_PER_READ = 100

#: Of an image's row, what a scan looks at.
_COLUMNS = ("sha256", "blob_name", "size_bytes", "format", "width_px", "height_px", "url")


class ToBeContinued(Exception):
    """The chunk's time is up, and some of it is left for another turn."""


class ScanWork:
    """Goes through its images in the order of their ids; `position` says after which one to go on."""

    def __init__(self, chunk: Chunk, lease: Lease, *, should_stop: Callable[[], bool]) -> None:
        self.chunk = chunk
        self.lease = lease
        self.should_stop = should_stop
        self.spec = ValidationSpec.from_json(chunk.job.spec)
        self.limits = wiring.image_limits(chunk.job)
        self.extras = Extras(
            thumbnail=False,
            pixel_hash=self.spec.finds_duplicates,
            turned_hashes=self.spec.finds_duplicates and chunk.job.dataset.match_turned,
            quality=self.spec.level == ValidationLevel.STRICT,
        )
        self._ends_at = time.monotonic() + settings.CHUNK_BUDGET_S
        self._flushed_at = time.monotonic()
        self._in_hand: dict[int, Image] = {}
        self._judged: dict[int, Examination] = {}
        self._order: deque[int] = deque()

    def run(self) -> None:
        """Works until the range or the time ends, or `should_stop` says so.

        Raises LeaseLost, BlobError, DecoderUnavailable, ToBeContinued.
        """
        decoder = wiring.decoder()
        try:
            for image in self._images():
                self._order.append(image.pk)
                self._begin(image)
                self._collect(at_most=MAX_DECODING)
                if self.should_stop():
                    return
                if self._is_flush_due():
                    self._flush()
                if time.monotonic() >= self._ends_at:
                    raise ToBeContinued
            self._collect(at_most=0)
            if not self.should_stop():
                self._flush()
        finally:
            decoder.forget()

    def _images(self) -> Iterator[Image]:
        place = self.chunk.position
        after, until = int(place["after"]), int(place["until"])
        rows = images_of(self.chunk.job).filter(pk__lte=until).order_by("pk").only(*_COLUMNS)
        while batch := list(rows.filter(pk__gt=after)[:_ROWS_PER_READ]):
            yield from batch
            after = batch[-1].pk

    def _begin(self, image: Image) -> None:
        try:
            with blobs.open(image.blob_name) as file:
                body = file.read()
        except (FileNotFoundError, ValueError):
            # A name that is none of ours leads to no file either.
            self._judged[image.pk] = validation.missing(image)
            return
        self._in_hand[wiring.decoder().submit(body, self.limits, self.extras)] = image

    def _collect(self, *, at_most: int) -> None:
        for decoded in wiring.decoder().results(in_flight_at_most=at_most, should_stop=self.should_stop):
            image = self._in_hand.pop(decoded.ticket)
            self._judged[image.pk] = validation.judge(image, decoded.result, seconds=decoded.seconds)

    def _is_flush_due(self) -> bool:
        return len(self._judged) >= FLUSH_IMAGES or time.monotonic() - self._flushed_at >= FLUSH_S

    def _flush(self) -> None:
        """Writes the verdicts up to the first image that has none yet."""
        examinations = []
        while self._order and self._order[0] in self._judged:
            examinations.append(self._judged.pop(self._order.popleft()))
        self._flushed_at = time.monotonic()
        if not examinations:
            return
        self.chunk = examined.record(
            self.lease,
            self.chunk,
            examinations,
            write=lambda found: validation.write(found, level=self.spec.level),
            position={**self.chunk.position, "after": examinations[-1].image.pk},
        )
        progress.publish(self.chunk)
