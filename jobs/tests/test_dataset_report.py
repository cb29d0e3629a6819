"""The report of a dataset: its numbers are those of the rows, on the page, in JSON and by the command."""

import csv
import io
import json
import random
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datasets import numbers
from datasets.imaging.checks import CHECKS, Direction
from datasets.models import Dataset, DuplicateScan, Image, Verdict
from datasets.ranges import MEASURES, Range, bins
from datasets.statistics import statistics_of
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory
from jobs.dataset_report import report_of
from jobs.models import Kind, Status
from jobs.tests.factories import ChunkFactory, FindingFactory, JobFactory

pytestmark = pytest.mark.django_db

HOSTILE = "=cmd|' /C calc'!A0<script>alert(1)</script>"


@pytest.fixture
def dataset() -> Dataset:
    """Sixty images of every shape: labels thin and hostile, licences unknown, some damaged, excluded or scored."""
    rng = random.Random(1)
    dataset = DatasetFactory.create(name="Birds", slug="birds", image_count=60)
    for number in range(60):
        width, height = rng.choice([(100, 90), (640, 480), (480, 640), (3000, 1000), (1200, 1200), (2400, 2399)])
        ImageFactory.create(
            dataset=dataset,
            label=("robin", "robin", "robin", "wren", HOSTILE)[number % 5] if number > 2 else "rare",
            licence_code=("by", "cc0", "unknown")[number % 3],
            format=("JPEG", "PNG")[number % 2],
            source=("openverse", "urls")[number % 2],
            width_px=width,
            height_px=height,
            size_bytes=rng.choice([10_000, 20_000, 99_999, 5_000_000, 10**7]),
            damage="blob_missing" if number == 7 else "",
            review=Verdict.EXCLUDED if number in (8, 9) else "",
            blurry_score=rng.random() if number % 2 else None,
            has_gps=number == 11,
        )
    counters = {"found": 9, "kept": 5, "duplicate": 2, "rejected": 1, "failed": 1}
    job = JobFactory.create(dataset=dataset, status=Status.COMPLETED, **counters)
    chunk = ChunkFactory.create(job=job, status=Status.COMPLETED, source="openverse", **counters)
    FindingFactory.create_batch(2, chunk=chunk, outcome="duplicate", reason="duplicate_exact")
    FindingFactory.create(chunk=chunk, outcome="rejected", reason="too_small")
    FindingFactory.create(chunk=chunk, outcome="failed", reason="timeout")
    other = JobFactory.create(dataset=dataset, kind=Kind.VALIDATE, status=Status.COMPLETED, found=1, rejected=1)
    looked_at = ChunkFactory.create(job=other, status=Status.COMPLETED, source="images", found=1, rejected=1)
    FindingFactory.create(chunk=looked_at, outcome="rejected", reason="checksum_mismatch")
    return dataset


@pytest.fixture
def page() -> Client:
    client = Client()
    client.force_login(UserFactory.create())
    return client


def kept(dataset: Dataset) -> list[Image]:
    return [image for image in Image.objects.filter(dataset=dataset) if image.review != Verdict.EXCLUDED]


def test_the_numbers_are_those_of_the_rows(dataset: Dataset) -> None:
    seen, images = statistics_of(dataset, numbers.count(dataset)[0]), kept(dataset)

    assert (seen.kept, seen.excluded) == (58, 2)
    assert seen.damaged == sum(bool(image.damage) for image in images)
    assert seen.unknown_licence == sum(image.licence_code == "unknown" for image in images)
    assert seen.with_gps == 1
    charts = {
        "label": seen.by_label,
        "licence_code": seen.by_licence,
        "format": seen.by_format,
        "source": seen.by_source,
    }
    for column, shares in charts.items():
        values = [getattr(image, column) for image in images]
        assert {share.value: share.count for share in shares} == {value: values.count(value) for value in values}
        assert sum(share.count for share in shares) == seen.kept
    assert seen.thinnest[0].value == "rare"
    assert sorted(seen.sizes_px) == sorted((image.width_px, image.height_px) for image in images)
    assert not seen.is_sample


def test_histograms_count_every_image_once_and_scores_where_they_are(dataset: Dataset) -> None:
    seen, images = statistics_of(dataset, numbers.count(dataset)[0]), kept(dataset)

    assert set(seen.histograms) == {"short", "aspect", "bytes", "blurry"}
    for name in ("short", "aspect", "bytes"):
        assert sum(one.count for one in seen.histograms[name]) == seen.kept
    measured: dict[str, Callable[[Image], float | None]] = {
        "short": lambda image: min(image.width_px, image.height_px),
        "aspect": lambda image: image.width_px / image.height_px,
        "bytes": lambda image: image.size_bytes,
        "blurry": lambda image: image.blurry_score,
    }
    for name, number in measured.items():
        values = [value for image in images if (value := number(image)) is not None]
        for one in seen.histograms[name]:
            low, high = one.range.low or float("-inf"), one.range.high or float("inf")
            assert one.count == sum(low <= value < high for value in values), (name, one.range)


def test_every_score_is_a_measure_and_no_chart_has_more_than_seven_bins() -> None:
    scored = {check.value for check, info in CHECKS.items() if info.direction == Direction.BELOW}
    assert scored < set(MEASURES)
    assert all(len(bins(measure)) <= 7 for measure in MEASURES.values())


@pytest.mark.parametrize("text", ["-", "", "a-b", "1", "--1", "nan"])
def test_what_is_no_range_filters_nothing(text: str) -> None:
    assert Range.parse(text) is None


def test_every_bar_leads_to_the_gallery_with_its_images(page: Client, dataset: Dataset) -> None:
    context = page.get(reverse("dataset-report", args=["birds"])).context
    Image.objects.filter(review=Verdict.EXCLUDED).delete()

    columns = [column for chart in context["histograms"] for column in chart.columns]
    rows = [bar for _, _, bars in context["tables"] for bar in bars]
    assert len(columns) > 20
    for bar in (*columns, *rows):
        assert page.get(bar.link).context["tally"].total == bar.count, bar.link


def test_the_funnel_is_of_crawls_alone(dataset: Dataset) -> None:
    report = report_of(dataset)
    assert [(funnel.source, funnel.found, funnel.kept) for funnel in report.funnels] == [("openverse", 9, 5)]
    assert {row.reason: row.count for row in report.left_out} == {"duplicate_exact": 2, "too_small": 1, "timeout": 1}


def test_the_verdict_names_what_to_know_and_where(page: Client, dataset: Dataset) -> None:
    scan = DuplicateScan.objects.create(dataset=dataset, job_id=1, max_bits=10, group_count=1)
    group = scan.groups.create(position=1, keeper=kept(dataset)[0], why="seen first")
    group.members.create(image=kept(dataset)[0], likeness="keeper", phash_bits=0, dhash_bits=0)
    DuplicateScan.objects.filter(pk=scan.pk).update(completed_at=scan.started_at)

    report = report_of(dataset)

    assert report.verdict == "Usable, with six things to know."
    words = " ".join(remark.words for remark in report.remarks)
    for told in (
        "1 file is damaged",
        "never checked",
        "Thin, beside",
        "rare (3)",
        "no known licence",
        "1 group of look-alikes is",
    ):
        assert told in words
    assert all(page.get(remark.link, follow=True).status_code == 200 for remark in report.remarks)


def test_foreign_text_is_shown_as_text(page: Client, dataset: Dataset) -> None:
    text = page.get(reverse("dataset-report", args=["birds"])).content.decode()
    assert "<script>alert" not in text

    rows = list(csv.reader(io.StringIO(page.get(reverse("dataset-report-csv", args=["birds"])).content.decode())))
    assert ["label", f"'{HOSTILE}", "11"] in rows


def test_page_json_and_command_tell_the_same(page: Client, dataset: Dataset) -> None:
    output = io.StringIO()
    call_command("report", "Birds", "--json", stdout=output)
    by_command = json.loads(output.getvalue())
    by_page = page.get(reverse("dataset-report-json", args=["birds"])).json()
    shown = page.get(reverse("dataset-report", args=["birds"])).context["seen"]

    del by_command["drawn_at"], by_page["drawn_at"]
    assert by_command == by_page
    assert by_page["kept"] == shown.kept == sum(share["count"] for share in by_page["by_format"])
    assert by_page["verdict"].startswith("Usable, with ")

    call_command("report", "Birds", stdout=output)
    assert "left out: duplicate_exact" in output.getvalue()
    with pytest.raises(CommandError, match="no dataset"):
        call_command("report", "Fish")


@pytest.mark.parametrize(("count", "words"), [(0, "Nothing to report"), (3, "Charts are drawn from 20 images on.")])
def test_small_datasets_have_no_charts(page: Client, count: int, words: str) -> None:
    dataset = DatasetFactory.create(slug="few")
    ImageFactory.create_batch(count, dataset=dataset)
    text = page.get(reverse("dataset-report", args=["few"])).content.decode()
    assert words in text
    assert "<circle" not in text


def test_a_report_takes_a_handful_of_queries(page: Client, dataset: Dataset) -> None:
    with CaptureQueriesContext(connection) as queries:
        page.get(reverse("dataset-report", args=[dataset.slug]))
    assert len(queries) <= 25
