"""A dataset is checked in the browser, and a threshold tried out and saved."""

import re

import pytest
from playwright.sync_api import expect

from pixcrawler.tests.browser.conftest import Visit
from pixcrawler.tests.browser.test_first_crawl import fill_in

pytestmark = pytest.mark.browser


def test_images_are_checked_and_a_threshold_follows_the_slider(visit: Visit) -> None:
    page = visit.page
    fill_in(page, visit.url, dataset="Checked shapes", keywords="stars", per_label=6)
    page.get_by_role("button", name="Start crawl").click()
    expect(page.locator("h1")).to_contain_text("Finished", timeout=30_000)
    page.goto(f"{visit.url}/datasets/checked-shapes/checks/")
    page.get_by_role("button", name="Check all strictly").click()
    expect(page.locator("h1")).to_contain_text("Finished", timeout=30_000)
    page.goto(f"{visit.url}/datasets/checked-shapes/checks/")
    expect(page.get_by_text("not run yet")).to_have_count(0)

    page.get_by_role("link", name="Threshold of Dark").click()
    page.evaluate("window.sameDocument = true")
    expect(page.locator("#preview")).to_contain_text("Below 0.32 it flags")
    page.get_by_label("Flag scores below").press("End")
    expect(page.locator("#preview")).to_contain_text("Below 1 it would flag 6 of 6 images")
    expect(page.get_by_role("region", name="Just flagged").locator("img")).to_have_count(6)
    assert page.evaluate("window.sameDocument")
    assert page.locator("[style]").count() == 0

    page.get_by_role("button", name="Save 1").click()
    expect(page.get_by_text("Saved. Dark flags from 1 in this dataset")).to_be_visible()
    page.goto(f"{visit.url}/datasets/checked-shapes/checks/")
    page.get_by_role("link", name=re.compile("^Show 6: Dark")).click()
    expect(page.locator("#found")).to_have_text("6 images")
    expect(page.get_by_role("link", name=re.compile("^Dark"))).to_be_visible()
    assert visit.errors == []
