"""Filters through all doors and whole crawls: kept by somebody, or said to be kept by nobody."""

import json

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from datasets.models import Image
from datasets.tests.pictures import encoded, noisy
from jobs import crawl_services
from jobs.crawl.filters import Filters
from jobs.crawl_services import CrawlRequest
from jobs.models import Activity, Finding, Job, Status
from jobs.spec import CrawlSpec, InvalidSpec, parse_filters
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb

ASKED = {"format": "jpeg", "orientation": "landscape", "colour": "red", "licence": "public_domain",
         "after": "2020-01-01", "before": "2021-12-31"}  # fmt: skip

WIDE = {"aspect_ratio": "wide"}


def submit(**changes: object) -> Job:
    asked = {"dataset": "Photos", "keywords": ("*",), "sources": ("openverse",), "per_label": 50, **changes}
    return crawl_services.submit_crawl(CrawlRequest(**asked), by=None)  # type: ignore[arg-type]


def reasons(job: Job) -> dict[str, int]:
    found: dict[str, int] = {}
    for reason in Finding.objects.filter(job=job).exclude(reason="").values_list("reason", flat=True):
        found[reason] = found.get(reason, 0) + 1
    return found


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"format": "pdf"}, "format"),
        ({"orientation": "up"}, "orientation"),
        ({"colour": "plaid"}, "colour"),
        ({"licence": "mine"}, "licence"),
        ({"after": "yesterday"}, "after"),
        ({"before": "2020-02-30"}, "before"),
        ({"min_size": "big"}, "min_size"),
    ],
)
def test_a_filter_that_there_is_not_is_refused_by_its_name(given: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse_filters(**given)  # type: ignore[arg-type]
    assert refusal.value.field == field


def test_filters_are_stored_with_the_job_and_read_again() -> None:
    filters = parse_filters(min_size="800x600", safe_search=False, **ASKED)
    spec = CrawlSpec(keywords=(), sources=("sample",), per_label=1, filters=filters)
    assert CrawlSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    old = {"keywords": [], "sources": ["sample"], "per_label": 1, "min_width_px": 9, "min_height_px": 8,
           "listed_labels": []}  # fmt: skip
    assert CrawlSpec.from_json(old).filters == Filters(min_width_px=9, min_height_px=8)


@pytest.mark.django_db
def test_days_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(InvalidSpec) as refusal:
        submit(sources=("sample",), filters=parse_filters(after="2021-01-01", before="2020-01-01"))
    assert refusal.value.field == "before"


@pytest.mark.django_db
def test_form_api_and_command_ask_for_the_same(admin_client: Client) -> None:
    form = {"dataset": "A", "keywords": "stars", "sources": ["sample"], "per_label": "5", "min_size": "100x80"}
    assert admin_client.post(reverse("crawl-new"), {**form, **ASKED, "mature": "1"}).status_code == 302
    call_command(
        "crawl", "A", "--keyword", "stars", "--source", "sample", "--per-label", "5", "--min-size", "100x80",
        "--picture-format", "jpeg", "--orientation", "landscape", "--colour", "red", "--licence", "public-domain",
        "--after", "2020-01-01", "--before", "2021-12-31", "--no-safe-search",
    )  # fmt: skip
    by_form, by_command = (CrawlSpec.from_json(job.spec).filters for job in Job.objects.order_by("pk"))
    assert by_form == by_command == parse_filters(min_size="100x80", safe_search=False, **ASKED)

    again = admin_client.get(reverse("crawl-new"), {"from": Job.objects.order_by("pk")[0].pk}).context["form"]
    assert {name: again.initial[name] for name in ASKED} == ASKED
    assert again.initial["mature"] is True


@pytest.mark.django_db
def test_the_form_says_what_a_source_cannot_apply_and_where_it_ends(admin_client: Client) -> None:
    form = {"dataset": "A", "keywords": "stars", "sources": ["openverse"], "per_label": "500", "colour": "red"}
    text = admin_client.post(reverse("crawl-estimate"), form).content.decode()
    assert "Openverse can neither filter by colour nor tell it" in text
    assert "Openverse gives 240 results for a search" in text
    assert "Up to 240 per search." in admin_client.get(reverse("crawl-new")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_what_does_not_pass_ends_in_the_ledger_with_its_reason(web: PhotoWeb) -> None:
    # The service takes all of them for wide, so that it is up to us.
    wide, tall = encoded(noisy(120, 80, seed=1)), encoded(noisy(80, 120, seed=2))
    web.add_photo("/wide.jpg", wide, license="cc0", license_version="1.0", license_url="", **WIDE)
    web.add_photo("/tall.jpg", tall, license="cc0", license_version="1.0", license_url="", **WIDE)
    web.add_photo("/nc.jpg", wide, license="by-nc", license_url="", **WIDE)
    web.add_photo("/unknown.jpg", wide, license="homemade", license_version="", license_url="", **WIDE)
    web.add_photo("/mature.jpg", wide, license="cc0", license_version="1.0", license_url="", **WIDE, mature=True)
    web.add_photo(
        "/png.jpg", encoded(noisy(120, 80, seed=3), "PNG"), license="pdm", license_version="1.0", license_url="", **WIDE
    )

    filters = parse_filters(licence="commercial", orientation="landscape", format="jpeg")
    job = drain(submit(filters=filters))

    assert_ledger_holds(job)
    assert reasons(job) == {
        "license_not_allowed": 2, "mature": 1, "orientation_not_allowed": 1, "format_not_allowed": 1,
    }  # fmt: skip
    assert (job.kept, job.rejected, job.status) == (1, 5, Status.COMPLETED)
    assert "2 not under a licence that you asked for" in job.summary
    assert web.hits["/nc.jpg"] == web.hits["/unknown.jpg"] == web.hits["/mature.jpg"] == 0
    assert Image.objects.get().licence_code == "cc0"


@pytest.mark.django_db(transaction=True)
def test_what_nobody_can_keep_is_in_the_log_and_in_the_summary(web: PhotoWeb) -> None:
    web.add_photo("/a.jpg", encoded(noisy(120, 80, seed=1)))
    told = "Openverse can neither filter by colour nor tell it"

    job = drain(submit(per_label=1, filters=parse_filters(colour="red")))
    dry = drain(submit(dry_run=True, filters=parse_filters(colour="red")))

    assert job.summary.startswith("Kept all that was asked for: 1 image. ")
    assert told in job.summary
    assert told in dry.summary
    assert any(told in one for one in Activity.objects.filter(job=job).values_list("sentence", flat=True))
