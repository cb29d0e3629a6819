"""Damaged images are fetched again, and only the very bytes that were kept are taken."""

import pytest

from datasets import blobs
from datasets.models import Dataset, Image, Verdict
from datasets.tests.pictures import encoded, noisy
from jobs import services
from jobs.models import Finding, Job, Status
from jobs.services import Refused
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_counters_hold, assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.stored import images_of, overwrite
from jobs.tests.test_crawl import photo, submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def damaged(web: PhotoWeb) -> Dataset:
    """Four images: sound, deleted, overwritten, and one whose address gives another picture by now."""
    for seed in range(40, 44):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    dataset = drain(submit()).dataset
    by_url = {image.url.rpartition("/")[2]: image for image in images_of(dataset)}
    blobs.delete(by_url["41.jpg"].blob_name)
    blobs.delete(by_url["41.jpg"].thumb_name)
    body = bytearray(photo(42))
    body[len(body) // 2] ^= 1
    overwrite(by_url["42.jpg"], bytes(body))
    blobs.delete(by_url["43.jpg"].blob_name)
    web.pages["/43.jpg"] = lambda _: (200, {"Content-Type": "image/jpeg"}, encoded(noisy(64, 64, seed=1)))
    drain(services.submit_validation(dataset=dataset, level="basic", by=None))
    return dataset


def repaired(dataset: Dataset, image_id: int | None = None) -> Job:
    return drain(services.submit_repair(dataset=dataset, image_id=image_id, by=None))


def test_the_same_bytes_are_taken_and_others_are_not(damaged: Dataset) -> None:
    assert Image.objects.exclude(damage="").count() == 3

    job = repaired(damaged)

    assert_counters_hold(job)
    assert (job.status, job.kept, job.rejected, job.failed) == (Status.COMPLETED, 2, 1, 0)
    assert job.summary == ("Brought back 2 of 3 damaged images. 1 gave something else than before; that was not taken.")
    left = Image.objects.exclude(damage="").get()
    assert left.url.endswith("/43.jpg")
    finding = Finding.objects.get(job=job, reason="checksum_mismatch")
    assert "gives other bytes now, a picture: JPEG, 64 × 64" in finding.detail
    left.delete()
    assert_ledger_like_new(damaged)


def assert_ledger_like_new(dataset: Dataset) -> None:
    job = drain(services.submit_validation(dataset=dataset, level="standard", by=None))
    Dataset.objects.filter(pk=dataset.pk).update(
        image_count=job.kept, size_bytes=sum(image.size_bytes for image in images_of(dataset))
    )
    assert_ledger_holds(job)
    assert (job.kept, job.found) == (3, 3)


def test_one_image_alone_can_be_fetched_again(damaged: Dataset) -> None:
    image = Image.objects.get(damage="blob_missing", url__endswith="/41.jpg")

    job = repaired(damaged, image_id=image.pk)

    assert (job.found, job.kept) == (1, 1)
    assert Image.objects.exclude(damage="").count() == 2
    with pytest.raises(Refused, match="Nothing there is damaged"):
        services.submit_repair(dataset=damaged, image_id=image.pk, by=None)


def test_what_cannot_be_fetched_is_told_and_stays_damaged(damaged: Dataset, web: PhotoWeb) -> None:
    web.pages["/41.jpg"] = lambda _: (404, {}, b"")

    job = repaired(damaged)

    assert_counters_hold(job)
    assert (job.kept, job.rejected, job.failed) == (1, 1, 1)
    assert Image.objects.get(url__endswith="/41.jpg").damage == "blob_missing"


def test_what_people_excluded_is_fetched_again_only_where_they_ask_for_it(damaged: Dataset) -> None:
    image = Image.objects.get(url__endswith="/41.jpg")
    Image.objects.filter(pk=image.pk).update(review=Verdict.EXCLUDED)

    assert repaired(damaged).found == 2
    assert repaired(damaged, image_id=image.pk).kept == 1
