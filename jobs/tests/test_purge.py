"""What ended long ago goes when an operator asks; images and versions stay."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from datasets.audit_models import AuditEntry
from datasets.exports.policy import Policy
from datasets.models import Image
from datasets.version_models import DatasetVersion
from jobs import export_services, exports
from jobs.export_models import Export
from jobs.models import Chunk, Finding, Job
from jobs.spec import ExportSpec
from jobs.tests.drain import drain
from jobs.tests.test_crawl import submit

pytestmark = pytest.mark.django_db(transaction=True)

ANYTHING = Policy(commercial_use=False, changes=False, ml_training=True, allow_unknown_licence=True)


@pytest.fixture
def old(settings: Settings, tmp_path: Path) -> Job:
    """A crawl that ended 40 days ago."""
    settings.EXPORTS_ROOT = tmp_path / "exports"
    job = drain(submit(keywords=("robin",), sources=("sample",), per_label=6))
    return aged(job)


@pytest.fixture
def old_export(old: Job) -> Export:
    spec = ExportSpec(format="csv", policy=ANYTHING)
    job = drain(export_services.submit_export(dataset=old.dataset, spec=spec, by=None))
    return Export.objects.get(job=aged(job))


def aged(job: Job) -> Job:
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=40))
    job.refresh_from_db()
    return job


def purge(*arguments: str) -> dict[str, int]:
    output = StringIO()
    call_command("purge", *arguments, "--json", stdout=output)
    numbers: dict[str, int] = json.loads(output.getvalue())
    return numbers


def test_a_dry_run_counts_what_would_go_and_removes_nothing(old: Job, old_export: Export) -> None:
    findings = Finding.objects.count()

    assert purge("--older-than", "30", "--dry-run") == {
        "jobs": 2, "findings": findings, "exports": 1, "size_bytes": old_export.size_bytes
    }  # fmt: skip
    assert purge("--older-than", "50") == {"jobs": 0, "findings": 0, "exports": 0, "size_bytes": 0}

    assert Job.objects.count() == 2
    assert Finding.objects.count() == findings > 0
    assert exports.folder_of(old_export).is_dir()


def test_old_jobs_go_with_all_that_is_theirs_and_images_and_versions_stay(old: Job, old_export: Export) -> None:
    young = drain(submit(keywords=("wren",), sources=("sample",), per_label=3))
    images = Image.objects.count()

    assert purge("--older-than", "30")["jobs"] == 2

    assert list(Job.objects.all()) == [young]
    assert set(Finding.objects.values_list("job", flat=True)) == {young.pk}
    assert set(Chunk.objects.values_list("job", flat=True)) == {young.pk}
    assert not exports.folder_of(old_export).exists()
    assert Image.objects.count() == images
    assert DatasetVersion.objects.count() == 1
    assert AuditEntry.objects.filter(words="Purged an old job").count() == 2


def test_findings_alone_leave_the_jobs_with_their_counters(old: Job) -> None:
    counted = (old.found, old.kept, old.rejected)

    assert purge("--older-than", "30", "--only", "findings")["findings"] == old.found

    old.refresh_from_db()
    assert not Finding.objects.exists()
    assert (old.found, old.kept, old.rejected) == counted


def test_exports_alone_lose_their_files_and_can_be_made_again(old_export: Export) -> None:
    assert purge("--older-than", "30", "--only", "exports")["exports"] == 1

    old_export.refresh_from_db()
    assert not old_export.is_offered
    assert not exports.folder_of(old_export).exists()
    assert purge("--older-than", "30", "--only", "exports")["exports"] == 0
    spec = ExportSpec(format="csv", policy=ANYTHING, version=1)
    job = drain(export_services.submit_export(dataset=old_export.job.dataset, spec=spec, by=None))
    assert Export.objects.get(job=job).files == old_export.files


def test_jobs_under_way_are_never_old(old: Job) -> None:
    running = submit(keywords=("wren",), sources=("sample",), per_label=3)
    Job.objects.filter(pk=running.pk).update(created_at=timezone.now() - timedelta(days=90))

    purge("--older-than", "0")

    assert list(Job.objects.all()) == [running]


def test_days_that_are_none_are_refused() -> None:
    with pytest.raises(CommandError, match="0 or more"):
        purge("--older-than", "-1")
