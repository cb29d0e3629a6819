"""A dataset is taken away: what the page promises is what the archive holds."""

import zipfile
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from playwright.sync_api import expect

from pixcrawler.tests.browser.conftest import Populated, Visit

pytestmark = pytest.mark.browser


def test_an_export_holds_what_its_version_says_and_no_group_of_alikes_in_two_splits(
    visit: Visit, populated: Populated, tmp_path: Path
) -> None:
    page = visit.page
    page.goto(f"{visit.url}{populated.dataset_path}exports/")
    goes_in = page.locator("#preview dd").first
    expect(goes_in).to_be_visible()
    without_unknown = int(goes_in.inner_text())
    page.get_by_text("Take in what stays out").click()
    page.get_by_label("Unknown licences").check()
    expect(goes_in).to_have_text(str(without_unknown + 1))

    page.locator("#export-start").click()
    newest = page.locator("#exports tbody tr").first
    expect(newest).to_contain_text("Finished", timeout=60_000)
    expect(newest).to_contain_text("read back")
    with page.expect_download() as started:
        newest.get_by_role("link", name="Download").click()
    started.value.save_as(tmp_path / "export.zip")

    newest.get_by_role("cell").nth(1).get_by_role("link").click()
    shown = {split: int(page.locator(f"#split-{split}").inner_text()) for split in ("train", "validation", "test")}
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        assert archive.testzip() is None
        pictures = [name for name in archive.namelist() if name.endswith(".jpg")]
        counted = {split: sum(name.startswith(f"{split}/") for name in pictures) for split in shown}
    assert counted == shown
    assert sum(counted.values()) == without_unknown + 1

    page.goto(f"{visit.url}{populated.dataset_path}exports/")
    newest = page.locator("#exports tbody tr").first
    newest.locator("summary").click()
    with page.expect_download() as started:
        newest.get_by_role("link", name="manifest.parquet").click()
    started.value.save_as(tmp_path / "manifest.parquet")
    rows = {row["id"]: row for row in parquet.read_table(tmp_path / "manifest.parquet").to_pylist()}
    alike = [row for row in rows.values() if row["near_duplicate_of"] in rows]
    assert alike
    assert all(row["split"] == rows[row["near_duplicate_of"]]["split"] for row in alike)
