"""A planted key: a service repeats it in its refusals, and it is in no row, page, export, log line or task state."""

import json
import subprocess
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from conftest import wait_until
from datasets.tests.factories import UserFactory
from jobs import export_services, source_keys
from jobs.exports import folder_of
from jobs.models import Job, Status
from jobs.redis_store import client as redis
from jobs.spec import ExportSpec
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import photo, submit
from jobs.tests.test_exports import ANYTHING

SECRET = "planted/7f3a+91c2e5d84b60"
#: As it stands in an address.
QUOTED = "planted%2F7f3a%2B91c2e5d84b60"

pytestmark = pytest.mark.django_db(transaction=True)


def ended(job: Job) -> Job:
    wait_until(lambda: Job.objects.get(pk=job.pk).is_terminal, seconds=60)
    return Job.objects.get(pk=job.pk)


def test_a_planted_key_is_used_and_nowhere_to_be_read(
    web: PhotoWeb, worker: "subprocess.Popen[bytes]", tmp_path: Path, client: Client, settings: Settings
) -> None:
    source_keys.set_key("openverse", "token", SECRET, by=None)
    for seed in range(4):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    kept = ended(submit(per_label=4))
    told = {"detail": f"The token {SECRET} of /v1/images/?token={QUOTED} is not allowed."}
    web.pages["/v1/images/"] = lambda _: (401, {"Content-Type": "application/json"}, json.dumps(told).encode())
    refused = ended(submit(per_label=4, keywords=("owl",)))
    web.pages["/v1/images/"] = lambda _: (400, {"Content-Type": "application/json"}, json.dumps(told).encode())
    rejected = ended(submit(per_label=4, keywords=("lark",)))
    spec = ExportSpec(format="csv", policy=ANYTHING)
    export = ended(export_services.submit_export(dataset=kept.dataset, spec=spec, by=None))

    assert f"Bearer {SECRET}" in web.authorizations
    assert [job.status for job in (kept, refused, rejected, export)] == [
        Status.COMPLETED, Status.FAILED, Status.FAILED, Status.COMPLETED
    ]  # fmt: skip
    assert "The token ••• of" in rejected.chunks.get().error
    everything = {
        "rows": _rows(),
        "redis": _redis(),
        "log": (tmp_path / "worker.log").read_text(),
        **_exports(export),
        **_pages(client, [kept, refused, rejected, export]),
    }
    assert len(everything) > 40
    assert [where for where, text in everything.items() if SECRET in text or QUOTED in text] == []


def _rows() -> str:
    return "\n".join(repr(row) for model in apps.get_models() for row in model._default_manager.values())


def _redis() -> str:
    """Everything that Redis holds, as text: messages, task states, answers of sources."""
    found = []
    for key in redis().scan_iter("*"):
        match redis().type(key):
            case "string":
                read = redis().get(key)
            case "hash":
                read = redis().hgetall(key)
            case "list":
                read = redis().lrange(key, 0, -1)
            case "set":
                read = redis().smembers(key)
            case _:
                read = redis().zrange(key, 0, -1)
        found.append(f"{key} {read}")
    return "\n".join(found)


def _exports(job: Job) -> dict[str, str]:
    folder = folder_of(job.export)
    return {f"export {file.name}": file.read_text(errors="replace") for file in folder.iterdir() if file.is_file()}


def _pages(browser: Client, jobs: list[Job]) -> dict[str, str]:
    """The pages of the jobs and their dataset, those of the whole installation, the API, and all of the admin."""
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    slug = jobs[0].dataset.slug
    addresses = [reverse(name) for name in ("overview", "jobs", "system", "audit", "datasets", "account", "crawl-new")]
    addresses += [job.get_absolute_url() for job in jobs]
    addresses += [f"{reverse('crawl-new')}?from={jobs[0].pk}"]
    addresses += [f"/api/v1/jobs/{job.pk}{part}" for job in jobs[:3] for part in ("", "/findings", "/activity")]
    addresses += ["/api/v1/jobs/", "/api/v1/sources", f"/api/v1/datasets/{slug}/report"]
    addresses += [reverse(name, args=[slug]) for name in ("dataset", "dataset-report", "dataset-exports")]
    for model in site._registry:
        stem = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses.append(reverse(f"{stem}_changelist"))
        addresses += [reverse(f"{stem}_change", args=[row.pk]) for row in model._default_manager.all()[:20]]
    return {address: browser.get(address, follow=True).text for address in addresses}
