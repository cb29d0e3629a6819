"""Real workers with everything in a bucket: a crawl, a validation, and a store that goes away in the middle."""

import subprocess

import pytest
from django.test import Client
from django.urls import reverse

from conftest import wait_until
from datasets import blobs
from datasets.models import Dataset, Image
from datasets.outcomes import Reason
from datasets.tests.factories import UserFactory
from datasets.tests.object_store import ObjectStore
from datasets.tests.pictures import encoded, noisy, sha256
from jobs import services
from jobs.models import Job, Status
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import submit

pytestmark = pytest.mark.django_db(transaction=True)


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_terminal


def test_a_crawl_fills_the_bucket_goes_on_after_an_outage_and_is_validated(
    web: PhotoWeb, object_store: ObjectStore, worker: "subprocess.Popen[bytes]", client: Client
) -> None:
    web.delay_s = 0.1
    for seed in range(40):
        web.add_photo(f"/{seed}.jpg", encoded(noisy(90, 80, seed=seed)))
    job = submit(per_label=40)
    wait_until(Image.objects.exists, seconds=60)

    object_store.stop()
    wait_until(lambda: ended(job), seconds=90)
    object_store.start()

    assert_ledger_holds(job)
    assert job.status == Status.FAILED
    assert set(job.chunks.filter(status=Status.FAILED).values_list("error_code", flat=True)) == {
        Reason.STORAGE_UNAVAILABLE
    }
    kept_before = job.kept
    services.retry_job(job_id=job.pk, by=None)
    wait_until(lambda: ended(job), seconds=90)
    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, 40)
    assert kept_before < 40
    for image in Image.objects.all():
        with blobs.open(image.blob_name) as body:
            assert sha256(body.read()) == image.sha256

    dataset = Dataset.objects.get()
    checked = services.submit_validation(dataset=dataset, by=None)
    wait_until(lambda: ended(checked), seconds=90)
    assert checked.status == Status.COMPLETED, checked.summary
    assert not Image.objects.exclude(damage="").exists()
    client.force_login(UserFactory.create(is_superuser=True))
    gallery = client.get(reverse("dataset", args=[dataset.slug]))
    first = Image.objects.order_by("-pk")[0]
    address = reverse("image-thumb", args=[dataset.slug, first.pk])
    assert address in gallery.text
    assert object_store.url not in gallery.text
    assert client.get(address).status_code == 200
