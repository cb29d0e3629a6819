"""Long lists of addresses: stored bit by bit, started when they are whole, and nothing half done whatever happens."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from conftest import wait_until
from datasets.models import Dataset
from jobs import listing, planner, scheduler, services
from jobs.crawl.url_list import UrlListError, lines_of, parse_url_list
from jobs.listing import BATCH_ROWS
from jobs.models import Job, ListedUrl, Status
from jobs.services import Refused
from jobs.spec import MAX_KEYWORDS, InvalidSpec
from jobs.tests.factories import JobFactory, ListedUrlFactory
from jobs.tests.test_crawl import submit

pytestmark = pytest.mark.django_db(transaction=True)

#: Two batches and a bit.
LINES = 2 * BATCH_ROWS + 10


def addresses(count: int = LINES) -> Iterator[str]:
    for number in range(count):
        yield f"https://photos.example/{number}.jpg"


def with_a_look(look: Callable[[], object], *, after: int = BATCH_ROWS + 1) -> Iterator[str]:
    """Such a list; `look` is called when the first batch is stored and the list goes on."""
    for number, address in enumerate(addresses()):
        if number == after:
            look()
        yield address


def submit_list(lines: Iterator[str], **changes: object) -> Job:
    return submit(keywords=(), sources=("urls",), url_list=lines, **changes)


def test_a_long_list_is_whole_and_in_order_before_its_job_starts() -> None:
    job = submit_list(addresses())

    assert (job.has_whole_list, job.listed_count, job.status) == (True, LINES, Status.PENDING)
    stored = ListedUrl.objects.filter(job=job).order_by("position").values_list("label", "position", "url")
    assert list(stored) == [("Photos", number, address) for number, address in enumerate(addresses())]
    assert planner.plan(job.pk)
    assert job.targets.get().label == "Photos"


def test_labels_keep_their_own_order_over_the_batches() -> None:
    lines = ["url,label", *(f"{address},{'even' if n % 2 == 0 else 'odd'}" for n, address in enumerate(addresses()))]

    job = submit_list(iter(lines))

    assert sorted(job.targets.values_list("label", flat=True)) == ["even", "odd"]
    odd = ListedUrl.objects.filter(job=job, label="odd").order_by("position").values_list("position", "url")
    assert list(odd) == list(enumerate(address for n, address in enumerate(addresses()) if n % 2))


def test_a_job_whose_list_comes_in_is_shown_and_not_started(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ana"))
    pages = []

    def look() -> None:
        job = Job.objects.get()
        # Other writers need not wait for the whole list.
        assert not connection.in_atomic_block
        assert not planner.plan(job.pk)
        assert scheduler.sweep().rung == 0
        pages.append(client.get(job.get_absolute_url()).content.decode())
        pages.append(client.get("/").content.decode())

    submit_list(with_a_look(look))

    job_page, overview = pages
    assert f"storing the list: {BATCH_ROWS:,} addresses so far" in job_page
    assert "Storing the list" in overview


def test_a_second_submit_gets_the_job_whose_list_comes_in() -> None:
    seen = []

    job = submit_list(
        with_a_look(lambda: seen.append(submit_list(addresses(3), submit_key="form-1"))), submit_key="form-1"
    )

    assert seen == [job]
    assert (Job.objects.count(), job.listed_urls.count()) == (1, LINES)


def test_two_browsers_at_once_store_one_list() -> None:
    barrier = threading.Barrier(2)
    jobs = []

    def send() -> None:
        try:
            barrier.wait()
            jobs.append(submit_list(addresses(), submit_key="form-1"))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert jobs == [Job.objects.get()] * 2
    assert ListedUrl.objects.count() == LINES


def test_an_invalid_line_late_in_the_list_leaves_nothing_behind() -> None:
    lines = ["url,label", *(f"{address},x" for address in addresses()), ",x"]

    with pytest.raises(InvalidSpec, match=f"Line {LINES + 2} of the list has no address") as refusal:
        submit_list(iter(lines))

    assert refusal.value.field == "urls"
    assert not any(model.objects.exists() for model in (Job, ListedUrl, Dataset))


def test_an_invalid_line_leaves_a_dataset_that_was_there() -> None:
    there = Dataset.objects.create(name="Photos", slug="photos")

    with pytest.raises(InvalidSpec):
        submit_list(iter(["url,label", *(f"{address},x" for address in addresses()), ",x"]))

    assert list(Dataset.objects.all()) == [there]


def test_too_many_labels_are_refused() -> None:
    lines = ["url,label", *(f"{address},{n}" for n, address in enumerate(addresses(MAX_KEYWORDS + 1)))]

    with pytest.raises(InvalidSpec, match="more than 10,000 labels"):
        submit_list(iter(lines))

    assert not Job.objects.exists()


def test_a_list_whose_process_was_killed_ends_as_failed_and_is_removed(
    process_environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    pipe = tmp_path / "list"
    os.mkfifo(pipe)
    command = [sys.executable, "manage.py", "crawl", "Photos", "--source", "urls", "--urls-file", str(pipe)]
    process = subprocess.Popen([*command, "--per-label", "5"], env=process_environment, cwd=settings.BASE_DIR)
    with pipe.open("w") as output:
        output.writelines(f"{address}\n" for address in addresses())
        output.flush()
        wait_until(lambda: Job.objects.filter(listed_count__gte=BATCH_ROWS).exists())
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert scheduler.sweep().lists_given_up == 0, "its lease has not run out"

    Job.objects.update(list_lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert scheduler.sweep().lists_given_up == 1

    job = Job.objects.get()
    assert (job.status, job.submit_key, job.listed_count) == (Status.FAILED, None, 0)
    assert "addresses broke off after" in job.summary
    assert "Submit the list again." in job.summary
    assert not ListedUrl.objects.exists()
    with pytest.raises(Refused, match="never whole"):
        services.retry_job(job_id=job.pk, by=None)


def test_a_list_that_breaks_off_by_itself_fails_its_job_at_once() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit_list(with_a_look(interrupted), submit_key="form-1")

    assert (Job.objects.get().status, Job.objects.get().submit_key) == (Status.FAILED, None)
    again = submit_list(addresses(), submit_key="form-1")
    assert again.has_whole_list


def test_a_cancel_while_the_list_comes_in_ends_the_job(client: Client) -> None:
    job = submit_list(with_a_look(lambda: services.cancel_job(job_id=Job.objects.get().pk, by=None)))

    assert job.status == Status.CANCELLED
    scheduler.sweep()
    assert not ListedUrl.objects.exists()
    client.force_login(User.objects.create_superuser("ana"))
    assert client.get(job.get_absolute_url()).context["view"].retry_word == ""


def test_a_submitter_that_was_given_up_stores_nothing_more() -> None:
    def given_up() -> None:
        Job.objects.update(list_lease_expires_at=timezone.now() - timedelta(seconds=1))
        assert listing.end_abandoned() == 1

    job = submit_list(with_a_look(given_up))

    assert job.status == Status.FAILED
    assert not ListedUrl.objects.exists()


def test_rows_of_whole_lists_are_never_removed() -> None:
    kept = ListedUrlFactory.create(job=JobFactory.create(status=Status.CANCELLED, listed_count=1))

    listing.end_abandoned()

    assert ListedUrl.objects.get() == kept


def test_the_database_refuses_to_start_a_job_without_its_whole_list() -> None:
    job = JobFactory.create(list_lease_expires_at=timezone.now())

    with pytest.raises(IntegrityError, match="job_starts_with_its_whole_list"), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(status=Status.PROCESSING)


def test_a_file_without_line_breaks_is_read_piece_by_piece(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("x" * 1_000_000)

    with file.open() as lines:
        assert len(next(lines_of(lines))) < 100_000
    with file.open() as lines, pytest.raises(UrlListError, match="longer than 65,536 characters"):
        list(parse_url_list(lines_of(lines), default_label="x"))


@pytest.mark.parametrize("body", ["url,label\nhttps://a.example/1.jpg,Hündin\n".encode("latin-1"), b"\xff\xd8\xff\xe0"])
def test_an_uploaded_file_that_is_no_list_is_refused(client: Client, body: bytes) -> None:
    client.force_login(User.objects.create_superuser("ana"))
    file = SimpleUploadedFile("list.csv", body)
    form = {"dataset": "Photos", "sources": ["urls"], "per_label": "5", "min_size": "64x64", "urls_file": file}

    response = client.post(reverse("crawl-new"), form)

    assert response.status_code == 422
    assert "It has to be text in UTF-8" in response.content.decode()
    assert not Job.objects.exists()


def test_an_uploaded_list_is_stored_from_its_file(client: Client, settings: Settings) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    client.force_login(User.objects.create_superuser("ana"))
    file = SimpleUploadedFile("list.txt", "".join(f"{address}\n" for address in addresses()).encode())
    form = {"dataset": "Photos", "sources": ["urls"], "per_label": "5", "min_size": "64x64", "urls_file": file}

    response = client.post(reverse("crawl-new"), form)

    job = Job.objects.get()
    assert response["Location"] == job.get_absolute_url()
    assert (job.listed_count, job.has_whole_list) == (LINES, True)
