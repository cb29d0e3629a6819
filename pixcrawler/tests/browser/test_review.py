"""Look-alikes are decided by the keyboard alone, in a browser, on pictures that were crawled."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from jobs.tests.photoweb import PhotoWeb
from jobs.tests.stored import file, scene
from pixcrawler.tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

_GROUPS = 50


def crawl_pairs(visit: Visit, photos: PhotoWeb) -> None:
    """A dataset of pairs, each a picture and its recompressed copy, checked for duplicates."""
    addresses = []
    for seed in range(_GROUPS):
        addresses.append(photos.add_photo(f"/pair/{seed}.jpg", file(scene(seed), quality=92)))
        addresses.append(photos.add_photo(f"/pair/{seed}-again.jpg", file(scene(seed), quality=45)))
    page = visit.page
    page.goto(f"{visit.url}/jobs/new/")
    page.get_by_label("Dataset name").fill("Pairs")
    page.get_by_label("Images per label").fill(str(len(addresses)))
    page.locator('input[name="sources"][value="urls"]').check()
    page.locator("details", has=page.locator("#id_urls")).locator("summary").click()
    page.locator("#id_urls").fill("\n".join(addresses))
    page.get_by_role("button", name="Start crawl").click()
    expect(page.locator("h1")).to_contain_text("Finished", timeout=60_000)
    page.get_by_role("link", name="Open gallery").click()
    page.locator("#validate").click()
    expect(page.locator("h1")).to_contain_text("Finished", timeout=60_000)
    expect(page.locator("#n-duplicate")).to_have_text(str(_GROUPS))


def press(page: Page, key: str) -> None:
    """A key that leads to another page, and the page that it leads to."""
    with page.expect_navigation():
        page.keyboard.press(key)


def decided(page: Page) -> int:
    return int(page.get_by_role("progressbar", name="Groups decided").get_attribute("value") or 0)


def test_fifty_groups_are_decided_with_the_keyboard_alone(visit: Visit, photos: PhotoWeb, tmp_path: Path) -> None:
    crawl_pairs(visit, photos)
    page = visit.page
    page.goto(f"{visit.url}/datasets/pairs/")
    page.get_by_role("link", name=re.compile("^Duplicates")).click()
    expect(page.get_by_role("heading", name=f"Group 1 of {_GROUPS}")).to_be_visible()
    expect(page.locator('input[name="keep"]:checked')).to_have_count(1)
    expect(page.locator("#decide")).to_have_text("Keep 1, exclude 1")
    page.screenshot(path=tmp_path / "review.png")

    # Skip, and come back.
    press(page, "j")
    expect(page.get_by_role("heading", name=f"Group 2 of {_GROUPS}")).to_be_visible()
    press(page, "k")
    # The other one instead of the suggestion; undone, and the suggestion taken after all.
    page.keyboard.press("1")
    expect(page.locator("#decide")).to_be_disabled()
    page.keyboard.press("2")
    press(page, "Enter")
    assert decided(page) == 1
    press(page, "u")
    expect(page.get_by_role("heading", name=f"Group 1 of {_GROUPS}")).to_be_visible()
    assert decided(page) == 0
    press(page, "a")
    assert decided(page) == 1
    # Look closely, and go on.
    page.keyboard.press("c")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    for number in range(1, _GROUPS):
        assert decided(page) == number
        press(page, "Enter")

    expect(page.get_by_role("heading", name=f"All {_GROUPS} groups are decided")).to_be_visible()
    expect(page.get_by_text(f"{_GROUPS - 1} images excluded").first).to_be_visible()
    assert page.locator("[style]").count() == 0
    assert visit.errors == []
    assert visit.left_the_origin == []


@pytest.mark.parametrize("width", [320, 1280])
def test_the_review_fits_and_works_without_javascript(visit: Visit, photos: PhotoWeb, width: int) -> None:
    page = visit.page
    page.set_viewport_size({"width": width, "height": 800})
    for path in ("", "duplicates/", "checks/", "report/", "rules/"):
        page.goto(f"{visit.url}/datasets/pairs/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.locator("h1").count() == 1, path
    assert visit.errors == []
