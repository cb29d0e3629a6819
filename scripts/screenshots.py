"""Takes the pictures of README and docs from an installation of its own, with drawn pictures and a set clock.

Everything starts at the same minute of the same day, so that two runs differ in little but the pace of the crawl.
"""

import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pixcrawler.tests.settings")

import django  # noqa: E402

django.setup()

from PIL import Image  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from jobs.tests.photoweb import photo_web  # noqa: E402
from pixcrawler.tests.browser.conftest import BROWSER_ARGUMENTS, Installation, running_installation, signed_in  # noqa: E402
from pixcrawler.tests.optional_selection import chromium as find_chromium  # noqa: E402

FOLDER = ROOT / "docs" / "images"

#: Each process begins to count here; how fast time goes is left alone, and so are waiting times.
CLOCK = {
    "FAKETIME": "@2026-11-22 10:44:00",
    "NO_FAKE_STAT": "1",
    "LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
}
_LABELS = ("stars", "circles", "triangles", "squares")


def main() -> int:
    chromium = find_chromium()
    if chromium is None or not Path(CLOCK["LD_PRELOAD"]).is_file():
        sys.stderr.write("Chromium and libfaketime are needed: apt-get install chromium faketime. Then run again.\n")
        return 1
    with photo_web() as photos:
        os.environ.update(CLOCK)
        with running_installation(photos, on_sqlite=True) as installation:
            for name in CLOCK:
                del os.environ[name]
            _take_all(installation, str(chromium))
    return 0


def _take_all(installation: Installation, chromium: str) -> None:
    keywords = [part for label in _LABELS for part in ("--keyword", label)]
    installation.manage("crawl", "Shapes", *keywords, "--source", "sample", "--per-label", "24", "--wait")
    installation.manage("validate", "Shapes", "--level", "strict", "--wait")
    installation.manage("export", "Shapes", "--format", "imagefolder", "--allow-unknown-licence", "--wait")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        with signed_in(installation, browser) as visit:
            page, url = visit.page, visit.url
            page.emulate_media(reduced_motion="reduce", color_scheme="light")
            for name, path in (
                ("gallery", "/datasets/shapes/"),
                ("report", "/datasets/shapes/report/"),
                ("exports", "/datasets/shapes/exports/"),
                ("system", "/system/"),
            ):
                page.goto(f"{url}{path}")
                _take(page, name)
            _start_long_crawl(page, url)
            _take(page, "job")
            page.context.add_cookies([{"name": "theme", "value": "dark", "url": url}])
            page.reload()
            _take(page, "job-dark")
            page.goto(f"{url}/")
            _take(page, "overview-dark")
            page.context.add_cookies([{"name": "theme", "value": "light", "url": url}])
            page.reload()
            _take(page, "overview")
        browser.close()


def _start_long_crawl(page: Page, url: str) -> None:
    page.goto(f"{url}/jobs/new/")
    page.get_by_label("Dataset name").fill("More shapes")
    page.get_by_label("Keywords, one label a line").fill("spirals\nrings\nhearts\nmoons\nclouds\nleaves")
    page.get_by_label("Images per label").fill("60")
    page.get_by_role("checkbox", name=re.compile("^Sample pictures")).check()
    page.wait_for_timeout(1_000)  # until the estimate has followed
    page.evaluate("window.scrollTo(0, 0)")
    _take(page, "new")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    time.sleep(6)


def _take(page: Page, name: str) -> None:
    """A picture of what a window shows."""
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(600)
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path)
    Image.open(path).convert("RGB").save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    sys.exit(main())
