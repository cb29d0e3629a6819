"""docs/api.md is run as it stands: its shell blocks, by a real shell and curl, against a web server and workers."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from datasets.models import Dataset, Image
from datasets.tests.pictures import encoded, noisy
from faults.stack import Stack
from jobs.models import Finding, Job
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb, photo_web
from jobs.token_models import ApiToken

pytestmark = pytest.mark.django_db(transaction=True)

_NAMES = ("robin", "wren", "finch")


@pytest.fixture
def photos() -> Iterator[PhotoWeb]:
    """Three pictures; the second one is there from the second request on."""
    with photo_web() as web:
        for seed, name in enumerate(_NAMES):
            web.add_photo(f"/{name}.jpg", encoded(noisy(120, 90, seed=seed)))
        there = web.pages["/wren.jpg"]
        web.pages["/wren.jpg"] = lambda before: there(before) if before else (503, {}, b"")
        yield web


@pytest.fixture
def stack(transactional_db: None, process_environment: dict[str, str], photos: PhotoWeb) -> Iterator[Stack]:
    """Web server, worker and scheduler as they run in production."""
    stack = Stack(
        {
            **process_environment,
            "PIXCRAWLER_ALLOW_HOSTS": photos.host,
            "PIXCRAWLER_FETCH_ATTEMPTS": "1",
            "PIXCRAWLER_HOST_SPACING_S": "0.05",
            "PIXCRAWLER_SCHEDULER_INTERVAL_S": "1",
            "PIXCRAWLER_LOG_LEVEL": "INFO",
        }
    )
    try:
        stack.start_web()
        stack.start_worker()
        stack.start_scheduler()
        yield stack
    finally:
        stack.kill()
        sys.stdout.write(stack.log())


def _blocks() -> list[str]:
    """The indented blocks of the page, in their order."""
    text = (settings.BASE_DIR / "docs" / "api.md").read_text(encoding="utf-8")
    found = re.findall(r"(?:^    .*\n)+", text, re.M)
    return [re.sub(r"^    ", "", block, flags=re.M) for block in found]


def _objects(output: str) -> list[dict[str, Any]]:
    """The JSON that the blocks printed, one answer behind the other."""
    found, decoder, place = [], json.JSONDecoder(), 0
    while (place := output.find("{", place)) >= 0:
        value, place = decoder.raw_decode(output, place)
        found.append(value)
    return found


def test_the_page_does_the_whole_work_with_curl(
    stack: Stack, photos: PhotoWeb, tmp_path: Path, process_environment: dict[str, str]
) -> None:
    assert shutil.which("curl"), "No curl was found. Install it (Debian: sudo apt install curl)."
    User.objects.create_superuser("admin")
    replaced = {
        "http://127.0.0.1:8000": stack.url,
        ".venv/bin/python manage.py": f"{sys.executable} {settings.BASE_DIR / 'manage.py'}",
        "https://photos.example": photos.url(""),
    }
    blocks = _blocks()
    for there, here in replaced.items():
        assert any(there in block for block in blocks), f"the page has no {there} any more"
        blocks = [block.replace(there, here) for block in blocks]

    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-u"], input="\n".join(blocks), cwd=tmp_path, env=process_environment,
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    answers = _objects(done.stdout)
    _assert_everything_was_done(photos, answers)
    _assert_the_files_are_the_pictures(tmp_path, done.stdout)
    assert (answers[-1]["status"], answers[-1]["field"]) == (422, "per_label")


def _assert_everything_was_done(photos: PhotoWeb, answers: list[dict[str, Any]]) -> None:
    crawl, check, export = Job.objects.order_by("pk")
    assert [job.kind for job in (crawl, check, export)] == ["crawl", "validate", "export"]
    assert {job.status for job in (crawl, check, export)} == {"completed"}
    assert (crawl.kept, crawl.failed, crawl.run, check.found) == (3, 0, 2, 3)
    assert_ledger_holds(crawl)
    assert {name: photos.hits[f"/{name}.jpg"] for name in _NAMES} == {"robin": 1, "wren": 2, "finch": 1}
    assert not Finding.objects.filter(job=crawl, outcome="failed").exists()
    first, *_ = (answer for answer in answers if answer.get("job") == crawl.pk)
    assert (first["status"], first["kept"], first["failed"]) == ("completed", 2, 1)
    failed = [answer["items"] for answer in answers if "items" in answer][1]
    assert [(one["url"], one["reason"]) for one in failed] == [(photos.url("/wren.jpg"), "http_5xx")]
    assert Dataset.objects.get().slug == "birds"
    assert [(token.name, token.scope) for token in ApiToken.objects.all()] == [("curl", "write")]


def _assert_the_files_are_the_pictures(folder: Path, output: str) -> None:
    """What was downloaded is what the web had, byte by byte, and its checksums were compared."""
    archive = next(folder.glob("*.zip"))
    assert f"{archive.name}: OK" in output
    with zipfile.ZipFile(archive) as unpacked:
        bodies = {unpacked.read(name) for name in unpacked.namelist() if name.endswith(".jpg")}
    assert bodies == {encoded(noisy(120, 90, seed=seed)) for seed in range(len(_NAMES))}
    assert Image.objects.count() == len(bodies)
