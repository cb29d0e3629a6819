"""What the crawl is built from."""

import pytest
from pytest_django import Settings

from jobs import wiring


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ("", "PixCrawler/0.1"),
        ("https://example.org/crawler", "PixCrawler/0.1 (+https://example.org/crawler)"),
        ("pictures@example.org", "PixCrawler/0.1 (+pictures@example.org)"),
    ],
)
def test_sites_are_told_the_program_its_version_and_a_contact(settings: Settings, contact: str, expected: str) -> None:
    settings.CONTACT = contact
    assert wiring.user_agent() == expected
