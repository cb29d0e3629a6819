"""Faults of Redis: killed with and without its files, emptied, replaced, frozen."""

import time

from conftest import wait_until
from faults.crawl import END_S, Crawl
from faults.servers import Valkey
from faults.stack import Stack
from jobs.models import Job, Status
from jobs.tests.ledger import assert_ledger_holds

SMALL_JOB = {"dataset": "Drawings", "keywords": ["stars"], "sources": ["sample"], "per_label": 3}


def test_kill_9_of_redis_that_keeps_its_messages(crawl: Crawl, stack: Stack, valkey: Valkey) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        valkey.kill()
        time.sleep(3)
        valkey.start()

    crawl.check()


def test_kill_9_of_redis_that_keeps_nothing(crawl: Crawl, stack: Stack, valkey: Valkey) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        valkey.kill()
        valkey.forget()
        time.sleep(3)
        valkey.start(persistent=False)

    crawl.check(says="The queue lost")


def test_flushall(crawl: Crawl, stack: Stack, valkey: Valkey) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        valkey.client().flushall()

    crawl.check(says="The queue lost")


def test_a_failover_to_a_replica(crawl: Crawl, stack: Stack, valkey: Valkey) -> None:
    valkey.start("second", replica_of="first")
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        valkey.kill()
        time.sleep(1)
        valkey.promote("second")
        valkey.lead_to("second")

    crawl.check()


def test_a_frozen_redis_while_a_job_is_posted(crawl: Crawl, stack: Stack, valkey: Valkey) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        valkey.freeze()
        second = crawl.post("/api/v1/jobs/", SMALL_JOB)
        time.sleep(4)
        valkey.thaw()

    assert second.status_code == 201
    crawl.check()
    small = Job.objects.get(pk=second.json()["job"])
    wait_until(lambda: Job.objects.filter(pk=small.pk, status=Status.COMPLETED, kept=3).exists(), seconds=END_S)
    assert_ledger_holds(small)


def test_a_job_that_is_posted_while_redis_is_away_waits_and_says_so(crawl: Crawl, stack: Stack, valkey: Valkey) -> None:
    stack.start_worker()
    stack.start_scheduler()
    valkey.kill()
    crawl.submit()
    assert "the queue is unreachable" in crawl.page()
    valkey.start()

    wait_until(lambda: crawl.recorded() > 0, seconds=30)
    assert "the queue is unreachable" not in crawl.page()
    with crawl.struck():
        pass

    crawl.check(says="The queue is unreachable")
