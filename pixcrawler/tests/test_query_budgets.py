"""How many queries every address may make, whatever the number of rows (bench/addresses.py has the table)."""

import html
import re
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from bench.addresses import ADDRESSES, API_LISTS, POLLS, UNCHANGED, names_of
from bench.seed import Seeded, Size, seed
from datasets.models import Dataset, Image
from jobs.health import note_worker_alive
from jobs.models import Finding

pytestmark = pytest.mark.django_db

#: Addresses that do something, answer with a file, or need no sign-in: no page is drawn by them.
WITHOUT_BUDGET = {
    "account-preferences", "chunk-retry", "crawl-estimate", "dataset-draw", "dataset-duplicates", "dataset-repair",
    "dataset-share",
    "dataset-validate", "dataset-version", "duplicate-bulk", "duplicate-decide", "duplicate-empty", "duplicate-undo",
    "export-file", "export-preview", "export-remove", "healthz", "image-decide", "image-original", "image-thumb",
    "images-bulk", "images-undo", "job-cancel", "job-pause", "job-resume", "job-retry", "job-top-up", "login", "logout",
    "look-start", "look-thumbnail",
    "metrics", "readyz",
    "source-check", "start-sample", "token-add", "token-revoke",
}  # fmt: skip

FEW = Size(images=130, chunks=8, groups=12, jobs=4, datasets=4, labels=4)
MANY = Size(images=390, chunks=24, groups=36, jobs=12, datasets=12, labels=12)


def test_every_address_has_a_budget_or_says_why_not() -> None:
    with_budget = {resolve(address.format(**NUMBERS).partition("?")[0]).url_name for address in ADDRESSES}
    polled = {resolve(address.format(**NUMBERS).rstrip("?")).url_name for address in POLLS.values()}

    assert set(named(get_resolver())) == with_budget | polled | WITHOUT_BUDGET


def test_pages_and_parts_stay_within_their_budget_whatever_the_number_of_rows(client: Client) -> None:
    few = counted(client, seed(FEW))
    Dataset.objects.all().delete()
    many = counted(client, seed(MANY, username="another"))

    assert {address: n for address, n in few.items() if many[address] > n} == {}
    assert {address: n for address, n in many.items() if n > {**ADDRESSES, **API_LISTS}[address].queries} == {}


@pytest.mark.parametrize("page", POLLS)
def test_a_poll_that_finds_nothing_new_reads_neither_images_nor_findings(client: Client, page: str) -> None:
    rows = seed(FEW)
    client.force_login(rows.user)
    names = names_of(rows)
    drawn = client.get(page.format(**names)).content.decode()
    address = next(
        found for found in re.findall(r'hx-get="([^"]+)"', drawn) if found.startswith(POLLS[page].format(**names))
    )

    with CaptureQueriesContext(connection) as seen:
        response = client.get(html.unescape(address))

    assert response.status_code == 204
    assert len(seen) <= UNCHANGED.queries
    told = " ".join(query["sql"] for query in seen)
    assert Image._meta.db_table not in told
    assert Finding._meta.db_table not in told


def counted(client: Client, rows: Seeded) -> dict[str, int]:
    """Queries of each address, for a user who is not a superuser, while a worker lives."""
    note_worker_alive("worker")
    client.force_login(rows.user)
    names = names_of(rows)
    found = {}
    for address in (*ADDRESSES, *API_LISTS):
        with CaptureQueriesContext(connection) as seen:
            response = client.get(address.format(**names))
        assert response.status_code in (200, 286), address
        found[address] = len(seen)
    return found


#: Numbers for the braces of addresses that are only looked up.
NUMBERS = {"slug": "birds", "live": "1", "ended": "1", "validation": "1", "dry": "1", "image": "1", "deep": "1"}


def named(patterns: URLResolver) -> Iterator[str]:
    """Names of the project's own addresses; the admin and the API have namespaces."""
    for pattern in patterns.url_patterns:
        if isinstance(pattern, URLResolver) and pattern.namespace is None:
            yield from named(pattern)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name
