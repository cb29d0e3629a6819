"""Chooses whether the tests marked `browser` run, by PIXCRAWLER_TEST_BROWSER.

"0": they are left out. "required": they run, and a missing Chromium makes them fail. Unset: they run where Chromium is
found; else they are left out and the end of the run says so. Where several processes share the tests (`-n`), one of
them gets all of these: they share an installation.
"""

import os
import shutil
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Where the tests in the browser are.
_FOLDER = "pixcrawler/tests/browser/"
_left_out = pytest.StashKey[int]()


def chromium() -> Path | None:
    """The Chromium of this machine: CHROMIUM_PATH, else the first one in PATH."""
    named = os.environ.get("CHROMIUM_PATH")
    found = named or next(filter(None, map(shutil.which, _PROGRAMS)), None)
    return Path(found) if found else None


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """Chromium's program; fails the test where there is none."""
    found = chromium()
    assert found, (
        "No Chromium was found. Install it (Debian: sudo apt install chromium), or name it with CHROMIUM_PATH."
    )
    return found


# Not by xdist's own groups: it writes them into ids that pytest 9.2 reads no more.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hands tests out one by one, but gives those in the browser to one process."""
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda nodeid: _FOLDER if nodeid.startswith(_FOLDER) else nodeid
    return scheduler


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    choice = os.environ.get("PIXCRAWLER_TEST_BROWSER", "")
    if choice not in {"", "0", "required"}:
        raise pytest.UsageError(
            f"PIXCRAWLER_TEST_BROWSER is set to {choice!r}. Leave it unset, or set it to 0 or to required."
        )
    if choice == "required" or (not choice and chromium()):
        return
    left_out = [item for item in items if item.get_closest_marker("browser")]
    if left_out:
        items[:] = [item for item in items if not item.get_closest_marker("browser")]
        config.hook.pytest_deselected(items=left_out)
        config.stash[_left_out] = len(left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(_left_out, 0)
    if not left_out:
        return
    if os.environ.get("PIXCRAWLER_TEST_BROWSER") == "0":
        why = "as PIXCRAWLER_TEST_BROWSER=0 asks for"
    else:
        why = (
            "because no Chromium was found. To include them, install it (Debian: sudo apt install chromium) and repeat"
        )
    terminalreporter.write_line(f"Browser tests left out: {left_out}, {why}.", yellow=True)
