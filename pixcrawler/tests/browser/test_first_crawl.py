"""A newcomer's first minutes in the browser."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from pixcrawler.tests.browser.conftest import Visit

pytestmark = pytest.mark.browser


def fill_in(page: Page, url: str, *, dataset: str, keywords: str, per_label: int) -> None:
    page.goto(f"{url}/jobs/new/")
    page.get_by_label("Dataset name").fill(dataset)
    page.get_by_label("Keywords, one label a line").fill(keywords)
    page.get_by_label("Images per label").fill(str(per_label))
    page.get_by_label("Sample pictures").check()


def number(page: Page, name: str) -> int:
    return int(page.locator(f"#n-{name}").inner_text().replace(",", ""))


def test_a_crawl_is_started_and_watched_to_its_end_without_a_reload(visit: Visit) -> None:
    page = visit.page
    fill_in(page, visit.url, dataset="Watched shapes", keywords="stars\ncircles", per_label=20)
    expect(page.locator("#estimate")).to_contain_text("40")
    page.get_by_role("button", name="Start crawl").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    page.evaluate("window.sameDocument = true")

    seen = set()
    deadline = time.monotonic() + 60
    while "Finished" not in page.locator("h1").inner_text():
        seen.add(int(page.locator("#kept").get_attribute("value") or 0))
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        page.wait_for_timeout(200)

    assert len(seen) >= 2, "the bar did not move"
    assert page.evaluate("window.sameDocument") is True
    assert number(page, "kept") == 40
    outcomes = ("kept", "duplicate", "rejected", "failed", "skipped")
    assert number(page, "found") == sum(number(page, name) for name in outcomes)
    polls = visit.polls()
    page.wait_for_timeout(3_000)
    assert visit.polls() == polls, "it still polls after the end"
    assert visit.errors == []
    assert visit.left_the_origin == []


def test_three_quick_clicks_start_one_job(visit: Visit) -> None:
    page = visit.page
    fill_in(page, visit.url, dataset="Clicked thrice", keywords="squares", per_label=2)
    page.evaluate("for (let i = 0; i < 3; i++) document.getElementById('start').click()")
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))

    page.goto(f"{visit.url}/jobs/?q=Clicked")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_form_that_cannot_start_takes_the_reader_to_what_is_wrong(visit: Visit) -> None:
    page = visit.page
    fill_in(page, visit.url, dataset="Wrong", keywords="", per_label=5)
    page.get_by_role("button", name="Start crawl").click()

    expect(page.get_by_role("alert").filter(has_text="Not started yet.")).to_be_focused()
    expect(page.locator("#id_keywords")).to_have_attribute("aria-invalid", "true")


def test_a_crawl_is_cancelled_after_a_question(visit: Visit) -> None:
    page = visit.page
    fill_in(page, visit.url, dataset="Cancelled shapes", keywords="a\nb\nc\nd\ne\nf", per_label=40)
    page.get_by_role("button", name="Start crawl").click()
    question = page.get_by_role("dialog")
    page.locator("#cancel").click()
    expect(question).to_contain_text("in the dataset")
    page.get_by_role("button", name="Keep going").click()
    expect(question).to_be_hidden()
    expect(page.locator("#cancel")).to_be_focused()
    page.locator("#cancel").click()
    question.get_by_role("button", name="Cancel job").click()

    expect(page.locator("h1")).to_contain_text("Cancelled", timeout=15_000)


def test_the_gallery_shows_the_pictures_and_filters_them(visit: Visit) -> None:
    page = visit.page
    fill_in(page, visit.url, dataset="Gallery shapes", keywords="stars\nsquares", per_label=3)
    page.get_by_role("button", name="Start crawl").click()
    expect(page.locator("h1")).to_contain_text("Finished", timeout=30_000)
    page.get_by_role("link", name="Open gallery").click()
    expect(page.locator(".tile img")).to_have_count(6)
    assert page.evaluate("[...document.querySelectorAll('.tile img')].every(i => i.complete && i.naturalWidth > 0)")

    page.get_by_label(re.compile("stars")).check()
    expect(page.locator(".tile img")).to_have_count(3)
    page.locator(".tile").first.click()
    expect(page.get_by_role("heading", name="Origin and rights")).to_be_visible()


def test_a_crawl_starts_without_javascript(installation: object, visit: Visit) -> None:
    browser = visit.page.context.browser
    assert browser
    state = visit.page.context.storage_state()
    context = browser.new_context(java_script_enabled=False, storage_state=state)
    page = context.new_page()
    fill_in(page, visit.url, dataset="No script", keywords="stars", per_label=2)
    page.get_by_role("button", name="Start crawl").click()

    expect(page.locator("h1")).to_contain_text("No script")
    context.close()
