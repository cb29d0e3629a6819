"""Back-up, destruction of the data folder and the database, restore: everything is as it was."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from datasets.exports.policy import Policy
from datasets.models import Dataset
from datasets.tests.factories import UserFactory
from datasets.tests.object_store import ObjectStore
from jobs import export_services
from jobs.export_models import Export
from jobs.models import Job, Status
from jobs.spec import ExportSpec
from jobs.tests.drain import drain
from jobs.tests.test_crawl import submit
from pixcrawler.backup import database
from pixcrawler.tests.processes import manage, run

pytestmark = pytest.mark.django_db(transaction=True)

ANYTHING = Policy(commercial_use=False, changes=False, ml_training=True, allow_unknown_licence=True)


_OF_THE_MOMENT = re.compile(
    r'(csrfmiddlewaretoken" value="|X-CSRFToken": ")\w+|name="submit_key"[^>]*|now|\w+\s(second|minute)s?\sago'
)


class Installation:
    """An installation on the test database with a data folder of its own."""

    def __init__(self, data_dir: Path, environment: dict[str, str]) -> None:
        self.data_dir = data_dir
        self._environment = {**environment, "PIXCRAWLER_DATA_DIR": str(data_dir)}

    def manage(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output of a command."""
        bucket = {name: value for name, value in os.environ.items() if name.startswith("PIXCRAWLER_S3_")}
        ended = run(manage(*arguments), env={**self._environment, **bucket}, seconds=180)
        return ended.returncode, ended.stdout + ended.stderr

    def destroy(self) -> None:
        """The disk is gone: no data folder, no database."""
        shutil.rmtree(self.data_dir)
        if connection.vendor == "sqlite":
            connection.close()
            for path in Path(connection.settings_dict["NAME"]).parent.glob("test.sqlite3*"):
                path.unlink()
            return
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.close()

    def files(self) -> dict[str, str]:
        """The SHA-256 of every picture, thumbnail and file of an export that is offered."""
        offered = {export.folder: export for export in Export.objects.filter(ready_at__isnull=False)}
        return {
            str(path.relative_to(self.data_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
            for root in ("media", "exports")
            for path in (self.data_dir / root).rglob("*")
            if path.is_file() and (root == "media" or (path.parent.name in offered and path.name != "parts.json"))
        }


def rows() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of ours: the ledger, the images, who did what."""
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())
        for app in ("jobs", "datasets", "auth")
        for model in apps.get_app_config(app).get_models()
    }


def pages(client: Client, dataset: Dataset, job: Job, export: Export) -> dict[str, str]:
    """What people and programs see, without what another moment or another token changes."""
    addresses = [
        reverse("dataset", args=[dataset.slug]),
        reverse("job", args=[job.pk]),
        reverse("dataset-exports", args=[dataset.slug]),
        f"/api/v1/datasets/{dataset.slug}",
        f"/api/v1/jobs/{job.pk}",
        f"/api/v1/jobs/{job.pk}/findings",
        f"/api/v1/exports/{export.pk}",
    ]
    seen = {}
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200, address
        seen[address] = _OF_THE_MOMENT.sub("", answer.text)
    return seen


@pytest.fixture
def installation(settings: Settings, tmp_path: Path, process_environment: dict[str, str]) -> Installation:
    data_dir = tmp_path / "var"
    local = {"BACKEND": "datasets.storage.AtomicFileSystemStorage", "OPTIONS": {"location": data_dir / "media"}}
    settings.STORAGES = {**settings.STORAGES, "default": local}
    settings.EXPORTS_ROOT = data_dir / "exports"
    return Installation(data_dir, process_environment)


@pytest.fixture
def crawled(installation: Installation) -> tuple[Dataset, Job, Export]:
    """A crawl of drawn pictures, among them damaged ones and copies, and an export of it."""
    job = drain(submit(keywords=("robin", "wren"), sources=("sample",), per_label=8))
    assert job.status == Status.COMPLETED, job.summary
    spec = ExportSpec(format="imagefolder", policy=ANYTHING)
    exporting = drain(export_services.submit_export(dataset=job.dataset, spec=spec, by=None))
    return job.dataset, job, Export.objects.get(job=exporting)


@pytest.fixture
def signed_in(client: Client, db: None) -> Client:
    client.force_login(UserFactory.create(is_superuser=True))
    return client


def test_what_was_destroyed_is_the_same_after_a_restore(
    installation: Installation, crawled: tuple[Dataset, Job, Export], signed_in: Client, tmp_path: Path
) -> None:
    seen, files, ledger = pages(signed_in, *crawled), installation.files(), rows()
    assert len(files) > 30
    assert len(ledger["Finding"]) >= 16
    backups = str(tmp_path / "backups")
    status, said = installation.manage("backup", backups)
    assert status == 0, said
    key = (installation.data_dir / "secret_key").read_text()
    installation.destroy()

    status, said = installation.manage("restore", backups)

    assert status == 0, said
    assert f"{len(files):,} files are in place" in said
    assert rows() == ledger
    assert installation.files() == files
    assert pages(signed_in, *crawled) == seen
    assert (installation.data_dir / "secret_key").read_text() == key
    assert oct((tmp_path / "backups").stat().st_mode)[-3:] == "700"


def test_a_backup_of_folders_can_be_restored_into_a_bucket(
    installation: Installation,
    crawled: tuple[Dataset, Job, Export],
    signed_in: Client,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    dataset, _, export = crawled
    files = installation.files()
    installation.manage("backup", str(tmp_path / "backups"))
    installation.destroy()
    store: ObjectStore = request.getfixturevalue("object_store")

    status, said = installation.manage("restore", str(tmp_path / "backups"))

    assert status == 0, said
    assert {name.removeprefix("birds/") for name in store.names()} == set(files)
    noted = export.files[0]
    answer = signed_in.get(reverse("export-file", args=[dataset.slug, export.pk, noted["name"]]))
    assert answer.status_code == 302


def test_a_second_backup_copies_only_what_is_new_and_each_can_be_restored(
    installation: Installation, crawled: tuple[Dataset, Job, Export], tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    first = json.loads(installation.manage("backup", str(backups), "--json")[1])
    ledger = rows()
    drain(submit(keywords=("heron",), sources=("sample",), per_label=4))
    second = json.loads(installation.manage("backup", str(backups), "--json")[1])

    assert first["copied"] == first["files"]
    assert 0 < second["copied"] == second["files"] - first["files"] <= 8
    assert first["missing"] == second["missing"] == 0
    installation.destroy()
    assert installation.manage("restore", str(backups), "--state", Path(first["state"]).name)[0] == 0
    assert rows() == ledger


def test_an_installation_that_holds_anything_is_not_overwritten(
    installation: Installation, crawled: tuple[Dataset, Job, Export], tmp_path: Path
) -> None:
    installation.manage("backup", str(tmp_path / "backups"))
    ledger = rows()

    status, said = installation.manage("restore", str(tmp_path / "backups"))

    assert status == 1
    assert "never overwrites" in said
    assert rows() == ledger


def test_a_backup_with_a_damaged_file_restores_nothing(
    installation: Installation, crawled: tuple[Dataset, Job, Export], tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    installation.manage("backup", str(backups))
    picture = next((backups / "files" / "originals").rglob("*.*"))
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    installation.destroy()

    status, said = installation.manage("restore", str(backups))

    assert status == 1
    assert picture.name in said
    assert database.is_empty()
    assert not (installation.data_dir / "media").exists()
    # What was destroyed has to be there for the tests that follow.
    picture.write_bytes(whole)
    assert installation.manage("restore", str(backups))[0] == 0


def test_an_image_without_its_file_is_told(
    installation: Installation, crawled: tuple[Dataset, Job, Export], tmp_path: Path
) -> None:
    next((installation.data_dir / "media" / "originals").rglob("*.*")).unlink()

    status, said = installation.manage("backup", str(tmp_path / "backups"))

    assert status == 0
    assert "1 images have no file any more" in said
