"""Who reaches what: every address of the installation, asked by everybody there is.

Each address has a row that says who may. An address without one fails the test, so that none is forgotten. The API and
the admin have theirs in test_access_api and test_access_admin.
"""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from datasets.models import Dataset
from datasets.people import ROLES
from jobs.token_models import Scope
from pixcrawler.tests.access_world import (
    EVERYBODY,
    OPERATORS,
    SEE_PRIVATE,
    SIGNED_IN,
    World,
    make_world,
    what_there_is,
)

pytestmark = pytest.mark.django_db

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
    "help-api": (SIGNED_IN, ()),
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
    "look-start": "act",
    "look-thumbnail": "look",
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

#: What a page answers whoever may: it is there, it leads on, it is not there yet, its form or body is to be mended, or
#: the state of things does not allow it now.
MAY = {200, 201, 202, 204, 286, 302, 404, 405, 409, 422}

#: What is not there in the walked datasets: files, groups of duplicates, versions, and the files of images.
NOT_THERE_YET = {
    "export-file", "dataset-version", "duplicate-group", "duplicate-decide", "image-thumb", "image-original",
    "job-new-images", "look-thumbnail",
}  # fmt: skip


@pytest.fixture
def world() -> World:
    return make_world()


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
        "slug": dataset.slug, "position": 1, "n": 0, "chunk_pk": chunk.pk, "job_pk": job.pk, "number": 1, "token": 1,
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
    client = world.client(who)
    wrong = []
    for pattern in _named():
        if pattern.name not in PLAIN or pattern.name == "logout":
            continue
        address = _address(pattern, world.shared)
        for method, allowed in zip(("get", "post"), PLAIN[pattern.name], strict=True):
            before = () if who in allowed else what_there_is()
            response = getattr(client, method)(address)
            is_let_in = not _refused(response, of_a_dataset=False) and response.status_code in MAY
            if response.status_code != 405 and is_let_in != (who in allowed):
                wrong.append((pattern.name, method, response.status_code))
            if who not in allowed and what_there_is() != before:
                wrong.append((pattern.name, method, "was refused, and changed something"))
    assert not wrong, wrong


@pytest.mark.parametrize("kind", ["private", "shared"])
@pytest.mark.parametrize("who", EVERYBODY)
def test_what_belongs_to_a_dataset_is_for_those_who_see_it(world: World, who: str, kind: str) -> None:
    dataset = getattr(world, kind)
    sees = who in (SEE_PRIVATE if kind == "private" else SIGNED_IN)
    acts = sees and who in OPERATORS
    client = world.client(who)
    wrong = []
    for pattern in _named():
        row = OF_A_DATASET.get(str(pattern.name))
        if row is None:
            continue
        address = _address(pattern, dataset)
        for method, may in (("get", sees and row in {"look", "both"}), ("post", acts if row != "peek" else sees)):
            if (method == "get" and row in {"act", "peek"}) or (method == "post" and row == "look"):
                continue
            before = () if may else what_there_is()
            response = getattr(client, method)(address)
            is_refused = _refused(response, of_a_dataset=True)
            is_there = response.status_code in MAY and (response.status_code != 404 or pattern.name in NOT_THERE_YET)
            if (may and not is_there) or (not may and not is_refused):
                wrong.append((pattern.name, method, response.status_code))
            if not may and what_there_is() != before:
                wrong.append((pattern.name, method, "was refused, and changed something"))
            if not may and kind == "private" and who != "anonymous" and response.status_code != 404:
                wrong.append((pattern.name, method, f"{response.status_code} tells that it is there"))
        world.again()
    assert not wrong, wrong


@pytest.mark.parametrize("scope", list(Scope))
def test_a_token_opens_no_page(world: World, scope: Scope) -> None:
    script = world.script("administrator", scope)
    wrong = []
    for pattern in _named():
        if "login" in str(pattern.name) or PLAIN.get(str(pattern.name), ((), ()))[0] == EVERYBODY:
            continue
        address = _address(pattern, world.shared)
        for method in ("get", "post"):
            before = what_there_is()
            response = getattr(script, method)(address)
            is_refused = _refused(response, of_a_dataset=False) or response.status_code == 405
            if not is_refused or what_there_is() != before:
                wrong.append((pattern.name, method, response.status_code))
    assert not wrong, wrong


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
