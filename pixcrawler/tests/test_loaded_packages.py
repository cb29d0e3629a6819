"""Commands load no package for nothing: pyarrow and SciPy take some 30 MiB each.

What runs all the time is looked at while it runs, in test_quickstart.
"""

import re
import sys

import pytest

from pixcrawler.tests.processes import manage, run


@pytest.mark.parametrize("arguments", [("crawl", "--help"), ("export", "--help"), ("check",)])
def test_neither_pyarrow_nor_scipy_is_loaded(process_environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    ended = run([sys.executable, "-X", "importtime", *manage(*arguments)[1:]], env=process_environment)

    assert ended.returncode == 0
    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", ended.stderr, re.MULTILINE))
    # The module that every process needs to know which formats there are.
    assert "datasets.exports.writer" in loaded
    assert loaded & {"pyarrow", "scipy"} == set()
