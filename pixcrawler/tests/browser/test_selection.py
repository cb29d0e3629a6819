"""Images of a gallery are selected, excluded and brought back: with keys, and without JavaScript."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from pixcrawler.tests.browser.conftest import Installation, Visit, signed_in

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shapes(installation: Installation) -> str:
    """The address of a gallery of twelve drawn pictures of two labels."""
    keywords = ("--keyword", "stars", "--keyword", "squares")
    installation.manage("crawl", "Selected shapes", *keywords, "--source", "sample", "--per-label", "6", "--wait")
    return f"{installation.url}/datasets/selected-shapes/"


@pytest.fixture
def gallery(visit: Visit, shapes: str) -> Page:
    visit.page.goto(shapes)
    return visit.page


def found(page: Page) -> int:
    return int(re.sub(r"\D", "", page.locator("#found").inner_text()))


def test_arrows_space_x_and_u_do_it_all(gallery: Page) -> None:
    page, before = gallery, found(gallery)
    assert page.locator("#selection").is_hidden()
    page.keyboard.press("ArrowRight")
    expect(page.locator("a.tile").nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("a.tile").nth(1)).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("#selected")).to_have_text("1 selected")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#selected")).to_have_text("2 selected")
    page.keyboard.press("Escape")
    expect(page.locator("#selection")).to_be_hidden()

    page.keyboard.press("Space")
    with page.expect_navigation():
        page.keyboard.press("x")
    assert found(page) == before - 1
    with page.expect_navigation():
        page.keyboard.press("u")
    assert found(page) == before


def test_single_letters_can_be_switched_off(gallery: Page, installation: Installation) -> None:
    page, before = gallery, found(gallery)
    page.goto(f"{installation.url}/account/")
    page.get_by_role("button", name="Off").click()
    expect(page.get_by_role("button", name="Off")).to_have_attribute("aria-pressed", "true")
    page.goto(f"{installation.url}/datasets/selected-shapes/")
    page.locator("a.tile").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("x")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_timeout(500)
    assert found(page) == before
    expect(page).to_have_url(re.compile("selected-shapes"))


def test_all_that_match_are_excluded_and_brought_back_without_javascript(
    gallery: Page, installation: Installation, browser: Browser
) -> None:
    before = found(gallery)
    with signed_in(installation, browser, javascript=False) as visit:
        page = visit.page
        page.goto(f"{visit.url}/datasets/selected-shapes/?label=stars")
        page.get_by_role("checkbox", name=re.compile("^Select stars")).first.check()
        page.get_by_label("all 6 that match").check()
        page.get_by_role("button", name="Exclude").click()
        expect(page.get_by_role("status").filter(has_text="6 images that matched")).to_be_visible()
        expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("a.tile")).to_have_count(6)
        page.goto(f"{visit.url}/datasets/selected-shapes/")
        assert found(page) == before


def test_one_image_is_excluded_on_its_page_and_keys_lead_on(gallery: Page) -> None:
    page, before = gallery, found(gallery)
    page.locator("a.tile").first.click()
    first = page.url
    with page.expect_navigation():
        page.keyboard.press("ArrowRight")
    assert page.url != first
    with page.expect_navigation():
        page.keyboard.press("x")
    expect(page.get_by_text("This image is excluded")).to_be_visible()
    with page.expect_navigation():
        page.keyboard.press("x")
    expect(page.get_by_text("This image is excluded")).to_have_count(0)
    with page.expect_navigation():
        page.keyboard.press("Escape")
    assert found(page) == before


def test_pictures_leave_their_place_before_they_come(gallery: Page) -> None:
    """Nothing jumps: every picture has its size in the page, and the layout does not shift while they load."""
    page = gallery
    assert page.locator(".grid img:not([width]), .grid img:not([height])").count() == 0
    shifts = """() => new Promise(done => {
        let sum = 0;
        new PerformanceObserver(list => list.getEntries().forEach(e => { sum += e.value; })).observe(
            { type: "layout-shift", buffered: true });
        setTimeout(() => done(sum), 500);
    })"""
    assert page.evaluate(shifts) < 0.02


def test_what_is_selected_moves_to_another_label_and_back(gallery: Page) -> None:
    page = gallery
    moons = page.get_by_role("checkbox", name=re.compile("^moons"))
    expect(moons).to_have_count(0)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.locator("#move-to").fill("moons")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(moons).to_have_count(1)
    with page.expect_navigation():
        page.locator("#undo").click()
    expect(moons).to_have_count(0)
