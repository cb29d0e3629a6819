"""The work on damaged images: fetch each from its recorded address, and take only the very bytes that were kept."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from django.conf import settings

from datasets import blobs, validation
from datasets.imaging.types import ImageFacts
from datasets.models import Image
from datasets.outcomes import Reason
from datasets.validation import Examination
from jobs import examined, meter, progress, wiring
from jobs.crawl.fetch import Idle
from jobs.crawl.types import Candidate, Fetched, FetchFailure
from jobs.lifecycle import Lease
from jobs.models import Chunk
from jobs.plans.repair import images_of
from jobs.scan_work import ToBeContinued

#: Fetched and written together.
_BATCH = 32


class RepairWork:
    """Goes through its images in the order of their ids; `position` says after which one to go on."""

    def __init__(self, chunk: Chunk, lease: Lease, *, should_stop: Callable[[], bool]) -> None:
        self.chunk = chunk
        self.lease = lease
        self.should_stop = should_stop
        self.limits = wiring.image_limits(chunk.job)
        self.admission = wiring.admission(chunk.job.dataset)
        self._ends_at = time.monotonic() + settings.CHUNK_BUDGET_S

    def run(self) -> None:
        """Works until the range or the time ends, or `should_stop` says so.

        Raises LeaseLost, BlobError, DecoderUnavailable, ToBeContinued.
        """
        while batch := self._next_batch():
            if time.monotonic() >= self._ends_at:
                raise ToBeContinued
            found = self._fetched(batch)
            if self.should_stop():
                return
            self.chunk = examined.record(
                self.lease,
                self.chunk,
                found,
                write=_write,
                position={**self.chunk.position, "after": batch[-1].pk},
            )
            meter.note(meter.of_transfers(_transfers(found), own_hosts=settings.ALLOW_HOSTS))
            progress.publish(self.chunk)

    def _next_batch(self) -> list[Image]:
        place = self.chunk.position
        rows = images_of(self.chunk.job).filter(pk__gt=int(place["after"]), pk__lte=int(place["until"]))
        return list(rows.order_by("pk")[:_BATCH])

    def _fetched(self, images: Sequence[Image]) -> list[Examination]:
        """What came of each image, in their order; incomplete when `should_stop` said so."""
        by_id = {image.pk: image for image in images}
        queue = deque(
            Candidate(url=image.url, source=image.source, source_id=str(image.pk), page_url=image.page_url)
            for image in images
        )
        found: dict[int, Examination] = {}
        arrivals = wiring.fetcher().fetch_many(
            queue, room=lambda: _BATCH, attempts={}, admission=self.admission, should_stop=self.should_stop
        )
        for arrival in arrivals:
            if not isinstance(arrival, Idle):
                candidate, answer = arrival
                image = by_id[int(candidate.source_id)]
                found[image.pk] = self._judged(image, answer)
        return [found[image.pk] for image in images if image.pk in found]

    def _judged(self, image: Image, answer: Fetched | FetchFailure) -> Examination:
        if isinstance(answer, FetchFailure):
            return Examination(image=image, reason=Reason(answer.reason), detail=answer.detail, seconds=answer.seconds)
        seen = wiring.decoder().inspect(answer.body, self.limits)
        came = Examination(
            image=image, reason=None, sha256=seen.sha256, size_bytes=seen.size_bytes, seconds=answer.seconds
        )
        if seen.sha256 != image.sha256:
            what = "a picture" if isinstance(seen, ImageFacts) else f"no picture ({seen.reason})"
            detail = f"The address gives other bytes now, {what}: {seen.format or 'unknown format'}, "
            detail += f"{seen.width_px} × {seen.height_px}, sha256 {seen.sha256}. They were not taken."
            return replace(came, reason=Reason.CHECKSUM_MISMATCH, detail=detail)
        if not isinstance(seen, ImageFacts):
            return replace(came, reason=seen.reason, detail=seen.detail)
        # The file before the row that names it: a worker that dies in between leaves the image damaged, not lost.
        blobs.restore_original(answer.body, sha256=seen.sha256, format=seen.format)
        blobs.restore_thumbnail(seen.thumbnail, sha256=seen.sha256)
        return replace(came, facts=seen)


def _transfers(found: Sequence[Examination]) -> list[meter.Transfer]:
    """The downloads among what was examined; an address that nobody asks took no time."""
    return [
        meter.Transfer(source=one.image.source, url=one.image.url, seconds=one.seconds, size_bytes=one.size_bytes)
        for one in found
        if one.seconds
    ]


def _write(found: Sequence[Examination]) -> None:
    for examination in found:
        if examination.facts is not None:
            validation.write_restored(examination)
