"""Chooses whether the tests marked `readers` run, by PIXCRAWLER_TEST_READERS.

"0": they are left out. "required": they run, and a missing .venv-readers makes them fail. Unset: they run where
`make readers` made it; else they are left out and the end of the run says so.
"""

import os
from pathlib import Path

import pytest

PYTHON = Path(__file__).resolve().parents[2] / ".venv-readers" / "bin" / "python"
_left_out = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def readers_python() -> Path:
    """The interpreter that has the programs which read exports; fails the test where there is none."""
    assert PYTHON.exists(), "The programs that read exports are not installed. Install them: make readers"
    return PYTHON


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    choice = os.environ.get("PIXCRAWLER_TEST_READERS", "")
    if choice not in {"", "0", "required"}:
        raise pytest.UsageError(
            f"PIXCRAWLER_TEST_READERS is set to {choice!r}. Leave it unset, or set it to 0 or to required."
        )
    if choice == "required" or (not choice and PYTHON.exists()):
        return
    left_out = [item for item in items if item.get_closest_marker("readers")]
    if left_out:
        items[:] = [item for item in items if not item.get_closest_marker("readers")]
        config.hook.pytest_deselected(items=left_out)
        config.stash[_left_out] = len(left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(_left_out, 0)
    if not left_out:
        return
    if os.environ.get("PIXCRAWLER_TEST_READERS") == "0":
        why = "as PIXCRAWLER_TEST_READERS=0 asks for"
    else:
        why = "because the programs that read exports are not installed. To include them: make readers"
    terminalreporter.write_line(f"Tests with the readers of exports left out: {left_out}, {why}.", yellow=True)
