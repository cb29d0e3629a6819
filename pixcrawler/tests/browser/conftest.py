"""A whole installation that runs, and a browser that looks at it."""

import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from jobs.tests.photoweb import PhotoWeb, photo_web
from jobs.tests.stored import file, scene
from pixcrawler.tests.processes import Started, free_port, manage, run, with_mark

#: Nothing of the browser itself may look for a network.
BROWSER_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Installation:
    """A running quickstart; `environment` is that of its commands."""

    url: str
    password: str
    environment: Mapping[str, str]
    data_dir: Path

    def manage(self, *arguments: str, may_fail: bool = False) -> str:
        """The output of a command; its success is demanded unless it `may_fail`."""
        done = run(manage(*arguments), env=self.environment)
        assert may_fail or done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@dataclass(frozen=True, slots=True)
class Populated:
    """An installation that has worked: a dataset with look-alikes, gaps and checks behind it, and a dry run."""

    job_path: str
    dry_run_path: str
    dataset_path: str


@dataclass
class Visit:
    """A signed-in page, and what went wrong on it: console errors, requests that left the origin."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def note_console(self, message: ConsoleMessage) -> None:
        # Leaving a page ends its poll, and htmx says so: no fault.
        ended_by_leaving = message.text.startswith(("htmx:afterRequest", "htmx:sendAbort"))
        if message.type in {"error", "warning"} and not ended_by_leaving:
            self.errors.append(message.text)

    def note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    @property
    def left_the_origin(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(self.url)]

    def polls(self) -> int:
        return sum("/live/" in url for url in self.requests)


@pytest.fixture(scope="package")
def photos() -> Iterator[PhotoWeb]:
    """A web of photographs that the installation may crawl."""
    with photo_web() as web:
        yield web


@contextmanager
def running_installation(photos: PhotoWeb, *, on_sqlite: bool = False) -> Iterator[Installation]:
    """quickstart in a data folder of its own: web, worker, scheduler and Valkey.

    Where tests run on PostgreSQL it uses that database, which only one installation can; another one is `on_sqlite`.
    """
    data_dir = Path(tempfile.mkdtemp(prefix="pixbrowser-"))
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIXCRAWLER_")},
        "DJANGO_SETTINGS_MODULE": "pixcrawler.settings",
        "PIXCRAWLER_DATA_DIR": str(data_dir),
        "PIXCRAWLER_SAMPLE_DELAY_S": "0.1",
        "PIXCRAWLER_ALLOW_HOSTS": photos.host,
        "PIXCRAWLER_OPENVERSE_URL": photos.url("/v1/"),
        "PIXCRAWLER_OPENVERSE_REQUESTS_PER_MINUTE": "10000",
        **({"DATABASE_URL": ""} if on_sqlite else {}),
        "CELERY_BROKER_URL": "",
        "CELERY_RESULT_BACKEND": "",
    }
    started = Started(manage("quickstart", "--no-sample", "--port", str(port)), env=environment)
    try:
        started.wait_for("password  ", seconds=180)
        found = re.search(r"password  (\S+)", started.text)
        assert found
        yield Installation(f"http://127.0.0.1:{port}", found[1], environment, data_dir)
        started.end(signal.SIGTERM)
    finally:
        for pid in with_mark(str(data_dir)):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture(scope="package")
def installation(photos: PhotoWeb) -> Iterator[Installation]:
    with running_installation(photos) as installation:
        yield installation


@pytest.fixture(scope="package")
def populated(installation: Installation, photos: PhotoWeb) -> Populated:
    """A crawl of two labels that ended with gaps, in a dataset that was checked strictly."""
    for seed in range(1000, 1012):
        words = "robin" if seed % 2 else "house finch"
        photos.add_photo(f"/seen/{seed}.jpg", file(scene(seed), quality=92), words=words)
    photos.add_photo("/seen/again.jpg", file(scene(1001), quality=45), words="robin")
    photos.add_photo("/seen/unknown.jpg", file(scene(1020)), words="robin", license="", license_url="")
    photos.add_listed("/seen/gone.jpg", words="robin")
    keywords = ("--keyword", "robin", "--keyword", "house finch")
    told = installation.manage(
        "crawl", "Seen birds", *keywords, "--source", "openverse", "--per-label", "20", "--wait", "--json"
    )
    installation.manage("validate", "Seen birds", "--level", "strict", "--wait")
    installation.manage("export", "Seen birds", "--format", "csv", "--wait")
    looked = installation.manage(
        "crawl",
        "Birds looked at",
        *keywords,
        "--source",
        "openverse",
        "--per-label",
        "20",
        "--dry-run",
        "--wait",
        "--json",
    )
    job, dry_run = (json.loads(report)["job"] for report in (told, looked))
    return Populated(f"/jobs/{job}/", f"/jobs/{dry_run}/", "/datasets/seen-birds/")


@pytest.fixture(scope="package")
def browser(chromium_path: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium_path), args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def signed_in(installation: Installation, browser: Browser, *, javascript: bool = True) -> Iterator[Visit]:
    """Signed in as the administrator, on the overview."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=javascript)
    visit = Visit(context.new_page(), installation.url)
    visit.page.on("console", visit.note_console)
    visit.page.on("request", visit.note_request)
    visit.page.goto(f"{installation.url}/")
    visit.page.get_by_label("Name").fill("admin")
    visit.page.get_by_label("Password").fill(installation.password)
    visit.page.get_by_role("button", name="Sign in").click()
    visit.page.get_by_role("heading", name="Overview").wait_for()
    yield visit
    context.close()


@pytest.fixture
def visit(installation: Installation, browser: Browser) -> Iterator[Visit]:
    with signed_in(installation, browser) as visit:
        yield visit
