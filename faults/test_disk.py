"""Faults of the media store: full, read-only, and full of files that nobody names until a crawl reuses them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from django.db import connection

from conftest import wait_until
from datasets import orphans
from datasets.orphans import SweptFiles
from faults import storage
from faults.crawl import END_S, Crawl
from faults.stack import Stack
from faults.storage import DiskFault
from jobs.models import Status


@pytest.mark.parametrize(("what", "code"), [("full", "storage_full"), ("readonly", "storage_unavailable")])
def test_a_media_store_that_cannot_be_written(
    crawl: Crawl, stack: Stack, what: Literal["full", "readonly"], code: str
) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        storage.set_fault(DiskFault(what=what))

    stopped = crawl.job.chunks.filter(status=Status.FAILED)
    assert set(stopped.values_list("error_code", flat=True)) == {code}
    assert crawl.missing() > 0
    storage.mend()
    crawl.retry()
    crawl.check(says="Retry asked for")
    assert not crawl.job.chunks.exclude(status=Status.COMPLETED).exists()


def test_orphans_that_are_reused_while_sweeps_run(crawl: Crawl, stack: Stack) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck(), sweeping(grace_s=10) as swept:
        wait_until(crawl.ends_among_orphans, seconds=END_S)

    assert sum(files.orphans for files in swept) > 0
    crawl.check()


@contextmanager
def sweeping(*, grace_s: float) -> Iterator[list[SweptFiles]]:
    """Sweeps over the whole media store, one after the other, as long as the block lasts; gives what they removed."""
    stop = threading.Event()
    swept: list[SweptFiles] = []

    def sweep() -> None:
        try:
            while not stop.is_set():
                for prefix in orphans.PREFIXES:
                    swept.append(orphans.sweep_prefix(prefix, grace_s=grace_s))
        finally:
            connection.close()

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield swept
    finally:
        stop.set()
        thread.join()
