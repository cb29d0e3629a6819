"""A job that is watched: what a poll costs, what it leaves alone, and when it stops."""

import itertools
import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from pixcrawler.tests.browser.conftest import Installation, Populated, Visit, signed_in
from pixcrawler.tests.browser.test_first_crawl import fill_in, number

pytestmark = pytest.mark.browser

#: A dataset of its own for each test: drawn pictures that are in a dataset already are skipped.
_NUMBERS = itertools.count()

_HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def running(visit: Visit) -> Iterator[Page]:
    """The page of a job that runs for long enough to be watched; cancelled in the end."""
    page = visit.page
    fill_in(page, visit.url, dataset=f"Long watched {next(_NUMBERS)}", keywords="a\nb\nc\nd\ne\nf\ng\nh", per_label=200)
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    expect(page.locator("#n-kept")).not_to_have_text("0", timeout=20_000)
    yield page
    page.goto(page.url)
    page.locator("#cancel").click()
    page.get_by_role("button", name="Cancel job", exact=True).click()
    expect(page.locator("h1")).to_contain_text("Cancelled", timeout=20_000)


def next_polls(page: Page, count: int) -> list[Response]:
    answers = []
    for _ in range(count):
        with page.expect_response(re.compile("/live/"), timeout=15_000) as told:
            pass
        answers.append(told.value)
    page.wait_for_timeout(100)
    return answers


def test_polls_leave_focus_scroll_rows_and_what_was_opened(running: Page) -> None:
    page = running
    page.set_viewport_size({"width": 1280, "height": 400})
    page.evaluate(
        """() => {
            window.row = document.querySelector("#live table tbody tr");
            document.getElementById("all-settings").open = true;
            document.getElementById("cancel").focus();
            window.scrollTo(0, 200);
        }"""
    )
    kept = number(page, "kept")
    statuses = {answer.status for answer in next_polls(page, 10)}
    assert 200 in statuses
    assert number(page, "kept") > kept
    assert page.evaluate("window.row === document.querySelector('#live table tbody tr') && window.row.isConnected")
    assert page.evaluate("window.scrollY") == 200
    expect(page.locator("#cancel")).to_be_focused()
    assert page.evaluate("document.getElementById('all-settings').open")
    assert re.match(r"\d+% · Long watched", page.title())
    outcomes = ("kept", "duplicate", "rejected", "failed", "skipped")
    assert number(page, "found") >= sum(number(page, name) for name in outcomes)


def test_a_hidden_page_asks_nothing_and_asks_at_once_when_it_is_shown(running: Page, visit: Visit) -> None:
    page = running
    page.evaluate(_HIDE, True)
    page.wait_for_timeout(300)
    before = visit.polls()
    page.wait_for_timeout(5_000)
    assert visit.polls() == before
    with page.expect_response(re.compile("/live/"), timeout=2_000):
        page.evaluate(_HIDE, False)


def test_an_unchanged_version_is_answered_without_a_body(running: Page) -> None:
    page = running
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("h1")).to_contain_text("Paused")
    deadline = time.monotonic() + 30
    while next_polls(page, 1)[0].status != 204:
        assert time.monotonic() < deadline, "a paused job is drawn again and again"


def test_an_ended_session_leads_the_whole_page_to_sign_in(
    running: Page, installation: Installation, browser: Browser
) -> None:
    with signed_in(installation, browser) as other:
        other.page.goto(running.url)
        other.page.context.clear_cookies()
        other.page.wait_for_url(re.compile("/login/"), timeout=15_000)
        expect(other.page.locator("#live")).to_have_count(0)
        expect(other.page.locator("header nav")).to_have_count(0)


def test_the_listener_is_told_once_for_every_tenth(visit: Visit) -> None:
    page = visit.page
    fill_in(page, visit.url, dataset="Listened to", keywords="stars\nsquares", per_label=30)
    page.get_by_role("button", name="Start crawl").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    page.evaluate(
        """() => {
            window.told = [];
            new MutationObserver(() => {
                const words = document.querySelector("#live .sr[role=status]")?.textContent.trim();
                if (words && words !== window.told.at(-1)) window.told.push(words);
            }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    expect(page.locator("h1")).to_contain_text("Finished", timeout=60_000)
    told = page.evaluate("window.told")
    assert 1 <= len(told) <= 12, told


def test_the_end_of_a_job_has_no_polling_in_it(visit: Visit, populated: Populated) -> None:
    page = visit.page
    page.goto(f"{visit.url}{populated.job_path}")
    expect(page.locator("#live")).not_to_have_attribute("hx-trigger", re.compile("."))
    answer = page.request.get(f"{visit.url}{populated.job_path}live/")
    assert answer.status == 286
    assert "hx-trigger" not in answer.text()


def test_sums_of_the_parts_are_the_totals(visit: Visit, populated: Populated) -> None:
    page = visit.page
    page.goto(f"{visit.url}{populated.job_path}")
    outcomes = ("kept", "duplicate", "rejected", "failed", "skipped")
    assert number(page, "found") == sum(number(page, name) for name in outcomes) == 15
    assert number(page, "failed") == 1


def test_a_key_narrows_a_job_to_its_problems_and_back(visit: Visit, populated: Populated) -> None:
    page = visit.page
    page.goto(f"{visit.url}{populated.job_path}")
    with page.expect_navigation():
        page.keyboard.press("p")
    expect(page).to_have_url(re.compile("only=problems"))
    expect(page.get_by_role("region", name="Keywords and sources")).to_contain_text(
        "No keyword has a chunk that stopped"
    )
    with page.expect_navigation():
        page.keyboard.press("p")
    expect(page.get_by_role("region", name="Keywords and sources").get_by_role("row")).not_to_have_count(0)


def test_a_failed_download_says_why(visit: Visit, populated: Populated) -> None:
    page = visit.page
    page.goto(f"{visit.url}{populated.job_path}")
    problem = page.locator("#live").get_by_role("listitem").filter(has_text="1 download failed: http_404")
    expect(problem).to_contain_text("not there any more")
