"""A web to crawl, for this process and for those it starts."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from jobs import wiring
from jobs.tests.photoweb import PhotoWeb, photo_web


@pytest.fixture
def web(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[PhotoWeb]:
    """A loopback web that the source openverse searches and the fetcher may reach."""
    with photo_web() as web:
        given = {
            "OPENVERSE_URL": web.url("/v1/"),
            "OPENVERSE_PAGE_SIZE": 10,
            "OPENVERSE_RESULT_CAP": 10_000,
            "OPENVERSE_REQUESTS_PER_MINUTE": 0,
            "ALLOW_HOSTS": frozenset({web.host}),
        }
        for name, value in given.items():
            setattr(settings, name, value)
            text = ",".join(value) if isinstance(value, frozenset) else str(value)
            monkeypatch.setenv(f"PIXCRAWLER_{name}", text)
        _forget_the_web()
        yield web
        _forget_the_web()


def _forget_the_web() -> None:
    """Another test's server may have had the same port."""
    wiring.fetcher.cache_clear()
    wiring.robots.cache_clear()
