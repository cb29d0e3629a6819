"""Faults of workers: killed in part and whole, stopped, frozen, poisoned, out of memory, and with a wrong clock."""

import os
import signal
import time

from conftest import wait_until
from faults import storage
from faults.crawl import Crawl
from faults.stack import Stack
from faults.storage import DiskFault
from jobs.models import Chunk, Status
from jobs.setbacks import MAX_LOST_ATTEMPTS


def test_kill_9_of_a_pool_process(crawl: Crawl, stack: Stack) -> None:
    worker = stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        crawl.freeze_at_work(worker)
        os.kill(crawl.busy_pid(), signal.SIGKILL)
        worker.send(signal.SIGCONT)

    crawl.check(says="fell silent")


def test_kill_9_of_the_whole_worker_twice(crawl: Crawl, stack: Stack) -> None:
    worker = stack.start_worker()
    stack.start_scheduler()
    crawl.images, crawl.fault_after = 2_000, 300
    crawl.submit()

    with crawl.struck():
        crawl.freeze_at_work(worker)
        worker.kill()
        second = stack.start_worker()
        before = crawl.recorded()
        wait_until(lambda: crawl.recorded() > before + 100, seconds=60)
        second.kill()
        stack.start_worker()

    crawl.check(says="fell silent")


def test_sigterm_during_a_deployment(crawl: Crawl, stack: Stack) -> None:
    stack.environment["PIXCRAWLER_CHUNK_SIZE"] = "50"
    crawl.web.delay_s = 0.5
    crawl.fault_after = 8
    worker = stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        # What is asked for from now on takes longer than a worker that is to stop has.
        crawl.web.delay_s = 20
        worker.started.end(signal.SIGTERM)
        crawl.web.delay_s = 0.12
        stack.start_worker()

    crawl.check(says="was handed back: its worker is stopping")
    assert not crawl.job.chunks.filter(lost_attempts__gt=0).exists()
    assert crawl.repeated() <= 2 * 32


def test_a_worker_frozen_for_longer_than_its_lease_writes_nothing_when_it_wakes_up(crawl: Crawl, stack: Stack) -> None:
    frozen = stack.start_worker(concurrency=1)
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        crawl.freeze_at_work(frozen)
        stack.start_worker(concurrency=1)
        wait_until(lambda: crawl.job.activities.filter(sentence__contains="fell silent").exists(), seconds=30)
        time.sleep(2)
        frozen.send(signal.SIGCONT)
        wait_until(lambda: crawl.job.activities.filter(sentence__contains="wrote nothing").exists(), seconds=30)

    crawl.check(says="a worker that had fallen silent came back and wrote nothing")


def test_a_worker_whose_clock_is_two_hours_ahead(crawl: Crawl, stack: Stack) -> None:
    stack.start_worker(concurrency=1)
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        stack.start_worker(concurrency=1, clock="+2h")

    crawl.check()
    assert not crawl.job.activities.filter(sentence__contains="fell silent").exists()
    assert crawl.repeated() == 0


def test_a_message_delivered_to_two_workers_at_once(crawl: Crawl, stack: Stack) -> None:
    stack.start_worker(concurrency=2)
    stack.start_worker(concurrency=2)
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        for _ in range(6):
            for chunk_id in Chunk.objects.filter(job=crawl.job).values_list("pk", flat=True):
                stack.send_chunk_message(chunk_id, times=3)
            time.sleep(0.3)

    crawl.check()
    assert crawl.repeated() == 0


def test_a_chunk_that_kills_its_process_every_time(crawl: Crawl, stack: Stack) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        storage.set_fault(DiskFault(what="kill", name=crawl.name_of(crawl.images - 1)))
        wait_until(lambda: crawl.job.chunks.filter(status=Status.FAILED).exists(), seconds=120)

    poisoned = crawl.job.chunks.get(status=Status.FAILED)
    assert (poisoned.error_code, poisoned.lost_attempts) == ("worker_lost", MAX_LOST_ATTEMPTS)
    assert str(MAX_LOST_ATTEMPTS) in poisoned.error
    assert "SIGKILL" in poisoned.traceback
    storage.mend()
    crawl.retry()
    crawl.check(says="The chunk is given up")


def test_a_memory_error_in_a_task(crawl: Crawl, stack: Stack) -> None:
    worker = stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        storage.set_fault(DiskFault(what="memory", once=True))
        wait_until(lambda: crawl.job.activities.filter(sentence__contains="memory").exists(), seconds=30)

    crawl.check(says="ran out of memory")
    assert worker.started.process.poll() is None


def test_kill_9_between_the_rename_of_a_file_and_its_row(crawl: Crawl, stack: Stack) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        storage.set_fault(DiskFault(what="kill", when="after", once=True))
        wait_until(storage.is_mended, seconds=30)

    crawl.check(says="fell silent")
