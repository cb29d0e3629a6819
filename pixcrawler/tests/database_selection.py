"""Chooses whether tests run that the database does not matter to, by PIXCRAWLER_TEST_DATABASE_ONLY.

"1": they are left out, as the same tests would say the same twice: they ran on another database already. Tests marked
`browser` or `readers` run all the same: they are chosen by switches of their own.
"""

import os

import pytest

#: What a test asks pytest-django for when it uses the database.
_FIXTURES = frozenset({"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"})
_left_out = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("PIXCRAWLER_TEST_DATABASE_ONLY") != "1":
        return
    left_out = [item for item in items if not _matters_to(item)]
    items[:] = [item for item in items if _matters_to(item)]
    config.hook.pytest_deselected(items=left_out)
    config.stash[_left_out] = len(left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash.get(_left_out, 0):
        why = "as PIXCRAWLER_TEST_DATABASE_ONLY=1 asks for"
        terminalreporter.write_line(f"Tests without the database left out: {left_out}, {why}.", yellow=True)


def _matters_to(item: pytest.Item) -> bool:
    if any(item.get_closest_marker(name) for name in ("django_db", "browser", "readers")):
        return True
    return isinstance(item, pytest.Function) and not _FIXTURES.isdisjoint(item.fixturenames)
