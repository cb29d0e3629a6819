"""Faults while a dataset is validated: two validations and a crawl at once, and a worker killed in their middle."""

from collections import Counter
from collections.abc import Callable

from conftest import wait_until
from datasets import blobs
from datasets.models import DuplicateScan, Image
from datasets.tests.pictures import encoded, noisy
from faults.crawl import END_S, RESTART_S, Crawl, freeze_at_work
from faults.stack import Stack
from jobs.models import TERMINAL, Finding, Job, Status
from jobs.tests.ledger import assert_counters_hold
from jobs.tests.stored import body_of, overwrite

_NEW = 120


def test_kill_9_during_two_validations_and_a_crawl(crawl: Crawl, stack: Stack, tell: Callable[[str], None]) -> None:
    worker = stack.start_worker()
    stack.start_scheduler()
    crawl.web.delay_s = 0.0
    crawl.images = 1_500
    crawl.submit()
    wait_until(crawl.ended, seconds=END_S)
    damaged = damage_some(crawl.job)
    # A copy of a picture that is there, and pictures that are new.
    copy = encoded(noisy(72, 72, seed=700), quality=60)
    crawl.web.add_photo("/copy.jpg", copy, words="subject 9")
    for number in range(_NEW - 1):
        crawl.web.add_photo(f"/new/{number}.jpg", encoded(noisy(72, 72, seed=10_000 + number)), words="subject 9")
    crawl.web.delay_s = 0.2

    more = {"dataset": "Subjects", "keywords": ["subject 9"], "sources": ["openverse"], "per_label": _NEW}
    later = follow(crawl.post("/api/v1/jobs/", more).json())
    wait_until(lambda: recorded(later), seconds=RESTART_S)
    path = f"/api/v1/datasets/{crawl.job.dataset.slug}/validate"
    validations = [follow(crawl.post(path, {"level": "strict"}).json()) for _ in range(2)]
    jobs = [*validations, later]
    wait_until(lambda: any(recorded(job) for job in validations), seconds=RESTART_S)
    assert not any(ended(job) for job in jobs), "the fault would not fall in the middle"
    freeze_at_work(worker, jobs)
    worker.kill()
    stack.start_worker()
    wait_until(lambda: all(ended(job) for job in jobs), seconds=END_S)

    for job in jobs:
        assert_counters_hold(job)
        assert job.status == Status.COMPLETED, job.summary
    assert later.kept == _NEW
    for job in validations:
        outcomes = Counter(job.findings.exclude(reason="").values_list("reason", flat=True))
        assert job.found == job.wanted >= 1_500
        assert {reason: outcomes[reason] for reason in ("blob_missing", "checksum_mismatch")} == damaged
        assert job.rejected + job.failed == sum(damaged.values())
    assert DuplicateScan.objects.filter(completed_at__isnull=False).count() == 1
    assert dict(Counter(Image.objects.exclude(damage="").values_list("damage", flat=True))) == damaged
    lost = sum(job.activities.filter(sentence__contains="fell silent").count() for job in jobs)
    assert lost > 0, "nobody was caught by the fault"
    tell(
        f"kill 9 during two validations and a crawl: {lost} chunks taken back, images without a verdict "
        f"{sum(job.wanted - job.found for job in validations)}, verdicts doubled 0"
    )


def damage_some(job: Job) -> dict[str, int]:
    """Deletes three files and overwrites four."""
    images = list(Image.objects.filter(dataset=job.dataset).order_by("pk")[100:800:100])
    for image in images[:3]:
        blobs.delete(image.blob_name)
    for image in images[3:]:
        overwrite(image, body_of(image)[:-20])
    return {"blob_missing": 3, "checksum_mismatch": len(images) - 3}


def follow(report: dict[str, int]) -> Job:
    return Job.objects.get(pk=report["job"])


def recorded(job: Job) -> int:
    return Finding.objects.filter(job=job).count()


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.status in TERMINAL
