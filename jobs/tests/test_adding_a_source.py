"""docs/adding-a-source.md is a recipe that works: its code is a package of its own here, installed and crawled with."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from datasets.models import Image
from datasets.tests.pictures import encoded, noisy
from jobs import crawl_services, wiring
from jobs.crawl.sources.registry import registry
from jobs.crawl_services import CrawlRequest
from jobs.models import Status
from jobs.spec import InvalidSpec
from jobs.tests.crawl.faultweb import FaultWeb, answer
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds

RECIPE = (Path(django_settings.BASE_DIR) / "docs" / "adding-a-source.md").read_text(encoding="utf-8")
CODE, TESTS = re.findall(r"```python\n(.*?)```", RECIPE, re.DOTALL)
(ENTRY_POINT,) = re.findall(r"```toml\n(.*?)```", RECIPE, re.DOTALL)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, and nothing known of them yet."""
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.cache_clear()
    yield tmp_path
    registry.cache_clear()
    sys.modules.pop("photo_shelf", None)


def install(site: Path, name: str, code: str, *, points: str) -> None:
    """What an installer leaves behind for a package of one file."""
    (site / f"{name}.py").write_text(code, encoding="utf-8")
    facts = site / f"{name}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(f"[pixcrawler.sources]\n{points}\n", encoding="utf-8")


def installed(site: Path) -> None:
    heading, line = ENTRY_POINT.strip().splitlines()
    assert heading == '[project.entry-points."pixcrawler.sources"]'
    install(site, "photo_shelf", CODE, points=line.replace('"', ""))


@pytest.mark.django_db(transaction=True)
def test_the_source_of_the_recipe_is_offered_and_crawled_with(site: Path, settings: Settings) -> None:
    installed(site)
    assert [info.name for info in wiring.source_infos()][-1] == "photo_shelf"
    request = CrawlRequest(dataset="Shelves", keywords=("shelf",), sources=("photo_shelf",), per_label=3)
    with pytest.raises(InvalidSpec, match="sets PIXCRAWLER_PHOTO_SHELF_KEY"):
        crawl_services.submit_crawl(request, by=None)

    with FaultWeb() as web:
        photos = [{"file": web.url(f"/{n}.jpg"), "title": f"Shelf {n}", "licence": "CC0 1.0"} for n in range(3)]
        web.on("/v1/photos", answer(json.dumps({"total": 3, "photos": photos}).encode()))
        for number in range(3):
            web.on(f"/{number}.jpg", answer(encoded(noisy(90, 80, seed=number))))
        settings.SOURCE_SETTINGS = {
            **settings.SOURCE_SETTINGS,
            "PIXCRAWLER_PHOTO_SHELF_URL": web.url("/v1/"),
            "PIXCRAWLER_PHOTO_SHELF_KEY": "s3cret",
        }
        settings.ALLOW_HOSTS = frozenset({web.host_port})
        wiring.fetcher.cache_clear()
        wiring.robots.cache_clear()
        job = drain(crawl_services.submit_crawl(request, by=None))

    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, 3), job.summary
    assert set(Image.objects.values_list("source", "licence_code")) == {("photo_shelf", "cc0")}
    assert web.seen_headers["/v1/photos"]["authorization"] == "Key s3cret"


def test_the_tests_of_the_recipe_pass(site: Path) -> None:
    """In a process of their own, with the source installed; without the crawls, which the test above stands for."""
    installed(site)
    (site / "conftest.py").write_text("from jobs.tests.crawl.conftest import canary, web\n", encoding="utf-8")
    (site / "test_photo_shelf.py").write_text(TESTS, encoding="utf-8")
    root = str(django_settings.BASE_DIR)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(site),
               "-c", "/dev/null", "--import-mode=importlib", "-k", "not crawl",
               str(site / "test_photo_shelf.py")]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(site), root]),
        "DJANGO_SETTINGS_MODULE": "pixcrawler.tests.settings",
    }
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert re.search(r"\d\d passed", done.stdout)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import nothing_of_this_name", "cannot be imported (ModuleNotFoundError"),
        ("raise SystemError('x')", "cannot be imported (SystemError: x)"),
        ("INFO = 5", "no INFO of the class SourceInfo"),
        (CODE.replace('name="photo_shelf"', 'name="Photo Shelf"'), "is not made of lower-case letters"),
        (CODE.replace('name="photo_shelf"', 'name="urls"'), "there is a source “urls” already"),
        (CODE.replace("def build(", "def make("), "no function build(config, services)"),
    ],
)
def test_a_package_that_is_broken_is_left_out_and_named(site: Path, code: str, why: str) -> None:
    install(site, "broken", code, points="broken = broken")
    found = registry()
    sys.modules.pop("broken", None)
    assert list(found.modules)[:1] == ["openverse"]
    assert "broken" not in found.modules
    (problem,) = found.problems
    assert why in problem
    assert problem.startswith("The source “broken” of broken (broken) is left out: ")
