"""What the crawl's tests share: a web that misbehaves, and a second one that nobody may reach."""

from collections.abc import Iterator

import pytest

from jobs.tests.crawl.faultweb import FaultWeb


@pytest.fixture
def web() -> Iterator[FaultWeb]:
    with FaultWeb() as web:
        yield web


@pytest.fixture
def canary() -> Iterator[FaultWeb]:
    """Stands for an internal service: a test that uses it asserts that nothing connected."""
    with FaultWeb() as canary:
        yield canary
