"""What a crawl left behind: facets of the gallery, charts of the report, a retry on the job's page and in the admin."""

import re

import pytest
from playwright.sync_api import expect

from jobs.tests.photoweb import PhotoWeb
from jobs.tests.stored import file, scene
from pixcrawler.tests.browser.conftest import Installation, Populated, Visit
from pixcrawler.tests.browser.test_first_crawl import number

pytestmark = pytest.mark.browser


def job_of(installation: Installation, dataset: str, *keywords: str) -> str:
    """The address of a crawl of the loopback web that has ended."""
    asked = [part for keyword in keywords for part in ("--keyword", keyword)]
    told = installation.manage(
        "crawl", dataset, *asked, "--source", "openverse", "--per-label", "5", "--wait", "--json", may_fail=True
    )
    found = re.search(r'"job": (\d+)', told)
    assert found, told
    return f"{installation.url}/jobs/{found[1]}/"


@pytest.fixture
def half_refused(installation: Installation, photos: PhotoWeb) -> str:
    """A job of two chunks: one was refused by its source, one found a picture."""
    words = f"answered {len(photos.listed)}"
    photos.add_photo(f"/half/{len(photos.listed)}.jpg", file(scene(2000 + len(photos.listed))), words=words)
    photos.refused["refused words"] = 400
    return job_of(installation, f"Half {len(photos.listed)}", words, "refused words")


def test_facets_count_what_they_show_and_an_address_is_a_view(visit: Visit, populated: Populated) -> None:
    page = visit.page
    page.goto(f"{visit.url}{populated.dataset_path}")
    facets = page.locator(".facet li label", has=page.locator(".n")).all()
    told = []
    for facet in facets:
        box = facet.locator("input")
        counted = int(facet.locator(".n").inner_text().replace(",", ""))
        told.append((box.get_attribute("name"), box.get_attribute("value"), counted))
    assert len(told) >= 4
    for name, value, count in told:
        page.goto(f"{visit.url}{populated.dataset_path}?{name}={value}")
        expect(page.locator("#found strong")).to_have_text(str(count))
        expect(page.locator("a.tile")).to_have_count(count)
        expect(page.locator(f'input[name="{name}"][value="{value}"]')).to_be_checked()


def test_charts_of_the_report_have_names_and_numbers_that_add_up(visit: Visit, populated: Populated) -> None:
    page = visit.page
    page.goto(f"{visit.url}{populated.dataset_path}report/")
    assert page.locator("svg[role=img]:not([aria-label]):not([aria-labelledby])").count() == 0
    report = page.request.get(f"{visit.url}{populated.dataset_path}report.json").json()
    page.goto(f"{visit.url}{populated.dataset_path}")
    kept = int(page.locator("#found strong").inner_text().replace(",", ""))
    assert report["kept"] == kept
    for shares in ("by_label", "by_licence", "by_format", "by_source"):
        assert sum(share["count"] for share in report[shares]) == kept, shares


def test_a_failed_chunk_says_why_and_waits_again_after_a_retry(visit: Visit, half_refused: str) -> None:
    page = visit.page
    page.goto(half_refused)
    trouble = page.get_by_role("region", name="Needs attention").get_by_role("listitem")
    expect(trouble).to_contain_text("stopped")
    expect(trouble).to_contain_text("does not accept this search")
    expect(page.get_by_role("row", name=re.compile("refused words"))).to_contain_text("stopped")
    trouble.get_by_role("button", name="Retry this").click()
    expect(page.locator(".note[role=status]")).to_contain_text("Retry is under way.")
    expect(page.get_by_role("row", name=re.compile("refused words"))).not_to_contain_text("stopped", timeout=2_000)


def test_the_admin_retries_just_what_failed_and_links_to_the_job(
    visit: Visit, half_refused: str, photos: PhotoWeb
) -> None:
    page = visit.page
    job = half_refused.strip("/").split("/")[-1]
    page.goto(half_refused)
    kept = number(page, "kept")
    del photos.refused["refused words"]
    photos.add_photo(f"/again/{job}.jpg", file(scene(3000 + int(job))), words="refused words")
    page.goto(f"{visit.url}/admin/jobs/job/")
    page.locator(f'input[name="_selected_action"][value="{job}"]').check()
    page.locator("select[name=action]").select_option("retry")
    before = photos.hits["/v1/images/"]
    page.get_by_role("button", name="Go", exact=False).first.click()
    expect(page.locator(".messagelist")).to_contain_text("Retried 1.")
    page.locator(".messagelist").get_by_role("link", name=f"Job {job}").click()
    expect(page).to_have_url(half_refused)
    expect(page.locator("h1")).to_contain_text("Finished", timeout=20_000)
    assert number(page, "kept") == kept + 1
    assert photos.hits["/v1/images/"] == before + 1, "more than the failed chunk was asked again"
