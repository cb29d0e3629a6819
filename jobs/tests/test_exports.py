"""Exports as jobs: frozen, written, read back, offered; and what becomes of them when something goes wrong."""

import hashlib
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from datasets import review, versions
from datasets.exports.policy import SENTENCES, Obstacle, Policy
from datasets.models import Dataset, Image, Verdict
from datasets.tests import people
from datasets.tests.factories import UserFactory
from datasets.version_models import DatasetVersion, SplitAssignment
from jobs import export_services, exports, planner, runner, services
from jobs.export_models import Export
from jobs.models import CHECK_PART, FILES_PART, Activity, Chunk, Job, Status
from jobs.services import Refused
from jobs.spec import ExportSpec, InvalidSpec
from jobs.tests.drain import drain
from jobs.tests.stored import dataset_of, file, images_of, overwrite, scene
from jobs.token_models import Scope
from jobs.tokens import create_token

pytestmark = pytest.mark.django_db(transaction=True)

ANYTHING = Policy(commercial_use=False, changes=False, ml_training=True, allow_unknown_licence=True)
STRICT = replace(ANYTHING, allow_unknown_licence=False)


@pytest.fixture(autouse=True)
def exports_root(settings: Settings, tmp_path: Path) -> Path:
    settings.EXPORTS_ROOT = tmp_path / "exports"
    return tmp_path / "exports"


@pytest.fixture
def birds() -> Dataset:
    """Two labels of twelve and eight pictures, each of a page of its own."""
    dataset = dataset_of((file(scene(seed)) for seed in range(12)), label="robin")
    return dataset_of((file(scene(seed)) for seed in range(100, 108)), dataset=dataset, label="wren")


@pytest.fixture
def operator() -> User:
    return people.operator()


def exported(dataset: Dataset, format: str = "imagefolder", *, policy: Policy = ANYTHING, **spec: Any) -> Export:
    job = export_services.submit_export(dataset=dataset, spec=ExportSpec(format=format, policy=policy, **spec), by=None)
    drain(job)
    return Export.objects.select_related("job", "version").get(job=job)


def bytes_of(export: Export) -> dict[str, bytes]:
    """The files of an export, but for its notes on how to go on, which name nothing else."""
    return {file["name"]: (exports.folder_of(export) / file["name"]).read_bytes() for file in export.files}


def test_an_export_is_frozen_written_read_back_and_offered(birds: Dataset) -> None:
    export = exported(birds)

    assert (export.job.status, export.job.found, export.job.kept, export.job.wanted) == (Status.COMPLETED, 20, 20, 20)
    assert export.is_offered
    assert export.job.summary.startswith("Exported 20 images of version 1 as imagefolder")
    assert [chunk.source for chunk in export.job.chunks.order_by("pk")] == ["version", "files", "check"]
    assert export.version
    counts = export.version.counts
    with zipfile.ZipFile(BytesIO(bytes_of(export)[f"{birds.slug}-v1-imagefolder.zip"])) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
    found = {
        (split, label): sum(name.startswith(f"{split}/{label}/") for name in names)
        for split in counts
        for label in ("robin", "wren")
    }
    assert found == {(split, label): counts[split].get(label, 0) for split, label in found}
    assert sum(found.values()) == 20
    assert all(hashlib.sha256(body).hexdigest() == noted["sha256"] for noted, body in _with_bytes(export))


def _with_bytes(export: Export) -> list[tuple[dict[str, str], bytes]]:
    bodies = bytes_of(export)
    return [(noted, bodies[noted["name"]]) for noted in export.files]


def test_the_same_version_gives_the_same_bytes_whatever_is_decided_since(birds: Dataset) -> None:
    first = exported(birds, "webdataset")
    review.decide_images(birds, [images_of(birds)[0].pk], Verdict.EXCLUDED, by=None)

    again = exported(birds, "webdataset", version=1)

    assert bytes_of(again) == bytes_of(first)
    assert DatasetVersion.objects.count() == 1


def test_a_dataset_that_did_not_change_gets_no_second_version(birds: Dataset) -> None:
    assert exported(birds, "csv").version == exported(birds, "jsonl").version
    dataset_of([file(scene(500))], dataset=birds, label="robin")
    newer = exported(birds, "csv").version

    assert newer
    assert (newer.number, newer.image_count) == (2, 21)
    assert versions.difference(DatasetVersion.objects.get(number=1), newer).added == 1


def test_a_split_that_is_stored_never_changes(birds: Dataset) -> None:
    exported(birds, "csv")
    before = dict(SplitAssignment.objects.values_list("image_id", "split"))
    dataset_of((file(scene(seed)) for seed in range(600, 630)), dataset=birds, label="robin")

    exported(birds, "csv", seed=7, shares=(0.5, 0.25, 0.25))

    after = dict(SplitAssignment.objects.values_list("image_id", "split"))
    assert len(after) == 50
    assert {image_id: after[image_id] for image_id in before} == before


def test_look_alikes_share_a_split_and_a_newcomer_between_two_stays_out(birds: Dataset) -> None:
    exported(birds, "csv")
    splits = dict(SplitAssignment.objects.values_list("image_id", "split"))
    train = next(image_id for image_id, split in splits.items() if split == "train")
    test = next(image_id for image_id, split in splits.items() if split == "test")
    dataset_of([file(scene(700)), file(scene(701))], dataset=birds, label="robin")
    follower, between = images_of(birds)[-2:]
    Image.objects.filter(pk=follower.pk).update(near_duplicate_of=test)
    Image.objects.filter(pk=between.pk).update(near_duplicate_of=train, page_url="https://photos.example/both")
    Image.objects.filter(pk=test).update(page_url="https://photos.example/both")

    version = exported(birds, "csv").version

    assert version
    assert SplitAssignment.objects.get(image=follower).split == "test"
    assert not SplitAssignment.objects.filter(image=between).exists()
    assert version.left_out == {versions.STRADDLES: 1}
    assert not version.images.filter(image_id=between.pk).exists()


def test_what_the_policy_and_people_keep_out_is_counted_before_and_after(birds: Dataset) -> None:
    licensed = images_of(birds)[:15]
    Image.objects.filter(pk__in=[image.pk for image in licensed]).update(licence_code="by")
    Image.objects.filter(pk=licensed[0].pk).update(ml_use="restricted")
    Image.objects.filter(pk=licensed[1].pk).update(damage="blob_missing")
    review.decide_images(birds, [licensed[2].pk], Verdict.EXCLUDED, by=None)

    seen = versions.preview(birds, STRICT)
    version = exported(birds, "parquet", policy=STRICT).version

    assert version
    assert (seen.image_count, version.image_count) == (12, 12)
    assert dict(seen.left_out) == version.left_out
    assert version.left_out == {
        SENTENCES[Obstacle.LICENCE_UNKNOWN]: 5,
        SENTENCES[Obstacle.ML_RESTRICTED]: 1,
        versions.DAMAGED: 1,
        versions.EXCLUDED: 1,
    }


def test_who_lets_unknown_licences_in_is_written_down(birds: Dataset, operator: User) -> None:
    spec = ExportSpec(format="csv", policy=replace(ANYTHING, allow_ml_restricted=True))
    job = export_services.submit_export(dataset=birds, spec=spec, by=operator)

    said = list(Activity.objects.filter(job=job).values_list("sentence", flat=True))
    assert f"Pictures of unknown licence were allowed by {operator}." in said
    assert f"Pictures whose machine use is restricted were allowed by {operator}." in said


def test_where_nothing_would_go_in_nothing_is_started(birds: Dataset) -> None:
    with pytest.raises(Refused, match=r"20: Nobody says under which licence"):
        exported(birds, policy=STRICT)
    with pytest.raises(InvalidSpec, match="imagefolder"):
        exported(birds, "rar")
    with pytest.raises(InvalidSpec, match="100 percent"):
        exported(birds, shares=(0.8, 0.1, 0.2))
    with pytest.raises(InvalidSpec, match="has no version 9"):
        exported(birds, version=9)
    assert not Job.objects.exists()


def test_an_export_that_was_killed_goes_on_and_becomes_the_same_bytes(birds: Dataset, settings: Settings) -> None:
    whole = exported(birds, "imagefolder")
    job = export_services.submit_export(
        dataset=birds, spec=ExportSpec(format="imagefolder", policy=ANYTHING, version=1), by=None
    )
    planner.plan(job.pk)
    settings.CHUNK_BUDGET_S = 0
    outcomes = [runner.run_chunk(job.chunks.get(source=FILES_PART).pk) for _ in range(3)]
    assert outcomes == ["to be continued"] * 3
    settings.CHUNK_BUDGET_S = 60

    drain(job)

    again = Export.objects.get(job=job)
    assert bytes_of(again) == bytes_of(whole)
    job.refresh_from_db()
    assert (job.found, job.kept) == (20, 20)


def test_a_picture_that_is_missing_ends_the_export_and_a_retry_takes_it_up(birds: Dataset) -> None:
    image = images_of(birds)[3]
    overwrite(image, b"other bytes")

    export = exported(birds)

    assert export.job.status == Status.FAILED
    assert f"{image.pk}" in export.job.summary
    assert not export.is_offered
    overwrite(image, file(scene(3)))
    drain(services.retry_job(job_id=export.job_id, by=None))
    export = Export.objects.get(pk=export.pk)
    assert export.is_offered


def test_files_that_are_damaged_after_writing_are_never_offered_and_written_anew(birds: Dataset) -> None:
    job = export_services.submit_export(dataset=birds, spec=ExportSpec(format="csv", policy=ANYTHING), by=None)
    planner.plan(job.pk)
    for _ in range(2):
        runner.run_chunk(job.chunks.get(status=Status.PENDING).pk)
    export = Export.objects.get(job=job)
    with (exports.folder_of(export) / "manifest.csv").open("ab") as target:
        target.write(b"one line more\n")

    assert runner.run_chunk(job.chunks.get(source=CHECK_PART).pk) == "failed: export_damaged"

    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert "manifest.csv" in job.summary
    assert not exports.folder_of(export).exists()
    drain(services.retry_job(job_id=job.pk, by=None))
    assert Export.objects.get(job=job).is_offered


def test_a_cancelled_export_is_cleared_away_after_some_days(birds: Dataset, exports_root: Path) -> None:
    job = export_services.submit_export(dataset=birds, spec=ExportSpec(format="csv", policy=ANYTHING), by=None)
    planner.plan(job.pk)
    for _ in range(2):
        runner.run_chunk(job.chunks.get(status=Status.PENDING).pk)
    services.cancel_job(job_id=job.pk, by=None)
    offered, deleted = exported(birds, "csv"), exported(birds, "jsonl")
    deleted_folder = exports.folder_of(deleted)
    deleted.job.delete()

    assert exports.remove_unwanted() == 1
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - exports.KEPT_UNFINISHED - timedelta(minutes=1))
    assert exports.remove_unwanted() == 1

    assert not deleted_folder.exists()
    assert [folder.name for folder in exports_root.iterdir()] == [offered.folder]


def test_removed_files_are_gone_and_the_version_stays(birds: Dataset) -> None:
    export = exported(birds, "csv")
    export_services.remove_export(job_id=export.pk, by=None)

    export.refresh_from_db()
    assert not export.is_offered
    assert not exports.folder_of(export).exists()
    assert DatasetVersion.objects.exists()
    with pytest.raises(Refused, match="gone already"):
        export_services.remove_export(job_id=export.pk, by=None)


# -- doors ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_what_goes_in_starts_an_export_and_hands_out_its_files(birds: Dataset, operator: User) -> None:
    browser = Client()
    browser.force_login(operator)
    address = reverse("dataset-exports", args=[birds.slug])
    page = browser.get(address)
    assert "Nothing was exported yet" in page.text
    assert page.context["preview"].image_count == 0
    form = {"format": "imagefolder", "version": "new", "train": 80, "validation": 10, "test": 10, "seed": 0}

    refused = browser.post(address, {**form, "ml_training": "on"})
    assert refused.status_code == 422
    assert "No image is left to export." in refused.text
    looked = browser.post(address, {**form, "allow_unknown_licence": "on", "look": "1"})
    assert looked.context["preview"].image_count == 20
    assert not Job.objects.exists()
    started = browser.post(address, {**form, "allow_unknown_licence": "on"})

    assert started.status_code == 302
    live = reverse("exports-live", args=[birds.slug])
    token = browser.get(address).context["token"]
    assert browser.get(f"{live}?v={token}").status_code == 204
    drain(Job.objects.get())
    assert browser.get(f"{live}?v={token}").status_code == 286
    export = Export.objects.get()
    archive = browser.get(reverse("export-file", args=[birds.slug, export.pk, f"{birds.slug}-v1-imagefolder.zip"]))
    assert archive["Content-Disposition"].startswith("attachment")
    with zipfile.ZipFile(BytesIO(b"".join(archive.streaming_content))) as opened:  # type: ignore[attr-defined]
        assert opened.testzip() is None
    assert browser.get(reverse("export-file", args=[birds.slug, export.pk, "SHA256SUMS"])).status_code == 200
    assert browser.get(reverse("export-file", args=[birds.slug, export.pk, "parts.json"])).status_code == 404
    assert browser.get(reverse("export-file", args=[birds.slug, export.pk, "..%2f..%2fsecret_key"])).status_code == 404
    shown = browser.get(reverse("dataset-version", args=[birds.slug, 1]))
    assert "Version 1" in shown.text


def test_who_may_only_look_starts_no_export(birds: Dataset) -> None:
    browser = Client()
    browser.force_login(UserFactory.create())
    address = reverse("dataset-exports", args=[birds.slug])

    assert "Start export" not in browser.get(address).text
    assert browser.post(address, {"format": "csv"}).status_code == 403


def test_the_command_copies_the_files_of_a_finished_export(birds: Dataset, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="rar"):
        call_command("export", birds.name, "--format", "rar")
    with pytest.raises(CommandError, match="three numbers"):
        call_command("export", birds.name, "--format", "csv", "--shares", "80,20")
    call_command("export", birds.name, "--format", "csv", "--allow-unknown-licence")
    job = Job.objects.get()
    assert job.kind == "export"
    assert Chunk.objects.count() == 0


def test_a_script_starts_follows_and_downloads_an_export(birds: Dataset, operator: User) -> None:
    script = Client(headers={"Authorization": f"Bearer {create_token(operator, 'script', scope=Scope.WRITE)}"})
    address = f"/api/v1/datasets/{birds.slug}/exports"
    body = {"format": "jsonl", "policy": {"allow_unknown_licence": True}}

    for wrong, field in (({"format": "jsonl", "sed": 1}, "sed"), ({"format": "jsonl", "shares": [1, 1]}, "shares")):
        response = script.post(address, wrong, content_type="application/json")
        assert (response.status_code, response.json()["field"]) == (422, field)
    created = script.post(address, body, content_type="application/json", headers={"Idempotency-Key": "once"})
    again = script.post(address, body, content_type="application/json", headers={"Idempotency-Key": "once"})
    assert created.status_code == 201
    assert created.json()["job"] == again.json()["job"]
    assert script.get(created["Location"]).json()["files"] == []
    drain(Job.objects.get())

    report = script.get(created["Location"]).json()
    assert report["ready"]
    assert [one["job"] for one in script.get(address).json()["items"]] == [report["job"]]
    manifest = next(file for file in report["files"] if file["name"] == "manifest.jsonl")
    content = b"".join(script.get(manifest["url"]).streaming_content)  # type: ignore[attr-defined]
    assert hashlib.sha256(content).hexdigest() == manifest["sha256"]
    assert len([json.loads(line) for line in content.splitlines()]) == 20
    assert script.get(f"/api/v1/exports/{report['job']}/files/parts.json").status_code == 404
