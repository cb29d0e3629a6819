"""Chooses whether the tests run that need more than `make test` installs: a browser, or the programs that read exports.

Each has a variable. "0": they are left out. "required": they run, and where what they need is missing they fail. Unset:
they run where it is found; else they are left out and the end of the run says so. Where several processes share the
tests (`-n`), one of them gets all of those in the browser: they share an installation.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Where the tests in the browser are.
_FOLDER = "pixcrawler/tests/browser/"
_READERS_PYTHON = Path(__file__).resolve().parents[2] / ".venv-readers" / "bin" / "python"
_left_out = pytest.StashKey[dict[str, int]]()


def chromium() -> Path | None:
    """The Chromium of this machine: CHROMIUM_PATH, else the first one in PATH."""
    named = os.environ.get("CHROMIUM_PATH")
    found = named or next(filter(None, map(shutil.which, _PROGRAMS)), None)
    return Path(found) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Optional:
    """Tests with the mark `mark`, chosen by `variable`; `missing` says what is not there, and how to get it."""

    mark: str
    variable: str
    title: str
    is_there: Callable[[], bool]
    missing: str

    def is_left_out(self) -> bool:
        """Whether they are, on this machine. Raises UsageError for a variable that is none of the three."""
        choice = os.environ.get(self.variable, "")
        if choice not in {"", "0", "required"}:
            raise pytest.UsageError(
                f"{self.variable} is set to {choice!r}. Leave it unset, or set it to 0 or to required."
            )
        return choice == "0" or (not choice and not self.is_there())

    def why(self) -> str:
        return f"as {self.variable}=0 asks for" if os.environ.get(self.variable) == "0" else f"because {self.missing}"


_OPTIONAL: Final = (
    _Optional(
        mark="browser",
        variable="PIXCRAWLER_TEST_BROWSER",
        title="Browser tests",
        is_there=lambda: chromium() is not None,
        missing="no Chromium was found. To include them, install it (Debian: sudo apt install chromium) and repeat",
    ),
    _Optional(
        mark="readers",
        variable="PIXCRAWLER_TEST_READERS",
        title="Tests with the readers of exports",
        is_there=_READERS_PYTHON.exists,
        missing="the programs that read exports are not installed. To include them: make readers",
    ),
)


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """Chromium's program; fails the test where there is none."""
    found = chromium()
    assert found, (
        "No Chromium was found. Install it (Debian: sudo apt install chromium), or name it with CHROMIUM_PATH."
    )
    return found


@pytest.fixture(scope="session")
def readers_python() -> Path:
    """The interpreter that has the programs which read exports; fails the test where there is none."""
    assert _READERS_PYTHON.exists(), "The programs that read exports are not installed. Install them: make readers"
    return _READERS_PYTHON


# Not by xdist's own groups: it writes them into ids that pytest 9.2 reads no more.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hands tests out one by one, but gives those in the browser to one process."""
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda nodeid: _FOLDER if nodeid.startswith(_FOLDER) else nodeid
    return scheduler


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    numbers = config.stash.setdefault(_left_out, {})
    for optional in _OPTIONAL:
        if not optional.is_left_out():
            continue
        left_out = [item for item in items if item.get_closest_marker(optional.mark)]
        items[:] = [item for item in items if not item.get_closest_marker(optional.mark)]
        config.hook.pytest_deselected(items=left_out)
        numbers[optional.mark] = len(left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    numbers = config.stash.get(_left_out, {})
    for optional in _OPTIONAL:
        if number := numbers.get(optional.mark, 0):
            terminalreporter.write_line(f"{optional.title} left out: {number}, {optional.why()}.", yellow=True)
