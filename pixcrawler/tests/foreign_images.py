"""Leaves the tests on other people's pictures out where no folder of them is named, and says so."""

import os
from pathlib import Path

import pytest

_TESTS = "test_foreign_images.py"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path.name == _TESTS and not os.environ.get("PIXCRAWLER_TEST_IMAGES") else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not os.environ.get("PIXCRAWLER_TEST_IMAGES"):
        terminalreporter.write_line(
            "Tests on a folder of foreign images left out, as PIXCRAWLER_TEST_IMAGES names none (make test-images).",
            yellow=True,
        )
