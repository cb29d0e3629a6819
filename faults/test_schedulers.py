"""Faults of the scheduler: killed, none at all, and two at once."""

import signal

from conftest import wait_until
from faults.crawl import Crawl
from faults.servers import Valkey
from faults.stack import Stack


def test_kill_9_of_the_scheduler(crawl: Crawl, stack: Stack) -> None:
    worker = stack.start_worker()
    scheduler = stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        scheduler.end(signal.SIGKILL)
        crawl.freeze_at_work(worker)
        worker.kill()
        stack.start_worker()
        stack.start_scheduler()

    crawl.check(says="fell silent")


def test_no_scheduler_then_two(crawl: Crawl, stack: Stack, valkey: Valkey) -> None:
    stack.start_worker()
    crawl.submit()

    with crawl.struck():
        valkey.client().flushall()
        wait_until(lambda: not crawl.is_worked_on(), seconds=30)
        for _ in range(2):
            stack.start_scheduler()

    crawl.check(says="The queue lost")
    assert crawl.repeated() == 0
