"""Exports where the machines share no folder: written at one, gone on with at another, downloaded from the bucket."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from datasets import blobs, versions
from datasets.exports import writer
from datasets.exports.parts import SUMS
from datasets.exports.policy import Policy
from datasets.exports.types import Export as Order
from datasets.exports.types import ExportStopped
from datasets.models import Dataset
from datasets.tests.factories import UserFactory
from datasets.tests.object_store import ObjectStore
from jobs import export_services, exports, planner, runner, services
from jobs.export_models import Export
from jobs.models import CHECK_PART, FILES_PART, Job, Status
from jobs.spec import ExportSpec
from jobs.tests.drain import drain
from jobs.tests.stored import dataset_of, file, scene
from jobs.tokens import create_token

pytestmark = pytest.mark.django_db(transaction=True)

ANYTHING = Policy(commercial_use=False, changes=False, ml_training=True, allow_unknown_licence=True)


@pytest.fixture(autouse=True)
def machine(settings: Settings, tmp_path: Path) -> Path:
    """The folder of the machine that works."""
    settings.EXPORTS_ROOT = tmp_path / "first-machine"
    return tmp_path / "first-machine"


@pytest.fixture
def birds(object_store: ObjectStore) -> Dataset:
    dataset = dataset_of((file(scene(seed)) for seed in range(8)), label="robin")
    return dataset_of((file(scene(seed)) for seed in range(100, 104)), dataset=dataset, label="wren")


def started(dataset: Dataset, format: str = "imagefolder", **spec: Any) -> Job:
    return export_services.submit_export(
        dataset=dataset, spec=ExportSpec(format=format, policy=ANYTHING, **spec), by=None
    )


def exported(dataset: Dataset, format: str = "imagefolder", **spec: Any) -> Export:
    job = drain(started(dataset, format, **spec))
    assert job.status == Status.COMPLETED, job.summary
    return Export.objects.get(job=job)


def bytes_of(export: Export, folder: Path) -> dict[str, bytes]:
    exports.copy_to(export, folder)
    return {name: (folder / name).read_bytes() for name in exports.names_of(export)}


def stored(store: ObjectStore, export: Export) -> set[str]:
    stem = f"birds/exports/{export.folder}/"
    return {key.removeprefix(stem) for key in store.names() if key.startswith(stem)}


def test_finished_files_lie_in_the_bucket_and_nowhere_else(
    birds: Dataset, object_store: ObjectStore, machine: Path, tmp_path: Path
) -> None:
    export = exported(birds)

    assert export.is_offered
    assert stored(object_store, export) == {*exports.names_of(export), "parts.json"}
    assert list(machine.iterdir()) == []
    bodies = bytes_of(export, tmp_path / "copied")
    lines = [line.partition("  ") for line in bodies[SUMS].decode().splitlines()]
    sums = {name: digest for digest, _, name in lines}
    assert sums == {file["name"]: file["sha256"] for file in export.files}
    assert sums == {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items() if name != SUMS}


def write_until(export: Export, *, pictures: int, folder: Path) -> None:
    """Writes on a machine that stops when so many pictures are in."""
    assert export.version
    done = 0

    def count(number: int, _: int) -> None:
        nonlocal done
        done = number

    order = Order(
        facts=versions.facts_of(export.version),
        rows=versions.rows_of(export.version),
        open_picture=lambda image: blobs.open(blobs.original_name(sha256=image.sha256, format=image.format)),
        folder=folder,
        progress=count,
        is_stopped=lambda: done >= pictures,
        pictures_per_shard=5_000,
        shelf=exports.shelf_of(export),
    )
    with pytest.raises(ExportStopped):
        writer.write(order, format=export.format)


@pytest.mark.parametrize("format", ["imagefolder", "webdataset"])
def test_another_machine_goes_on_and_the_bytes_are_the_same(
    format: str, birds: Dataset, object_store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    whole = bytes_of(exported(birds, format), tmp_path / "whole")
    job = started(birds, format, version=1)
    planner.plan(job.pk)
    export = Export.objects.select_related("version").get(job=job)
    for pictures in (3, 6, 11):
        write_until(export, pictures=pictures, folder=tmp_path / f"machine-{pictures}" / export.folder)
    kept = stored(object_store, export)
    if format == "imagefolder":
        # Each machine added to what the one before it had written: the archive and its directory.
        assert sum(name.startswith(".unfinished/") for name in kept) == 6
    else:
        assert any(name.endswith(".tar") for name in kept)
    settings.EXPORTS_ROOT = tmp_path / "machine-last"

    drain(job)

    export.refresh_from_db()
    assert export.is_offered
    assert bytes_of(export, tmp_path / "again") == whole
    assert not any(name.startswith(".unfinished/") for name in stored(object_store, export))


def test_a_machine_that_wrote_for_an_attempt_of_before_begins_anew(birds: Dataset) -> None:
    job = started(birds, "csv")
    planner.plan(job.pk)
    runner.run_chunk(job.chunks.get(status=Status.PENDING).pk)
    folder = exports.folder_of(Export.objects.get(job=job))
    folder.mkdir(parents=True)
    notes = {"identity": "something else", "attempt": "another", "parts": [], "checkpoints": {}, "pieces": {}}
    (folder / "parts.json").write_text(json.dumps(notes))

    drain(job)

    assert Export.objects.get(job=job).is_offered


def test_what_is_damaged_in_the_bucket_is_never_offered_and_written_anew(
    birds: Dataset, object_store: ObjectStore
) -> None:
    job = started(birds, "csv")
    planner.plan(job.pk)
    for _ in range(2):
        runner.run_chunk(job.chunks.get(status=Status.PENDING).pk)
    export = Export.objects.get(job=job)
    key = f"birds/exports/{export.folder}/manifest.csv"
    object_store.client().put_object(Bucket=object_store.bucket, Key=key, Body=b"something else")

    assert runner.run_chunk(job.chunks.get(source=CHECK_PART).pk) == "failed: export_damaged"

    assert stored(object_store, export) == set()
    drain(services.retry_job(job_id=job.pk, by=None))
    assert Export.objects.get(job=job).is_offered


def test_a_store_that_goes_away_fails_the_export_with_a_reason_and_a_retry_goes_on(
    birds: Dataset, object_store: ObjectStore
) -> None:
    job = started(birds)
    planner.plan(job.pk)
    runner.run_chunk(job.chunks.get(status=Status.PENDING).pk)
    object_store.stop()
    try:
        outcome = runner.run_chunk(job.chunks.get(source=FILES_PART).pk)
    finally:
        object_store.start()

    assert outcome == "failed: storage_unavailable"
    job.refresh_from_db()
    assert "does not answer" in job.summary
    drain(services.retry_job(job_id=job.pk, by=None))
    assert Export.objects.get(job=job).is_offered


def test_pages_and_the_api_hand_the_same_bytes_out(birds: Dataset, object_store: ObjectStore, client: Client) -> None:
    user = UserFactory.create(is_superuser=True)
    export = exported(birds)
    noted = next(file for file in export.files if file["name"].endswith(".zip"))
    client.force_login(user)
    token = create_token(user, "laptop")

    page = client.get(reverse("export-file", args=[birds.slug, export.pk, noted["name"]]))
    api = client.get(
        reverse("api:export-file", args=[export.pk, noted["name"]]), headers={"Authorization": f"Bearer {token}"}
    )

    for answer in (page, api):
        assert (answer.status_code, answer["Cache-Control"]) == (302, "private, no-store")
        got = requests.get(answer["Location"], timeout=10)
        assert hashlib.sha256(got.content).hexdigest() == noted["sha256"]
        assert got.headers["Content-Disposition"] == f'attachment; filename="{noted["name"]}"'
    assert client.get(reverse("export-file", args=[birds.slug, export.pk, "parts.json"])).status_code == 404
    object_store.stop()
    try:
        away = client.get(reverse("export-file", args=[birds.slug, export.pk, noted["name"]]))
        assert (away.status_code, "does not answer" in away.text) == (503, True)
        away = client.get(reverse("api:export-file", args=[export.pk, noted["name"]]))
        assert (away.status_code, away["Content-Type"]) == (503, "application/problem+json")
        assert "does not answer" in away.text
    finally:
        object_store.start()


def test_removed_files_and_folders_of_deleted_jobs_leave_the_bucket(birds: Dataset, object_store: ObjectStore) -> None:
    removed, deleted = exported(birds, "csv"), exported(birds, "jsonl")
    export_services.remove_export(job_id=removed.pk, by=None)
    assert stored(object_store, removed) == set()
    deleted.job.delete()

    assert exports.remove_unwanted() == 1

    assert stored(object_store, deleted) == set()
