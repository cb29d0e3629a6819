"""An installation that is empty, or loses its worker, its Redis or its server: what a page says, and when."""

import os
import re
import signal
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Browser, expect

from jobs.tests.photoweb import PhotoWeb
from pixcrawler.tests.browser.conftest import Installation, Visit, running_installation, signed_in
from pixcrawler.tests.browser.test_first_crawl import fill_in
from pixcrawler.tests.processes import with_mark

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def fragile(photos: PhotoWeb) -> Iterator[Installation]:
    """An installation of this module's own, whose processes may be stopped."""
    with running_installation(photos, on_sqlite=True) as installation:
        yield installation


@pytest.fixture
def visitor(fragile: Installation, browser: Browser) -> Iterator[Visit]:
    with signed_in(fragile, browser) as visit:
        yield visit


def processes(installation: Installation, words: str) -> list[psutil.Process]:
    """The processes of the installation whose command line holds the words."""
    found = [psutil.Process(pid) for pid in with_mark(str(installation.data_dir))]
    return [process for process in found if words in " ".join(process.cmdline())]


def stop(installation: Installation, words: str) -> list[psutil.Process]:
    """Freezes the processes: they keep their ports and sockets and answer nothing."""
    frozen = processes(installation, words)
    assert frozen, f"nothing runs {words!r}"
    for process in frozen:
        os.kill(process.pid, signal.SIGSTOP)
    return frozen


def go_on(frozen: list[psutil.Process]) -> None:
    for process in frozen:
        os.kill(process.pid, signal.SIGCONT)


def test_an_empty_installation_offers_a_crawl_and_samples(visitor: Visit, fragile: Installation) -> None:
    page = visitor.page
    expect(page.get_by_role("heading", name="No crawl yet")).to_be_visible()
    expect(page.get_by_role("link", name="New crawl").first).to_be_visible()
    told = page.get_by_role("region", name="Good to know")
    expect(told).to_contain_text(str(fragile.data_dir))
    expect(told).to_contain_text("PIXCRAWLER_OPENVERSE_TOKEN")
    page.get_by_role("button", name=re.compile("drawn pictures")).click()
    expect(page.locator("h1")).to_contain_text("Finished", timeout=60_000)


def test_a_server_that_went_away_is_told_and_its_return_noticed(visitor: Visit) -> None:
    page = visitor.page
    lost = page.get_by_role("alert").filter(has_text="Connection lost.")
    expect(lost).to_be_hidden()
    page.context.set_offline(True)
    expect(lost).to_be_visible(timeout=20_000)
    page.context.set_offline(False)
    expect(lost).to_be_hidden(timeout=20_000)
    with page.expect_response(re.compile("/live/"), timeout=15_000):
        pass


def test_a_killed_server_is_told_and_the_page_goes_on_with_the_next(visitor: Visit, fragile: Installation) -> None:
    page = visitor.page
    lost = page.get_by_role("alert").filter(has_text="Connection lost.")
    # Whoever watches over the server is frozen meanwhile: it would start the next one before anybody noticed.
    watching = stop(fragile, "quickstart")
    try:
        for process in processes(fragile, "gunicorn"):
            process.kill()
        expect(lost).to_be_visible(timeout=20_000)
    finally:
        go_on(watching)
    expect(lost).to_be_hidden(timeout=30_000)
    with page.expect_response(lambda told: "/live/" in told.url and told.ok, timeout=15_000):
        pass


def test_a_redis_that_does_not_answer_is_named_and_datasets_are_still_there(
    visitor: Visit, fragile: Installation
) -> None:
    page = visitor.page
    frozen = stop(fragile, "valkey-server")
    try:
        page.goto(f"{visitor.url}/system/")
        expect(page.get_by_role("alert").filter(has_text=re.compile("Redis|queue", re.I)).first).to_be_visible()
        answer = page.goto(f"{visitor.url}/datasets/")
        assert answer
        assert answer.status == 200
        expect(page.locator("article")).to_have_count(1)
    finally:
        go_on(frozen)
    page.goto(f"{visitor.url}/system/")
    expect(page.get_by_text("All good")).to_be_visible(timeout=30_000)


def test_no_worker_is_said_on_every_live_page_until_one_is_back(visitor: Visit, fragile: Installation) -> None:
    page = visitor.page
    frozen = stop(fragile, "runworker") if processes(fragile, "runworker") else stop(fragile, " worker")
    try:
        banner = page.get_by_text("No worker is running")
        fill_in(page, visitor.url, dataset="Waits for a worker", keywords="stars", per_label=2)
        page.get_by_role("button", name="Start crawl").click()
        expect(banner.first).to_be_visible(timeout=60_000)
        job = page.url
        for path in (f"{visitor.url}/", f"{visitor.url}/system/"):
            page.goto(path)
            expect(banner.first).to_be_visible(timeout=15_000)
    finally:
        go_on(frozen)
    expect(banner).to_have_count(0, timeout=30_000)
    page.goto(job)
    expect(page.locator("h1")).to_contain_text("Finished", timeout=60_000)


def test_a_page_that_is_not_there_leads_on(visitor: Visit) -> None:
    page = visitor.page
    answer = page.goto(f"{visitor.url}/jobs/999999/")
    assert answer
    assert answer.status == 404
    expect(page.locator("h1")).to_have_count(1)
    expect(page.get_by_role("link", name="Overview").first).to_be_visible()
