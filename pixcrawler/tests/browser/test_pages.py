"""What holds on every page, at every width, in both themes: nothing leaves, nothing is blocked, all can read it."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect

from pixcrawler.tests.browser.conftest import Installation, Populated, Visit, signed_in

pytestmark = pytest.mark.browser

#: The entry of the main navigation that is the current one, by page.
_SECTIONS = {
    "/": "Overview",
    "/jobs/": "Jobs",
    "/jobs/?state=attention": "Jobs",
    "/jobs/?q=nothing-is-called-so": "Jobs",
    "/jobs/new/": "Jobs",
    "/datasets/": "Datasets",
    "/system/": "System",
    "/system/audit/": "System",
    "/sources/": "System",
    "/account/": "",
    "/help/keys/": "",
    "/help/api/": "",
    "/nowhere/": "",
}
_ADMIN = (
    "/admin/",
    "/admin/jobs/job/",
    "/admin/jobs/chunk/",
    "/admin/datasets/image/",
    "/admin/datasets/dataset/",
    "/admin/jobs/sourcekey/",
    "/admin/jobs/sourcekey/add/",
)
_OF_A_DATASET = (
    "", "?q=robin", "?q=nothing-is-called-so&licence=by", "?sort=largest&tiles=l", "rules/", "duplicates/",
    "duplicates/1/", "checks/", "checks/dark/", "report/", "exports/", "versions/1/",
)  # fmt: skip

#: WCAG 2.2 AA and what axe calls best practice.
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


#: The elements that reach out of the page at its right.
_TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth)
    .map((element) => element.outerHTML.slice(0, 200))"""


def sections(page: Page, url: str, populated: Populated) -> dict[str, str]:
    """Every page of a populated installation, with its entry of the navigation."""
    page.goto(f"{url}{populated.dataset_path}")
    image = page.locator("a.tile").first.get_attribute("href") or ""
    of_dataset = {f"{populated.dataset_path}{part}": "Datasets" for part in _OF_A_DATASET}
    of_jobs = {f"{populated.job_path}{part}": "Jobs" for part in ("", "?only=problems", "log/", "log/?only=problems")}
    return _SECTIONS | of_jobs | of_dataset | {populated.dry_run_path: "Jobs", image: "Datasets"}


def violations(page: Page) -> list[str]:
    """What axe finds, one line each."""
    found = Axe().run(page, options={**_RULES, "resultTypes": ["violations"]}).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(visit: Visit, populated: Populated, width: int, theme: str) -> None:
    page = visit.page
    page.context.add_cookies([{"name": "theme", "value": theme, "url": visit.url}])
    page.emulate_media(reduced_motion="reduce", color_scheme="dark" if theme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 844})
    found = {}
    for path in (*sections(page, visit.url, populated), *_ADMIN):
        page.goto(f"{visit.url}{path}")
        if told := violations(page):
            found[path] = told
    assert not found, "\n".join(f"{path}: {line}" for path, lines in found.items() for line in lines)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_leaves_nothing_is_blocked_nothing_scrolls_sideways(
    visit: Visit, populated: Populated, width: int
) -> None:
    page = visit.page
    page.set_viewport_size({"width": width, "height": 844})
    for path in sections(page, visit.url, populated):
        answer = page.goto(f"{visit.url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, page.evaluate(_TOO_WIDE))
        assert answer
        source = answer.text()
        assert not re.search(r"<[^>]+\sstyle=", source), path
        assert not re.search(r"<[^>]+\son[a-z]+=", source), path
        assert "<style" not in source, path
        assert not re.search(r"<script(?![^>]*\ssrc=)", source), path
    for path in _ADMIN:
        page.goto(f"{visit.url}{path}")
    visit.errors = [error for error in visit.errors if "404 (Not Found)" not in error]
    assert visit.errors == []
    assert visit.left_the_origin == []


def test_every_page_has_one_heading_a_title_of_its_own_and_its_place_in_the_navigation(
    visit: Visit, populated: Populated
) -> None:
    page = visit.page
    titles: dict[str, str] = {}
    for path, section in sections(page, visit.url, populated).items():
        page.goto(f"{visit.url}{path}")
        expect(page.locator("h1")).to_have_count(1)
        current = page.locator("header nav [aria-current=page]")
        assert current.all_inner_texts() == ([section] if section else []), path
        if "?" not in path:
            assert titles.setdefault(page.title(), page.url) == page.url, path
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to content")
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()


def test_the_theme_is_there_from_the_first_byte(visit: Visit) -> None:
    page = visit.page
    colours = {}
    for button, theme in (("Light", "light"), ("Dark", "dark")):
        page.goto(f"{visit.url}/account/")
        with page.expect_navigation():
            page.get_by_role("button", name=button, exact=True).click()
        answer = page.reload()
        assert answer
        assert f'data-theme="{theme}"' in answer.text()
        colours[theme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colours["light"] != colours["dark"]


#: Bytes on the wire of CSS, scripts and font of a first visit, and requests of it that are no pictures.
_COLD_BYTES, _COLD_REQUESTS = 100_000, 8


def test_a_first_visit_is_light(installation: Installation, browser: Browser, populated: Populated) -> None:
    with signed_in(installation, browser) as known:
        cookies = known.page.context.cookies()
    for path in ("/", populated.job_path, populated.dataset_path):
        context = browser.new_context()
        context.add_cookies([{"name": c["name"], "value": c["value"], "url": installation.url} for c in cookies])
        sent = requests_of(context.new_page(), f"{installation.url}{path}")
        loaded = [request for request in sent if request.resource_type not in ("image", "other", "xhr", "fetch")]
        assert len(loaded) <= _COLD_REQUESTS, (path, [request.url for request in loaded])
        kept = [request for request in loaded if request.resource_type in ("stylesheet", "script", "font")]
        assert {request.resource_type for request in kept} == {"stylesheet", "script", "font"}
        assert sum(request.sizes()["responseBodySize"] for request in kept) <= _COLD_BYTES, path
        context.close()


def requests_of(page: Page, url: str) -> list[Request]:
    """What was loaded until nothing more came."""
    sent: list[Request] = []
    page.on("requestfinished", lambda request: sent.append(request))
    page.goto(url, wait_until="networkidle")
    return sent


def test_only_sign_in_and_health_are_open_to_strangers(
    browser: Browser, installation: Installation, populated: Populated
) -> None:
    context = browser.new_context()
    page = context.new_page()
    for path in ("/", "/jobs/", "/system/", "/account/", populated.job_path, populated.dataset_path, "/admin/"):
        page.goto(f"{installation.url}{path}")
        assert "/login/" in page.url, path
    answer = page.goto(f"{installation.url}/healthz")
    assert answer
    assert answer.status == 200
    assert violations_of_sign_in(page, installation) == []
    context.close()


def violations_of_sign_in(page: Page, installation: Installation) -> list[str]:
    page.goto(f"{installation.url}/login/")
    return violations(page)
