"""A ZIP file that is uploaded is crawled label by label, and gone when no job may read it any more."""

import io
import os
import stat
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from datasets.models import Dataset, Image
from datasets.tests.object_store import ObjectStore
from datasets.tests.pictures import encoded, noisy
from jobs import crawl_services, housekeeping, look_services, pace, planner, purge, services, uploads
from jobs.crawl_services import CrawlRequest
from jobs.models import Job, ListedUrl, Status
from jobs.spec import CrawlSpec, InvalidSpec
from jobs.tests.crawl.zips import encrypted, packed, with_special
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.uploads import GivenZip

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {"dataset": "Birds", "keywords": "", "sources": [], "per_label": "50", "min_size": "64x64"}


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    """A media folder of the test's own."""
    options = {"location": tmp_path / "media"}
    default = {"BACKEND": "datasets.storage.AtomicFileSystemStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    return tmp_path / "media"


@pytest.fixture(autouse=True)
def due_again() -> Iterator[None]:
    pace.make_due("housekeeping")
    yield
    pace.make_due("housekeeping")


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ana"))
    return client


def picture(seed: int) -> bytes:
    return encoded(noisy(90, 80, seed=seed))


def birds() -> bytes:
    """Three labels: pictures in two folders and beside them, a copy, a damaged one, and what is passed over."""
    body = packed(
        [
            ("robin/1.jpg", picture(1)),
            ("robin/young/2.jpg", picture(2)),
            ("robin/copy.jpg", picture(1)),
            ("wren/1.jpg", picture(3)),
            ("wren/1.jpg", picture(4)),
            ("wren/damaged.jpg", b"\xff\xd8\xff no picture"),
            ("alone.jpg", picture(5)),
            ("../../slipped.jpg", picture(6)),
            ("notes.txt", b"no picture"),
            (".hidden.jpg", picture(7)),
        ]
    )
    return with_special(body, "link.jpg", stat.S_IFLNK)


def given(body: bytes, name: str = "birds.zip") -> GivenZip:
    return GivenZip(file=io.BytesIO(body), name=name)


def submit(body: bytes | None = None, **changes: object) -> Job:
    asked = {"dataset": "Birds", "keywords": (), "sources": ("folder",), "per_label": 50, **changes}
    zip_file = given(birds() if body is None else body)
    return crawl_services.submit_crawl(CrawlRequest(**asked, upload=zip_file), by=None)  # type: ignore[arg-type]


def stored() -> list[str]:
    """The files that are kept of uploads, wherever."""
    try:
        return storages["default"].listdir("uploads")[1]
    except FileNotFoundError:
        return []


def upload(name: str = "birds.zip", body: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, birds() if body is None else body, content_type="application/zip")


def aged(job: Job, days: float) -> None:
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=days))


def assert_birds_are_kept(job: Job) -> None:
    assert_ledger_holds(job)
    assert (job.status, job.found, job.kept, job.duplicate, job.rejected) == (Status.COMPLETED, 8, 6, 1, 1), job.summary
    kept = Image.objects.order_by("label", "source_id").values_list("label", "source_id", "source", "licence_code")
    assert list(kept) == [
        ("Birds", "../../slipped.jpg", "folder", "unknown"),
        ("Birds", "alone.jpg", "folder", "unknown"),
        ("robin", "robin/1.jpg", "folder", "unknown"),
        ("robin", "robin/young/2.jpg", "folder", "unknown"),
        ("wren", "wren/1.jpg", "folder", "unknown"),
        ("wren", "wren/1.jpg", "folder", "unknown"),
    ]


# -- from the form to the images -----------------------------------------------------------------------------------


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_zip_file_of_the_form_is_crawled_by_its_folders(page: Client, settings: Settings, in_memory: bool) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10_000_000 if in_memory else 0

    response = page.post(reverse("crawl-new"), {**FORM, "zip_file": upload()})

    job = Job.objects.get()
    assert response["Location"] == job.get_absolute_url()
    assert sorted(job.targets.values_list("label", flat=True)) == ["Birds", "robin", "wren"]
    assert stored() == [f"{job.spec['upload']['token']}.zip"]
    assert_birds_are_kept(drain(job))
    told = page.get(job.get_absolute_url()).content.decode()
    assert "birds.zip holds 8 pictures in 3 labels. Passed over: " in told
    for what in ("1 files not named like a picture", "1 hidden files", "1 links and special files"):
        assert what in told


def test_pictures_in_no_folder_get_the_label_of_the_keywords() -> None:
    job = drain(submit(packed({"1.jpg": picture(1)}), keywords=("bird: robin, wren",)))

    assert_ledger_holds(job)
    assert list(Image.objects.values_list("label", "keyword")) == [("bird", "bird")]


def test_other_sources_are_searched_beside_it_and_lists_too() -> None:
    job = submit(keywords=("robin",), sources=("sample", "urls"), url_list=["https://a.example/1.jpg"])
    spec = CrawlSpec.from_json(job.spec)

    assert spec.sources == ("sample", "urls", "folder")
    lanes = [(lane.label, lane.keyword, lane.source) for lane in spec.lanes]
    assert lanes == [
        ("robin", "robin", "sample"),
        ("robin", "robin", "urls"),
        ("robin", "robin", "folder"),
        ("wren", "wren", "folder"),
    ]
    assert [lane.source for lane in spec.lanes_of("wren")] == ["folder"]
    assert [lane.source for lane in spec.lanes_of("robin")] == ["sample", "urls", "folder"]
    assert ListedUrl.objects.get().label == "robin"


def test_nothing_of_a_name_becomes_a_file(media: Path, tmp_path: Path) -> None:
    drain(submit(packed({"../../slipped.jpg": picture(1), "/abs.jpg": picture(2), "a\\..\\b.jpg": picture(3)})))

    assert Image.objects.count() == 3
    assert {path.name for path in tmp_path.iterdir()} == {"media"}
    assert {path.name for path in media.iterdir()} == {"originals", "thumbs", "uploads"}


def test_a_long_archive_is_read_page_by_page_and_chunk_by_chunk() -> None:
    body = packed([(f"robin/{n:03}.jpg", picture(n) if n % 50 == 0 else b"no picture") for n in range(450)])

    job = drain(submit(body))

    assert_ledger_holds(job)
    assert (job.found, job.kept, job.rejected) == (450, 9, 441)


def test_a_dry_run_counts_and_keeps_nothing() -> None:
    job = drain(submit(dry_run=True))

    assert sorted(job.chunks.values_list("label", "listed")) == [("Birds", 2), ("robin", 3), ("wren", 3)]
    assert not Image.objects.exists()


def test_a_dry_run_is_started_for_real_with_its_file() -> None:
    dry = drain(submit(dry_run=True))

    job = look_services.start_for_real(job_id=dry.pk, by=None)

    assert CrawlSpec.from_json(job.spec).upload == CrawlSpec.from_json(dry.spec).upload
    assert len(stored()) == 1
    aged(dry, 40)
    purge.old_jobs(timedelta(days=30), by=None, dry_run=False)
    assert_birds_are_kept(drain(job))


def test_a_dry_run_whose_file_is_gone_says_so() -> None:
    dry = drain(submit(dry_run=True))
    aged(dry, 4)
    old(stored()[0])
    uploads.remove_unwanted()

    with pytest.raises(InvalidSpec, match=r"not kept any more.*Start a new crawl with it"):
        look_services.start_for_real(job_id=dry.pk, by=None)


def test_a_form_that_is_sent_twice_keeps_one_file(page: Client) -> None:
    for _ in range(2):
        page.post(reverse("crawl-new"), {**FORM, "submit_key": "k1", "zip_file": upload()})

    assert Job.objects.count() == len(stored()) == 1


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"%PDF-1.4 no ZIP file", "birds.zip was not taken. The file cannot be read as a ZIP file"),
        (birds()[:-30], "Pack the pictures again"),
        (encrypted(birds()), "is encrypted, and its password is not known here. Pack it without one."),
        (packed({"0.jpg": bytes(9_000_000)}, method=zipfile.ZIP_DEFLATED), "200 times its size"),
        (packed({"notes.txt": b"", "__MACOSX/1.jpg": b""}), "birds.zip holds no pictures. Taken are JPEG"),
    ],
    ids=["no-zip", "cut", "password", "bomb", "no-pictures"],
)
def test_a_hostile_file_is_refused_at_the_door_in_words(page: Client, body: bytes, told: str) -> None:
    response = page.post(reverse("crawl-new"), {**FORM, "zip_file": upload(body=body)})

    assert response.status_code == 422
    assert told in response.content.decode()
    assert response.context["form"].errors["zip_file"]
    assert not Job.objects.exists()
    assert not Dataset.objects.exists()
    assert stored() == []


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_file_above_the_limit_is_cut_on_its_way_and_refused(
    page: Client, settings: Settings, in_memory: bool
) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10_000_000 if in_memory else 0
    settings.MAX_UPLOAD_BYTES = 300_000
    body = packed({"1.jpg": os.urandom(900_000)})

    response = page.post(reverse("crawl-new"), {**FORM, "zip_file": upload(body=body)})

    assert response.status_code == 422
    assert response.context["form"].files["zip_file"].size == 300_001
    text = response.content.decode()
    assert "The ZIP file is larger than 0.3 MB, the most that is taken here. Split it" in text
    assert "PIXCRAWLER_MAX_UPLOAD_BYTES" in text
    # What came behind the file in the form was read all the same.
    assert response.context["form"].cleaned_data["dataset"] == "Birds"


def test_a_list_above_the_limit_is_refused_and_never_cut(page: Client, settings: Settings) -> None:
    settings.MAX_UPLOAD_BYTES = 1_000
    listed = SimpleUploadedFile("list.txt", b"https://a.example/1.jpg\n" * 100)

    response = page.post(reverse("crawl-new"), {**FORM, "sources": ["urls"], "urls_file": listed})

    assert response.status_code == 422
    assert "The list is larger than 0.0 MB" in response.content.decode()
    assert not Job.objects.exists()


def test_files_of_the_limit_are_taken(page: Client, settings: Settings) -> None:
    settings.MAX_UPLOAD_BYTES = len(birds())

    assert page.post(reverse("crawl-new"), {**FORM, "zip_file": upload()}).status_code == 302


def test_a_crawl_that_is_refused_for_another_reason_keeps_no_file(page: Client) -> None:
    response = page.post(reverse("crawl-new"), {**FORM, "zip_file": upload(), "sources": ["openverse"]})
    listed = {"sources": ["urls"], "urls": "url,label\n,robin"}
    broken = page.post(reverse("crawl-new"), {**FORM, "zip_file": upload(), **listed})

    assert (response.status_code, broken.status_code) == (422, 422)
    assert "Give at least one keyword" in response.content.decode()
    assert not Job.objects.exists()
    assert stored() == []


def test_a_store_that_is_full_or_away_is_told_in_the_form(page: Client, media: Path) -> None:
    media.write_text("no folder")

    response = page.post(reverse("crawl-new"), {**FORM, "zip_file": upload()})

    assert response.status_code == 422
    assert "The ZIP file could not be stored. The media store could not write" in response.content.decode()


def test_too_many_folders_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_KEYWORDS", 2)

    with pytest.raises(InvalidSpec, match=r"more than 2 folders, and each is a label\. Split"):
        submit()


def test_the_field_has_a_label_a_hint_and_needs_no_script(page: Client) -> None:
    text = page.get(reverse("crawl-new")).content.decode()

    assert '<label for="id_zip_file">' in text
    assert 'id="id_zip_file" name="zip_file"' in text
    assert 'aria-describedby="id_zip_file-h"' in text
    assert "250.0 MB at most." in text
    assert 'enctype="multipart/form-data"' in text


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command_takes_a_file_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "birds.zip"
    path.write_bytes(birds())

    call_command("crawl", "Birds", "--source", "folder", "--zip", str(path), "--per-label", "50", stdout=io.StringIO())

    path.unlink()
    assert_birds_are_kept(drain(Job.objects.get()))


@pytest.mark.parametrize("content", [None, b"no ZIP file"])
def test_the_command_names_what_is_wrong_with_the_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "birds.zip"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CommandError, match=r"^zip: .*birds\.zip") as refused:
        call_command("crawl", "Birds", "--source", "folder", "--zip", str(path), "--per-label", "50")
    assert refused.value.returncode == 2


# -- how long it is kept -------------------------------------------------------------------------------------------


def test_it_stays_while_a_retry_or_top_up_may_want_it_and_goes_then() -> None:
    job = drain(submit(per_label=1))
    old(stored()[0])
    housekeeping.housekeeping()
    aged(job, 2.9)
    assert uploads.remove_unwanted() == 0
    services.top_up(job_id=job.pk, images=49, by=None)
    assert Job.objects.get().status == Status.PENDING
    assert uploads.remove_unwanted() == 0
    job = drain(job)
    assert job.kept == 6
    aged(job, 3.1)

    pace.make_due("housekeeping")
    housekeeping.housekeeping()

    assert stored() == []


def test_a_retry_after_that_says_what_to_do() -> None:
    job = submit()
    services.cancel_job(job_id=job.pk, by=None)
    aged(job, 4)
    old(stored()[0])
    assert uploads.remove_unwanted() == 1

    services.retry_job(job_id=job.pk, by=None)
    job = drain(job)

    assert_ledger_holds(job)
    assert job.status == Status.FAILED
    assert "The uploaded ZIP file is there no more" in job.chunks.values_list("error", flat=True)[0]


def test_it_goes_with_a_purge_of_its_job() -> None:
    ended, running = drain(submit()), submit(dataset="Others")
    aged(ended, 40)

    purge.old_jobs(timedelta(days=30), by=None, dry_run=True)
    assert len(stored()) == 2
    purge.old_jobs(timedelta(days=30), by=None, dry_run=False)

    assert stored() == [f"{running.spec['upload']['token']}.zip"]


def test_what_another_job_reads_stays() -> None:
    ended = drain(submit())
    again = Job.objects.create(dataset=ended.dataset, spec=ended.spec)
    aged(ended, 40)

    purge.old_jobs(timedelta(days=30), by=None, dry_run=False)

    assert stored() == [f"{again.spec['upload']['token']}.zip"]


def test_what_no_job_names_goes_after_a_day_and_what_is_not_ours_stays(media: Path) -> None:
    job = submit()
    Job.objects.filter(pk=job.pk).delete()
    for name in (f".{'0' * 32}.zip.abcdef012345.tmp", "kept-by-hand.zip"):
        (media / "uploads" / name).write_bytes(b"")
        old(name)
    assert uploads.remove_unwanted() == 1
    assert len(stored()) == 2

    old(next(name for name in stored() if name != "kept-by-hand.zip"))

    assert uploads.remove_unwanted() == 1
    assert stored() == ["kept-by-hand.zip"]


def old(name: str) -> None:
    """Lets the file be two days old."""
    path = storages["default"].path(f"uploads/{name}")
    then = os.stat(path).st_mtime - 2 * 86_400
    os.utime(path, (then, then))


@pytest.mark.parametrize("token", ["", "../../etc/passwd", "a" * 32 + "/x", "A" * 32])
def test_no_token_but_ours_becomes_a_path(token: str) -> None:
    job = Job(spec={"upload": {"token": token, "root_label": "a", "labels": ["a"], "told": ""}})

    with pytest.raises(ValueError, match="is not the name of an upload"):
        uploads.archive_of(job)


def test_a_worker_that_finds_a_damaged_file_says_so(media: Path) -> None:
    job = submit()
    (media / "uploads" / stored()[0]).write_bytes(birds()[:200])

    job = drain(job)

    assert job.status == Status.FAILED
    assert "cannot be read as a ZIP file" in job.chunks.values_list("error", flat=True)[0]


# -- in a bucket ---------------------------------------------------------------------------------------------------


class TestInABucket:
    """Web and workers share no folder: the file lies in the bucket, and is read there piece by piece."""

    @pytest.fixture(autouse=True)
    def bucket(self, media: Path, request: pytest.FixtureRequest) -> ObjectStore:
        """After the folder, which is set up for every test."""
        assert not media.exists()
        store: ObjectStore = request.getfixturevalue("object_store")
        return store

    @pytest.mark.parametrize("in_memory", [True, False])
    def test_it_is_stored_crawled_and_purged(
        self, page: Client, bucket: ObjectStore, settings: Settings, media: Path, in_memory: bool
    ) -> None:
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10_000_000 if in_memory else 0
        page.post(reverse("crawl-new"), {**FORM, "zip_file": upload()})
        job = Job.objects.get()
        name = f"birds/media/uploads/{job.spec['upload']['token']}.zip"
        assert bucket.names() == {name}
        assert not media.exists()

        assert_birds_are_kept(drain(job))
        aged(job, 40)
        purge.old_jobs(timedelta(days=30), by=None, dry_run=False)

        assert name not in bucket.names()

    def test_a_large_file_is_not_fetched_whole_for_every_chunk(self) -> None:
        job = submit(packed({f"{label}/{n}.jpg": os.urandom(500_000) for label in "abc" for n in range(3)}))
        asked: list[int] = []
        storage = storages["default"]
        read_range = storage.read_range  # type: ignore[attr-defined]

        def counted(name: str, start: int, end: int) -> bytes:
            asked.append(end - start)
            return read_range(name, start, end)  # type: ignore[no-any-return]

        storage.read_range = counted  # type: ignore[attr-defined]
        job = drain(job)

        assert (job.found, job.rejected) == (9, 9)
        # Three chunks read a third of 4.5 MB each, and the list at its end; a window of a megabyte is asked for.
        assert sum(asked) < 15_000_000
        assert max(asked) <= 1_100_000

    def test_a_store_that_is_away_fails_the_chunk_with_its_words(self, bucket: ObjectStore) -> None:
        job = submit()
        planner.plan(job.pk)
        bucket.stop()
        try:
            job = drain(job)
        finally:
            bucket.start()

        assert job.status == Status.FAILED
        assert "does not answer" in job.chunks.values_list("error", flat=True)[0]
        services.retry_job(job_id=job.pk, by=None)
        assert_birds_are_kept(drain(job))

    def test_one_that_was_never_finished_or_wanted_goes(
        self, bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit()
        Job.objects.all().delete()
        assert uploads.remove_unwanted() == 0
        monkeypatch.setattr(uploads, "_GRACE_S", -60)

        assert uploads.remove_unwanted() == 1
        assert bucket.names() == set()
