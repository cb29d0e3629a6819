"""Who reaches what: every address of the installation, asked by everybody there is.

Each address has a row that says who may. An address without one fails the test, so that none is forgotten.
"""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from datasets.models import Dataset, Verdict
from datasets.people import ADMINISTRATOR, OPERATOR, ROLES, VIEWER
from datasets.review import decide_images
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory
from jobs.export_models import Export
from jobs.models import Status
from jobs.tests.factories import ChunkFactory, JobFactory, LabelTargetFactory
from jobs.tokens import create_token

pytestmark = pytest.mark.django_db

#: Everybody, from the one who may the least. The owner made the private dataset and is an operator.
EVERYBODY = ("anonymous", "viewer", "operator", "owner", "administrator")
SIGNED_IN = EVERYBODY[1:]
OPERATORS = ("operator", "owner", "administrator")
SEE_PRIVATE = ("owner", "administrator")

#: Addresses that name no dataset and no job: who may GET them, and who may POST to them.
PLAIN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "overview": (SIGNED_IN, ()),
    "overview-live": (SIGNED_IN, ()),
    "start-sample": ((), OPERATORS),
    "jobs": (SIGNED_IN, ()),
    "jobs-live": (SIGNED_IN, ()),
    "crawl-new": (OPERATORS, OPERATORS),
    "crawl-estimate": ((), SIGNED_IN),
    "sources": (SIGNED_IN, ()),
    "sources-live": (SIGNED_IN, ()),
    "source-check": ((), OPERATORS),
    "system": (SIGNED_IN, ()),
    "system-live": (SIGNED_IN, ()),
    "audit": (("administrator",), ()),
    "datasets": (SIGNED_IN, ()),
    "account": (SIGNED_IN, ()),
    "account-preferences": ((), SIGNED_IN),
    "token-add": ((), SIGNED_IN),
    "token-revoke": ((), SIGNED_IN),
    "help-keys": (SIGNED_IN, ()),
    "login": (EVERYBODY, EVERYBODY),
    "logout": ((), SIGNED_IN),
    "healthz": (EVERYBODY, EVERYBODY),
    "readyz": (EVERYBODY, EVERYBODY),
    # For whoever has the token, signed in or not.
    "metrics": ((), ()),
}

#: Addresses below a dataset or a job. "look": whoever sees the dataset may GET; "act": whoever sees it and may do what
#: the address does may POST; "both".
OF_A_DATASET: dict[str, str] = {
    "job": "look",
    "job-live": "look",
    "job-log": "look",
    "job-note": "look",
    "job-new-images": "look",
    "job-log-csv": "look",
    "job-retry": "act",
    "job-top-up": "act",
    "job-cancel": "act",
    "job-pause": "act",
    "job-resume": "act",
    "chunk-retry": "act",
    "dataset": "look",
    "dataset-report": "look",
    "dataset-draw": "act",
    "dataset-report-json": "look",
    "dataset-report-csv": "look",
    "dataset-exports": "both",
    "export-preview": "peek",
    "exports-live": "look",
    "export-remove": "act",
    "export-file": "look",
    "dataset-version": "look",
    "dataset-validate": "act",
    "dataset-repair": "act",
    "dataset-rules": "both",
    "dataset-share": "act",
    "dataset-duplicates": "look",
    "duplicate-group": "look",
    "duplicate-decide": "act",
    "duplicate-undo": "act",
    "duplicate-bulk": "act",
    "duplicate-empty": "act",
    "dataset-checks": "look",
    "dataset-check": "both",
    "dataset-check-preview": "look",
    "images-bulk": "act",
    "images-undo": "act",
    "image": "look",
    "image-decide": "act",
    "image-thumb": "look",
    "image-original": "look",
}

#: Operations of the API: those that look, and those that act.
API_LOOKS = {
    "get_job", "list_exports", "get_export", "get_export_file", "list_findings", "list_activity", "get_dataset",
    "get_report",
}  # fmt: skip
#: Those that list what the caller sees, and nothing else.
API_LISTS = {"list_jobs", "list_datasets", "list_sources"}
API_ACTS = {
    "create_job", "retry_job", "top_up_job", "cancel_job", "validate_dataset", "repair_dataset", "create_export",
}  # fmt: skip

#: What a page answers whoever may: it is there, it leads on, it is not there yet, its form or body is to be mended, or
#: the state of things does not allow it now.
MAY = {200, 201, 202, 204, 286, 302, 404, 405, 409, 422}


@dataclass(frozen=True)
class World:
    """A private dataset of the owner's and a shared one of nobody's, each with an image and a job that has ended."""

    people: dict[str, User]
    private: Dataset
    shared: Dataset

    def client(self, who: str) -> Client:
        client = Client()
        if who != "anonymous":
            client.force_login(self.people[who])
        return client

    def script(self, who: str) -> Client:
        if who == "anonymous":
            return Client()
        return Client(headers={"Authorization": f"Bearer {create_token(self.people[who], 'walk')}"})


@pytest.fixture
def world() -> World:
    people = {name: UserFactory.create(username=name) for name in SIGNED_IN}
    for name, group in (
        ("viewer", VIEWER),
        ("operator", OPERATOR),
        ("owner", OPERATOR),
        ("administrator", ADMINISTRATOR),
    ):
        people[name].groups.add(Group.objects.get(name=group))
    private = _filled(
        DatasetFactory.create(is_shared=False, created_by=people["owner"], image_count=2, size_bytes=2_000)
    )
    return World(people=people, private=private, shared=_filled(DatasetFactory.create(image_count=2, size_bytes=2_000)))


def _filled(dataset: Dataset) -> Dataset:
    image = ImageFactory.create(dataset=dataset)
    decide_images(dataset, [ImageFactory.create(dataset=dataset).pk], Verdict.EXCLUDED, by=None)
    job = JobFactory.create(dataset=dataset, status=Status.FAILED)
    LabelTargetFactory.create(job=job)
    ChunkFactory.create(job=job, status=Status.FAILED)
    Export.objects.create(job=job, format="csv", folder=f"{job.pk}-0000000{dataset.pk % 10}")
    image.refresh_from_db()
    return dataset


def _named(patterns: Any = None) -> list[URLPattern]:
    """Every pattern of the pages, the admin and the API left out."""
    found: list[URLPattern] = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace not in {"admin", "api"}:
                found += _named(pattern.url_patterns)
        else:
            found.append(pattern)
    return found


_NAMES = {"source-check": "openverse"}


def _address(pattern: URLPattern, dataset: Dataset) -> str:
    job = dataset.jobs.earliest("pk")
    image = dataset.images.order_by("pk").first()
    chunk = job.chunks.first()
    assert image
    assert chunk
    values = {
        "slug": dataset.slug, "position": 1, "chunk_pk": chunk.pk, "job_pk": job.pk, "number": 1, "token": 1,
        "name": _NAMES.get(str(pattern.name), "dark" if "check" in str(pattern.name) else "manifest.csv"),
        "pk": image.pk if "image" in str(pattern.name) else job.pk,
    }  # fmt: skip
    names = pattern.pattern.converters
    return reverse(str(pattern.name), kwargs={name: values[name] for name in names})


def _refused(response: Any, *, of_a_dataset: bool) -> bool:
    """Sign-in, a 403, or for what one does not see 404: that it is there is told to nobody."""
    leads_to_sign_in = response.status_code == 302 and response["Location"].startswith("/login/")
    return leads_to_sign_in or response.status_code in ({403, 404} if of_a_dataset else {401, 403})


def test_every_address_has_a_row() -> None:
    assert {pattern.name for pattern in _named()} == PLAIN.keys() | OF_A_DATASET.keys()


@pytest.mark.parametrize("who", EVERYBODY)
def test_addresses_without_a_dataset_let_in_whom_their_row_names(world: World, who: str) -> None:
    wrong = []
    for pattern in _named():
        if pattern.name not in PLAIN or pattern.name == "logout":
            continue
        address = _address(pattern, world.shared)
        for method, allowed in zip(("get", "post"), PLAIN[pattern.name], strict=True):
            response = getattr(world.client(who), method)(address)
            is_let_in = not _refused(response, of_a_dataset=False) and response.status_code in MAY
            if response.status_code != 405 and is_let_in != (who in allowed):
                wrong.append((pattern.name, method, response.status_code))
    assert wrong == []


@pytest.mark.parametrize("kind", ["private", "shared"])
@pytest.mark.parametrize("who", EVERYBODY)
def test_what_belongs_to_a_dataset_is_for_those_who_see_it(world: World, who: str, kind: str) -> None:
    dataset = getattr(world, kind)
    sees = who in (SEE_PRIVATE if kind == "private" else SIGNED_IN)
    acts = sees and who in OPERATORS
    wrong = []
    for pattern in _named():
        row = OF_A_DATASET.get(str(pattern.name))
        if row is None:
            continue
        address = _address(pattern, dataset)
        for method, may in (("get", sees and row in {"look", "both"}), ("post", acts if row != "peek" else sees)):
            if (method == "get" and row in {"act", "peek"}) or (method == "post" and row == "look"):
                continue
            response = getattr(world.client(who), method)(address)
            is_refused = _refused(response, of_a_dataset=True)
            if (may and response.status_code not in MAY) or (not may and not is_refused):
                wrong.append((pattern.name, method, response.status_code))
            if not may and kind == "private" and who != "anonymous" and response.status_code != 404:
                wrong.append((pattern.name, method, f"{response.status_code} tells that it is there"))
        world = _again(world)
    assert wrong == []


def _again(world: World) -> World:
    """Shares may have changed hands on the way."""
    Dataset.objects.filter(pk=world.private.pk).update(is_shared=False)
    Dataset.objects.filter(pk=world.shared.pk).update(is_shared=True)
    return world


@pytest.mark.parametrize("kind", ["private", "shared"])
@pytest.mark.parametrize("who", EVERYBODY)
def test_the_operations_of_the_api_obey_the_same_rules(world: World, who: str, kind: str) -> None:
    dataset = getattr(world, kind)
    job = dataset.jobs.earliest("pk")
    sees = who in (SEE_PRIVATE if kind == "private" else SIGNED_IN)
    acts = sees and who in OPERATORS
    script = world.script(who)
    schema = world.client("administrator").get("/api/v1/openapi.json").json()
    wrong = []
    for path, operations in schema["paths"].items():
        address = (
            path.replace("{job_id}", str(job.pk)).replace("{slug}", dataset.slug).replace("{name}", "manifest.csv")
        )
        for method, operation in operations.items():
            assert operation["operationId"] in API_LOOKS | API_LISTS | API_ACTS, "an operation without a row"
            body = _BODIES.get(operation["operationId"], {})
            if operation["operationId"] == "create_job":
                body = {**body, "dataset": dataset.name}
            response = getattr(script, method)(
                address, body if method == "post" else None, content_type="application/json"
            )
            may = sees if operation["operationId"] in API_LOOKS else acts
            if operation["operationId"] in API_LISTS:
                may = who != "anonymous"
                is_told = f'"{dataset.slug}"' in response.text
                assert is_told == (sees and operation["operationId"] != "list_sources"), operation["operationId"]
            is_refused = response.status_code in {401, 403, 404} or "taken by a dataset" in response.text
            if (may and response.status_code not in MAY) or (not may and not is_refused):
                wrong.append((operation["operationId"], response.status_code))
    assert wrong == []


_BODIES: dict[str, dict[str, Any]] = {
    "create_job": {"keywords": ["robin"], "sources": ["sample"], "per_label": 1},
    "top_up_job": {"images": 1},
    "create_export": {"format": "csv"},
}


def test_the_groups_have_what_the_table_says() -> None:
    for name, permissions in ROLES.items():
        granted = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
        assert {f"{app}.{codename}" for app, codename in granted} == {str(permission) for permission in permissions}


def test_a_page_shows_no_button_that_would_be_refused(world: World) -> None:
    job = world.shared.jobs.earliest("pk")
    pages = ["overview", "jobs", "datasets"]
    addresses = [*(reverse(name) for name in pages), job.get_absolute_url(), world.shared.get_absolute_url()]
    of_dataset = ("dataset-rules", "dataset-checks", "dataset-exports", "dataset-duplicates", "dataset-report")
    addresses += [reverse(name, args=[world.shared.slug]) for name in of_dataset]
    for address in addresses:
        text = world.client("viewer").get(address).text
        forms = re.findall(r'<form[^>]*method="post".*?</form>', text, re.S)
        # Signing out is everybody's; a form without a button shows how things are.
        assert not [form for form in forms if "<button" in form and reverse("logout") not in form], address
