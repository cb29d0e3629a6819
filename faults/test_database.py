"""Faults of PostgreSQL: stopped and started again under a running crawl."""

import time

from django.db import connection

from faults.crawl import Crawl
from faults.stack import Stack
from scripts.with_postgres import Server


def test_stop_and_start_of_postgresql(crawl: Crawl, stack: Stack, postgres: Server) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        postgres.stop("immediate")
        time.sleep(4)
        postgres.start()
        connection.close()

    crawl.check(says=("the database did not answer in time", "fell silent"), may_answer=(200, 503))
    assert crawl.has_seen(503)
