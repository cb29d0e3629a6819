"""The work on the parts of an export: freeze its version, write its files, read them back before they are offered."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import IO

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from datasets import blobs, versions
from datasets.counting import number_of
from datasets.exports import writer
from datasets.exports.parts import explained
from datasets.exports.types import SPLITS, ExportError, ExportImage, ExportStopped
from datasets.exports.types import Export as Order
from datasets.exports.verify import verify
from datasets.version_models import DatasetVersion
from jobs import activity, exports, lifecycle, progress
from jobs.export_models import Export
from jobs.lifecycle import Lease
from jobs.models import CHECK_PART, VERSION_PART, Chunk, Job
from jobs.recorder import LeaseLost
from jobs.scan_work import ToBeContinued
from jobs.spec import ExportSpec

#: Seconds between two writes of the counters.
_TELL_EVERY_S = 1.0

#: Problems of damaged files that are told; more would bury what to do.
_TOLD_PROBLEMS = 3


class ExportFailed(Exception):
    """An export cannot come about as it is. The message says what happened and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ExportWork:
    """One part of an export. Writing goes on behind what an earlier attempt finished; the other parts begin anew."""

    def __init__(self, chunk: Chunk, lease: Lease, *, should_stop: Callable[[], bool]) -> None:
        self.chunk = chunk
        self.lease = lease
        self.should_stop = should_stop
        self.spec = ExportSpec.from_json(chunk.job.spec)
        self._told_at = 0.0
        self._ends_at: float | None = None
        self._budget_s: float = settings.CHUNK_BUDGET_S

    def run(self) -> None:
        """Works until the part is done, its time is up, or `should_stop` says so.

        Raises ExportFailed, BlobError, ToBeContinued, LeaseLost.
        """
        if self.chunk.source == VERSION_PART:
            self._freeze()
            return
        export = Export.objects.select_related("version__dataset").get(job_id=self.chunk.job_id)
        if export.version is None:
            raise ExportFailed("version_missing", "The version of this export was removed. Start a new export.")
        try:
            if self.chunk.source == CHECK_PART:
                self._read_back(export, export.version)
            else:
                self._write(export, export.version)
        except ExportStopped:
            if not self.should_stop():
                raise ToBeContinued from None
        except ExportError as error:
            raise ExportFailed("export_failed", str(error)) from error

    def _freeze(self) -> None:
        job = self.chunk.job
        choice = versions.Choice(
            policy=self.spec.policy,
            seed=self.spec.seed,
            shares=dict(zip(SPLITS, self.spec.shares, strict=True)),
        )
        try:
            with transaction.atomic():
                version = versions.freeze(job.dataset_id, choice, by=job.created_by)
                self._hold()
                Export.objects.filter(job=job).update(version=version)
                Job.objects.filter(pk=job.pk).update(wanted=version.image_count)
        except versions.NothingLeft as nothing:
            raise ExportFailed("nothing_to_export", str(nothing)) from None
        activity.log(job.pk, f"Version {version.number} holds {number_of(version.image_count, 'image')}.")

    def _write(self, export: Export, version: DatasetVersion) -> None:
        shelf = exports.shelf_of(export)
        if shelf:
            self._budget_s = settings.SHELVED_BUDGET_S
        order = Order(
            facts=versions.facts_of(version),
            rows=versions.rows_of(version),
            open_picture=_open_picture,
            folder=exports.folder_of(export),
            progress=self._tell,
            is_stopped=self._is_time_up,
            pictures_per_shard=self.spec.pictures_per_shard,
            shelf=shelf,
        )
        report = writer.write(order, format=export.format)
        with transaction.atomic():
            self._hold()
            Export.objects.filter(pk=export.pk).update(
                files=[
                    {name: value for name, value in asdict(part).items() if name in {"name", "sha256", "size_bytes"}}
                    for part in report.files
                ],
                pictures=report.pictures,
                left_out=dict(report.left_out),
                size_bytes=sum(part.size_bytes for part in report.files),
                removed_at=None,
            )
            left_out = sum(report.left_out.values())
            self._count(found=report.pictures + left_out, kept=report.pictures, skipped=left_out)
        progress.rebuild(self.chunk.job)
        exports.clear_bench(export)

    def _read_back(self, export: Export, version: DatasetVersion) -> None:
        facts = versions.facts_of(version)
        with explained(exports.folder_of(export)), exports.for_reading_back(export) as folder:
            seen = verify(folder, format=export.format, facts=facts, is_stopped=self.should_stop)
        if not seen.is_sound:
            exports.remove_files(export)
            problems = " ".join(seen.problems[:_TOLD_PROBLEMS])
            raise ExportFailed("export_damaged", f"What was written cannot be read: {problems} Retry writes it anew.")
        with transaction.atomic():
            self._hold()
            Export.objects.filter(pk=export.pk).update(ready_at=Now(), decoded=seen.decoded)

    def _tell(self, done: int, _total: int) -> None:
        """Counts the pictures written, once a second."""
        if time.monotonic() < self._told_at + _TELL_EVERY_S:
            return
        self._told_at = time.monotonic()
        with transaction.atomic():
            self._hold()
            self._count(found=done, kept=done, skipped=0)
        progress.publish(Chunk.objects.select_related("job").get(pk=self.chunk.pk))

    def _count(self, **counters: int) -> None:
        Chunk.objects.filter(pk=self.chunk.pk).update(**counters, lost_attempts=0)

    def _hold(self) -> None:
        """Nothing is written for a chunk that is no longer ours. Raises LeaseLost."""
        if not lifecycle.extend_lease(self.lease):
            raise LeaseLost

    def _is_time_up(self) -> bool:
        """The clock starts with the first picture: going through the rows before it does not count."""
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self._budget_s
        return self.should_stop() or time.monotonic() >= self._ends_at


def _open_picture(image: ExportImage) -> IO[bytes]:
    return blobs.open(blobs.original_name(sha256=image.sha256, format=image.format))
