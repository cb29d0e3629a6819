"""Pictures in folders and ZIP files of the server."""

import json
import os
import zipfile
from pathlib import Path

import pytest
from pytest_django import Settings

from datasets.models import Image
from datasets.tests.pictures import encoded, noisy
from jobs import crawl_services
from jobs.crawl.sources import folder
from jobs.crawl.sources.base import LocalSource, Services, SourceBadRequest, SourceConfig, SourceRefused
from jobs.crawl.types import Candidate, Cursor, Fetched, FetchFailure, Query
from jobs.crawl_services import CrawlRequest
from jobs.models import Status
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two folders of birds, one inside the other, and things that are no pictures."""
    root = tmp_path / "allowed"
    for name in (
        "birds/b.jpg",
        "birds/a.JPG",
        "birds/.hidden.jpg",
        "birds/notes.txt",
        "birds/young/c.png",
        "birds/a2.webp",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(noisy(90, 80, seed=len(name))))
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return root


def source_of(*roots: Path) -> LocalSource:
    given = ",".join(str(root) for root in roots)
    return folder.build(SourceConfig(options={"roots": given}), Services())


def listed(source: LocalSource, keyword: str) -> list[Candidate]:
    found: list[Candidate] = []
    cursor: Cursor | None = None
    for _ in range(20):
        page = source.page(Query(keyword=keyword, label="a"), cursor)
        found += page.candidates
        if page.next_cursor is None:
            return found
        cursor = json.loads(json.dumps(page.next_cursor))
    pytest.fail("The list has no end.")


def test_pictures_are_listed_by_name_folder_by_folder_and_read(root: Path) -> None:
    source = source_of(root)
    found = listed(source, "birds")
    assert [one.source_id for one in found] == ["a.JPG", "a2.webp", "b.jpg", "young/c.png"]
    assert [one.rank for one in found] == [0, 1, 2, 3]
    for one in found:
        answer = source.read(one)
        assert isinstance(answer, Fetched)
        assert answer.body == (root / "birds" / one.source_id).read_bytes()
    assert listed(source, str(root / "birds")) == found


def test_a_list_of_many_pages_goes_on_behind_the_last_one_that_was_listed(tmp_path: Path) -> None:
    names = [f"{letter}/{number:03}.jpg" for letter in "abc" for number in range(170)]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [one.source_id for one in listed(source_of(tmp_path), ".")] == names


def test_a_zip_file_is_read_like_a_folder(root: Path) -> None:
    with zipfile.ZipFile(root / "birds.zip", "w") as archive:
        archive.writestr("robin/1.jpg", b"one")
        archive.writestr("robin/notes.txt", b"no")
        archive.writestr("__MACOSX/robin/1.jpg", b"no")
        archive.writestr("0.png", b"nought")
    source = source_of(root)
    found = listed(source, "birds.zip")
    assert [one.source_id for one in found] == ["0.png", "robin/1.jpg"]
    bodies = [answer.body for one in found if isinstance(answer := source.read(one), Fetched)]
    assert bodies == [b"nought", b"one"]


def test_nothing_leads_out_of_the_allowed_folders(root: Path) -> None:
    source = source_of(root)
    outside = root.parent / "secret.jpg"
    (root / "birds" / "link.jpg").symlink_to(outside)
    (root / "way_out").symlink_to(root.parent)
    for keyword in ("..", "../", "birds/../..", str(root.parent), "way_out", "/etc", "birds/a.JPG", "no\0thing"):
        with pytest.raises(SourceBadRequest, match="PIXCRAWLER_FOLDER_ROOTS"):
            listed(source, keyword)
    for address in (f"folder:{outside}", f"folder:{root / 'birds' / 'link.jpg'}", f"folder:{root}/../secret.jpg"):
        assert isinstance(source.read(Candidate(url=address, source="folder")), FetchFailure)


def test_what_is_no_plain_file_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    writer = os.open(root / "pipe.jpg", os.O_RDWR)
    try:
        answer = source_of(root).read(Candidate(url=f"folder:{root / 'pipe.jpg'}", source="folder"))
    finally:
        os.close(writer)
    assert isinstance(answer, FetchFailure)


def test_a_file_that_unpacks_to_more_than_is_allowed_is_refused(root: Path) -> None:
    with zipfile.ZipFile(root / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", bytes(30 * 1024 * 1024))
    source = source_of(root)
    answer = source.read(listed(source, "bomb.zip")[0])
    assert isinstance(answer, FetchFailure)
    assert answer.reason == "too_large"


def test_a_broken_zip_file_says_so(root: Path) -> None:
    (root / "broken.zip").write_bytes(b"PK but no more")
    with pytest.raises(SourceBadRequest, match=r"broken\.zip"):
        listed(source_of(root), "broken.zip")


def test_without_an_allowed_folder_it_is_off_and_says_what_to_set() -> None:
    with pytest.raises(SourceRefused, match="PIXCRAWLER_FOLDER_ROOTS"):
        listed(source_of(), "birds")


@pytest.mark.django_db(transaction=True)
def test_a_folder_is_crawled_and_keeps_to_the_law_of_the_ledger(root: Path, settings: Settings) -> None:
    settings.SOURCE_SETTINGS = {**settings.SOURCE_SETTINGS, "PIXCRAWLER_FOLDER_ROOTS": str(root)}
    (root / "birds" / "copy.jpg").write_bytes((root / "birds" / "b.jpg").read_bytes())
    (root / "birds" / "damaged.jpg").write_bytes(b"\xff\xd8\xff no picture")

    request = CrawlRequest(dataset="Birds", keywords=("bird: birds",), sources=("folder",), per_label=50)
    job = drain(crawl_services.submit_crawl(request, by=None))

    assert_ledger_holds(job)
    assert (job.status, job.found, job.rejected) == (Status.COMPLETED, 6, 1), job.summary
    assert job.kept == Image.objects.count() >= 2
    assert job.kept + job.duplicate == 5
