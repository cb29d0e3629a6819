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
            "PIXCRAWLER_OPENVERSE_URL": web.url("/v1/"),
            "PIXCRAWLER_OPENVERSE_PAGE_SIZE": "10",
            "PIXCRAWLER_OPENVERSE_RESULT_CAP": "10000",
            "PIXCRAWLER_OPENVERSE_REQUESTS_PER_MINUTE": "0",
        }
        settings.SOURCE_SETTINGS = {**settings.SOURCE_SETTINGS, **given}
        settings.ALLOW_HOSTS = frozenset({web.host})
        for name, value in {**given, "PIXCRAWLER_ALLOW_HOSTS": web.host}.items():
            monkeypatch.setenv(name, value)
        _forget_the_web()
        yield web
        _forget_the_web()


def _forget_the_web() -> None:
    """Another test's server may have had the same port."""
    wiring.fetcher.cache_clear()
    wiring.robots.cache_clear()
