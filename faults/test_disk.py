"""Faults of the media store: full and read-only, and blobs that nobody named until now."""

import pytest

from faults import storage
from faults.crawl import Crawl
from faults.stack import Stack
from faults.storage import DiskFault
from jobs.models import Status


@pytest.mark.parametrize(("what", "code"), [("full", "storage_full"), ("readonly", "storage_unavailable")])
def test_a_media_store_that_cannot_be_written(crawl: Crawl, stack: Stack, what: str, code: str) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        storage.set_fault(DiskFault(what=what))  # type: ignore[arg-type]

    stopped = crawl.job.chunks.filter(status=Status.FAILED)
    assert set(stopped.values_list("error_code", flat=True)) == {code}
    assert crawl.missing() > 0
    storage.mend()
    crawl.retry()
    crawl.check(says="Retry asked for")
    assert not crawl.job.chunks.exclude(status=Status.COMPLETED).exists()
