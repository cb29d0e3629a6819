"""The law of the ledger, asserted at the end of every crawl test."""

from collections import Counter

from datasets import blobs
from datasets.models import Dataset, Image
from datasets.outcomes import Outcome
from jobs.models import TERMINAL, Chunk, Job


def assert_ledger_holds(job: Job) -> None:
    """Rows, counters, quotas, images and blobs tell the same story."""
    assert_counters_hold(job)
    images = Image.objects.filter(dataset=job.dataset)
    dataset = Dataset.objects.get(pk=job.dataset_id)
    assert dataset.image_count == images.count()
    assert dataset.size_bytes == sum(images.values_list("size_bytes", flat=True))
    assert all(blobs.exists(image.blob_name) and blobs.exists(image.thumb_name) for image in images)


def assert_counters_hold(job: Job) -> None:
    """The law of the ledger: rows, counters and quotas of the job tell the same story, whatever lies in the store."""
    job.refresh_from_db()
    owners: list[Job | Chunk] = [job, *job.chunks.all()]
    for owner in owners:
        outcomes = Counter(owner.findings.values_list("outcome", flat=True))
        counters = {outcome.value: getattr(owner, outcome.value) for outcome in Outcome}
        assert counters == {outcome.value: outcomes[outcome.value] for outcome in Outcome}
        assert owner.found == sum(counters.values())
    for target in job.targets.all():
        open_quota = sum(job.chunks.filter(label=target.label).values_list("quota", flat=True))
        assert target.reserved == open_quota
        assert target.kept == sum(job.chunks.filter(label=target.label).values_list("kept", flat=True))
        assert target.kept <= target.wanted
    assert job.status in TERMINAL
