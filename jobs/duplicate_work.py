"""The work on the one chunk of a validation that compares all images with all, and marks what is there twice."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

from django.db import transaction

from datasets import duplicate_scan, grouping
from datasets.counting import number_of
from datasets.grouping import Group
from datasets.models import DuplicateScan
from jobs import activity, examined, lifecycle, progress
from jobs.lifecycle import Lease
from jobs.models import Chunk
from jobs.recorder import LeaseLost
from jobs.spec import ValidationSpec

#: Groups that are stored in one transaction.
_GROUPS = 200

Result = TypeVar("Result")


class DuplicateWork:
    """Always begins anew: what an attempt that was killed had stored never counted."""

    def __init__(self, chunk: Chunk, lease: Lease, *, should_stop: Callable[[], bool]) -> None:
        self.chunk = chunk
        self.lease = lease
        self.should_stop = should_stop
        self.last_id = ValidationSpec.from_json(chunk.job.spec).last_image_id

    def run(self) -> None:
        """Works until the groups are stored and count, or `should_stop` says so. Raises LeaseLost."""
        dataset, job = self.chunk.job.dataset, self.chunk.job
        while self._fenced(partial(examined.unmark_duplicates, self.chunk)):
            pass
        images = duplicate_scan.read_images(dataset, last_id=self.last_id)
        found = grouping.group(images, max_bits=dataset.near_duplicate_bits).groups()
        if self.should_stop():
            return
        scan = duplicate_scan.begin(dataset, job_id=job.pk)
        while batch := list(islice(found, _GROUPS)):
            self._fenced(partial(self._store, scan, batch))
            progress.rebuild(job)
            if self.should_stop():
                return
        self._fenced(lambda: duplicate_scan.complete(scan, image_count=len(images), last_id=self.last_id))
        duplicate_scan.remove_superseded(scan)
        activity.log(
            job.pk, f"Compared {number_of(len(images), 'image')}: {number_of(scan.group_count, 'group')} of duplicates."
        )

    def _store(self, scan: DuplicateScan, groups: Sequence[Group]) -> None:
        examined.mark_duplicates(self.chunk, duplicate_scan.add_groups(scan, groups))

    def _fenced(self, write: Callable[[], Result]) -> Result:
        """Writes in one transaction, or not at all when the chunk is no longer ours (LeaseLost)."""
        with transaction.atomic():
            if not lifecycle.extend_lease(self.lease):
                raise LeaseLost
            return write()
