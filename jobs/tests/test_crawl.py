"""Whole crawls over a loopback web: what is kept, what is not, and that the ledger adds up."""

import hashlib
import re

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from datasets import blobs
from datasets.models import Dataset, Image
from datasets.tests.pictures import drawn, encoded, noisy
from jobs import crawl_services, planner, runner, services
from jobs.crawl_services import CrawlRequest
from jobs.models import Finding, Job, Status
from jobs.services import Refused
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb

pytestmark = pytest.mark.django_db(transaction=True)


def submit(**changes: object) -> Job:
    asked = {"dataset": "Photos", "keywords": ("*",), "sources": ("openverse",), "per_label": 50, **changes}
    return crawl_services.submit_crawl(CrawlRequest(**asked), by=None)  # type: ignore[arg-type]


def photo(seed: int) -> bytes:
    return encoded(noisy(90, 80, seed=seed))


def reasons(job: Job) -> dict[str, int]:
    found: dict[str, int] = {}
    for reason in Finding.objects.filter(job=job).exclude(reason="").values_list("reason", flat=True):
        found[reason] = found.get(reason, 0) + 1
    return found


def test_every_listed_photo_is_kept_with_its_origin_and_its_bytes(web: PhotoWeb) -> None:
    for seed in range(23):
        web.add_photo(f"/{seed}.jpg", photo(seed))

    job = drain(submit(per_label=23))

    assert_ledger_holds(job)
    assert (job.status, job.kept, job.summary) == (Status.COMPLETED, 23, "Kept all that was asked for: 23 images.")
    for image in Image.objects.all():
        with blobs.open(image.blob_name) as blob:
            assert hashlib.sha256(blob.read()).hexdigest() == image.sha256
        assert image.sha256 in image.blob_name
        assert image.page_url
        assert (image.creator, image.licence_code, image.licence_version) == ("A. Photographer", "cc-by", "4.0")


def test_a_second_crawl_downloads_nothing_again(web: PhotoWeb) -> None:
    for seed in range(6):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    web.add_photo("/copy.jpg", photo(0))
    drain(submit())
    downloads = {path: n for path, n in web.hits.items() if path.endswith(".jpg")}

    again = drain(submit())

    assert_ledger_holds(again)
    assert (again.kept, again.skipped, reasons(again)) == (0, 7, {"already_in_dataset": 7})
    assert {path: n for path, n in web.hits.items() if path.endswith(".jpg")} == downloads
    assert again.status == Status.COMPLETED
    assert "7 in the dataset already" in again.summary


def test_the_same_bytes_under_two_addresses_are_kept_once(web: PhotoWeb) -> None:
    for copy in ("a", "b"):
        for seed in range(15):
            web.add_photo(f"/{copy}{seed}.jpg", photo(seed))

    job = drain(submit(per_label=25))

    assert_ledger_holds(job)
    assert (job.found, job.kept, job.duplicate) == (30, 15, 15)
    assert "15 with the bytes of an image that was kept" in job.summary


def test_the_target_is_met_exactly_and_the_rest_is_not_found(web: PhotoWeb) -> None:
    for seed in range(30):
        web.add_photo(f"/{seed}.jpg", photo(seed))

    job = drain(submit(per_label=12))

    assert_ledger_holds(job)
    assert (job.found, job.kept) == (12, 12)


def test_what_is_no_sound_picture_is_named_and_counted(web: PhotoWeb) -> None:
    sound = photo(1)
    web.add_photo("/sound.jpg", sound)
    web.add_photo("/cut.jpg", photo(2)[:900])
    web.add_photo("/page.jpg", b"<html>not here</html>")
    web.add_photo("/small.jpg", encoded(noisy(20, 20)))
    web.add_listed("/gone.jpg")
    web.add_photo("/empty.jpg", b"")
    web.add_listed("/x.jpg", url="http://169.254.169.254/latest/meta-data")
    web.add_listed("/y.jpg", url="file:///etc/passwd")

    job = drain(submit())

    assert_ledger_holds(job)
    assert reasons(job) == {
        "truncated": 1,
        "not_an_image": 1,
        "too_small": 1,
        "http_404": 1,
        "empty_body": 1,
        "blocked_address": 1,
        "blocked_scheme": 1,
    }
    assert (job.kept, job.rejected, job.failed) == (1, 5, 2)


def test_an_address_that_is_listed_twice_is_downloaded_once(web: PhotoWeb) -> None:
    for seed in range(3):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    web.listed[""] = web.listed[""] * 2 + [web.listed[""][0]]
    web.add_listed("/gone.jpg")
    web.add_listed("/gone.jpg")

    job = drain(submit())

    assert_ledger_holds(job)
    assert (job.found, job.kept, job.duplicate, job.failed) == (9, 3, 4, 2)
    assert reasons(job) == {"duplicate_url": 4, "http_404": 2}
    assert [web.hits[f"/{seed}.jpg"] for seed in range(3)] == [1, 1, 1]


def test_a_retry_runs_only_what_may_pass_now(web: PhotoWeb) -> None:
    web.add_photo("/good.jpg", photo(1))
    web.add_listed("/gone.jpg")
    web.add_listed("/later.jpg")
    web.pages["/later.jpg"] = lambda before: (503, {}, b"later") if before < 3 else (200, {}, photo(2))
    job = drain(submit())
    assert (job.kept, job.failed, reasons(job)) == (1, 2, {"http_404": 1, "http_5xx": 1})

    services.retry_job(job_id=job.pk, by=None)
    job = drain(job)

    assert_ledger_holds(job)
    assert (job.run, job.found, job.kept, job.failed) == (2, 3, 2, 1)
    assert (web.hits["/good.jpg"], web.hits["/gone.jpg"], web.hits["/later.jpg"]) == (1, 1, 4)
    with pytest.raises(Refused, match="nothing to retry"):
        services.retry_job(job_id=job.pk, by=None)


def test_a_source_that_refuses_fails_its_chunks_and_a_retry_brings_them(web: PhotoWeb) -> None:
    web.add_photo("/good.jpg", photo(1))
    web.pages["/v1/images/"] = lambda _: (401, {"Content-Type": "application/json"}, b'{"detail": "bad token"}')
    job = drain(submit())

    assert_ledger_holds(job)
    assert (job.status, job.found) == (Status.FAILED, 0)
    assert "PIXCRAWLER_OPENVERSE_TOKEN" in job.summary

    del web.pages["/v1/images/"]
    services.retry_job(job_id=job.pk, by=None)
    job = drain(job)
    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, 1)


def test_several_chunks_are_retried_in_one_new_run(web: PhotoWeb) -> None:
    web.add_photo("/good.jpg", photo(1))
    web.pages["/v1/images/"] = lambda _: (403, {}, b"{}")
    job = drain(submit(keywords=("a", "b", "c"), per_label=1))
    del web.pages["/v1/images/"]
    first, second, third = job.chunks.order_by("id")

    services.retry_chunks(job_id=job.pk, chunk_ids={first.pk, second.pk}, by=None)
    job = drain(job)

    assert_ledger_holds(job)
    third.refresh_from_db()
    assert (job.run, job.kept, third.status) == (2, 1, Status.FAILED)


def test_a_retry_shares_what_is_left_among_its_chunks(web: PhotoWeb) -> None:
    for seed in range(20):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    web.pages["/v1/images/"] = lambda _: (403, {}, b"{}")
    job = drain(submit(keywords=("x: a, b",), per_label=20))
    del web.pages["/v1/images/"]

    services.retry_job(job_id=job.pk, by=None)

    assert list(job.chunks.order_by("id").values_list("status", "quota")) == [("pending", 10), ("pending", 10)]
    assert_ledger_holds(drain(job))


def test_a_retry_that_cannot_be_planned_strands_nothing(web: PhotoWeb) -> None:
    web.add_photo("/good.jpg", photo(1))
    web.pages["/v1/images/"] = lambda _: (403, {}, b"{}")
    job = drain(submit(per_label=1))
    del web.pages["/v1/images/"]
    services.retry_job(job_id=job.pk, by=None)

    planner.give_up(job.pk, "Planning failed.", traceback="")

    assert_ledger_holds(job)
    assert job.status == Status.FAILED
    services.retry_job(job_id=job.pk, by=None)
    job = drain(job)
    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, 1)


def test_a_recording_that_is_rolled_back_leaves_no_ghost(web: PhotoWeb) -> None:
    web.add_photo("/one.jpg", photo(1))
    job = submit(per_label=1)
    planner.plan(job.pk)
    with transaction.atomic():
        runner.run_chunk(job.chunks.get().pk)
        transaction.set_rollback(True)
    assert not Image.objects.exists()

    job = drain(job)

    assert_ledger_holds(job)
    assert job.kept == 1


def test_labels_that_nothing_is_searched_for_get_no_target(web: PhotoWeb) -> None:
    url = web.add_photo("/f.jpg", photo(1))
    lines = iter(["url,label", f"{url},f"])

    job = drain(submit(keywords=("cat", "dog"), sources=("urls",), url_list=lines, per_label=1))

    assert (job.targets.get().label, job.summary) == ("f", "Kept all that was asked for: 1 image.")


def test_a_cancelled_job_keeps_what_it_has_and_a_retry_goes_on(web: PhotoWeb) -> None:
    for seed in range(12):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    job = submit(keywords=("a", "b"), per_label=6)

    services.cancel_job(job_id=job.pk, by=None)

    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    with pytest.raises(Refused, match="cancelled already"):
        services.cancel_job(job_id=job.pk, by=None)
    services.retry_job(job_id=job.pk, by=None)
    job = drain(job)
    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, 12)


def test_an_empty_search_is_completed_and_says_so(web: PhotoWeb) -> None:
    job = drain(submit())

    assert_ledger_holds(job)
    assert job.status == Status.COMPLETED
    assert "list nothing for these keywords" in job.summary


def test_a_url_list_brings_its_labels_and_facts(web: PhotoWeb) -> None:
    robin, tit = web.add_photo("/robin.jpg", photo(1)), web.add_photo("/tit.jpg", photo(2))
    lines = ["url,label,title,licence,page_url", f"{robin},robin,A robin,CC0,https://birds.example/1", f"{tit},tit,,,"]

    job = drain(submit(keywords=(), sources=("urls",), url_list=iter(lines)))

    assert_ledger_holds(job)
    image = Image.objects.get(label="robin")
    assert (image.title, image.licence_code, image.page_url) == ("A robin", "cc0", "https://birds.example/1")
    assert job.kept == 2


def test_a_near_duplicate_is_kept_and_flagged(web: PhotoWeb) -> None:
    picture = drawn(seed=4)
    web.add_photo("/first.jpg", encoded(picture, quality=95))
    web.add_photo("/again.jpg", encoded(picture, quality=60))
    web.add_photo("/other.jpg", encoded(drawn(seed=5)))

    job = drain(submit())

    assert_ledger_holds(job)
    flagged = Image.objects.get(near_duplicate_of__isnull=False)
    assert flagged.near_duplicate_of
    assert job.kept == 3
    # Whichever came in later is flagged.
    assert {flagged.url, flagged.near_duplicate_of.url} == {web.url("/first.jpg"), web.url("/again.jpg")}


def test_the_same_submit_key_makes_one_job() -> None:
    first = submit(submit_key="form-1")

    assert submit(submit_key="form-1") == first
    assert Job.objects.count() == 1


def test_what_is_looked_up_by_its_key_is_not_asked_for_in_order(web: PhotoWeb) -> None:
    """In order, SQLite reads all rows of the job or the dataset instead of those asked for."""
    web.add_photo("/one.jpg", photo(1))
    with CaptureQueriesContext(connection) as captured:
        drain(submit(per_label=1))

    looked_up = [sql for query in captured if re.search(r'"(key|url_key|sha256)" (IN|= ANY)', sql := query["sql"])]
    assert len(looked_up) >= 4
    assert [sql for sql in looked_up if "ORDER BY" in sql] == []


def test_a_dataset_may_ask_to_skip_look_alikes(web: PhotoWeb) -> None:
    first, copy, other = (encoded(drawn(seed=7), quality=95), encoded(drawn(seed=7), quality=40), photo(3))
    for path, body in {"/first.jpg": first, "/copy.jpg": copy, "/other.jpg": other}.items():
        web.add_photo(path, body)
    Dataset.objects.create(name="Photos", slug="photos", skip_near_duplicates=True)

    job = drain(submit())

    assert_ledger_holds(job)
    assert (job.kept, job.duplicate) == (2, 1)
    finding = Finding.objects.get(outcome="duplicate")
    assert finding.reason == "duplicate_near"
    assert finding.image is not None
    assert finding.detail.startswith(f"Looks like image {finding.image_id}: ")

    web.add_photo("/third.jpg", encoded(drawn(seed=7), quality=60))
    again = drain(submit())
    assert_ledger_holds(again)
    assert reasons(again) == {"already_in_dataset": 3, "duplicate_near": 1}
