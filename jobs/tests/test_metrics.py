"""What Prometheus is told, and who may ask."""

import subprocess
from collections import Counter
from collections.abc import Mapping

import pytest
from django.db import connection
from django.db.models import Count, Sum
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from bench.seed import Size, seed
from conftest import wait_until
from datasets.tests.pictures import encoded, noisy
from jobs import meter, progress
from jobs.models import Chunk, Finding, Status
from jobs.redis_store import client as redis_client
from jobs.tests.drain import drain
from jobs.tests.factories import ChunkFactory, JobFactory
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import submit
from jobs.tests.test_worker import ended

pytestmark = pytest.mark.django_db(transaction=True)

Labels = frozenset[tuple[str, str]]


def told(client: Client) -> dict[tuple[str, Labels], float]:
    """Every sample of /metrics by its name and labels."""
    answer = client.get("/metrics", headers={"Authorization": "Bearer the-token-of-the-tests"})
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def of(samples: Mapping[tuple[str, Labels], float], name: str, **labels: str) -> float | None:
    return samples.get((f"pixcrawler_{name}", frozenset(labels.items())))


def test_only_the_token_opens_it(client: Client) -> None:
    for given in ({}, {"Authorization": "Bearer another"}, {"Authorization": "Basic the-token-of-the-tests"}):
        answer = client.get("/metrics", headers=given)
        assert (answer.status_code, "pixcrawler_" in answer.text) == (401, False)
        assert answer["WWW-Authenticate"].startswith("Bearer")


def test_without_a_token_set_there_is_no_such_page_and_the_log_says_why(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
    assert "PIXCRAWLER_METRICS_TOKEN" in caplog.text


def test_rows_are_counted_by_kind_and_status(client: Client) -> None:
    job = JobFactory.create(status=Status.PROCESSING)
    JobFactory.create(status=Status.COMPLETED, found=7, kept=5, failed=2)
    ChunkFactory.create(job=job)
    ChunkFactory.create(job=job, status=Status.PROCESSING)

    samples = told(client)

    assert of(samples, "jobs", kind="crawl", status="processing") == 1
    assert of(samples, "jobs", kind="export", status="failed") == 0
    assert of(samples, "findings", kind="crawl", outcome="kept") == 5
    assert of(samples, "chunks", status="pending") == 1
    assert of(samples, "chunks_waiting") == 1
    age_s = of(samples, "oldest_waiting_chunk_seconds")
    assert age_s is not None
    assert 0 < age_s < 30
    assert of(samples, "database_up") == of(samples, "redis_up") == 1
    free = of(samples, "storage_free_bytes")
    assert free is not None
    assert free > 0
    assert any(name == "pixcrawler_build_info" for name, _ in samples)


def test_worker_processes_add_up_to_what_the_ledger_says(
    client: Client, web: PhotoWeb, worker: "subprocess.Popen[bytes]"
) -> None:
    for seed_of in range(24):
        web.add_photo(f"/{seed_of}.jpg", encoded(noisy(90, 80, seed=seed_of % 20)))
    web.add_photo("/broken.jpg", b"no picture")
    jobs = [submit(per_label=30, dataset=name) for name in ("one", "another")]
    wait_until(lambda: all(ended(job) for job in jobs), seconds=60)

    def counted() -> Counter[tuple[str, str]]:
        return Counter(
            {
                (labels["outcome"], labels["reason"]): int(value)
                for (name, pairs), value in told(client).items()
                if name == "pixcrawler_outcomes_total" and (labels := dict(pairs))["kind"] == "crawl"
            }
        )

    rows = Finding.objects.order_by().values_list("outcome", "reason").annotate(number=Count("pk"))
    ledger = Counter({(outcome, reason): number for outcome, reason, number in rows})
    assert sum(ledger.values()) == 50
    # The last write follows the commit.
    wait_until(lambda: counted() == ledger, seconds=5)

    samples = told(client)
    downloads = Finding.objects.filter(attempts__gt=0)
    total = downloads.aggregate(total=Sum("size_bytes"))["total"]
    assert of(samples, "fetched_bytes_total", source="openverse") == total
    series = {"source": "openverse", "host_class": "own"}
    assert of(samples, "download_seconds_count", **series) == downloads.count()
    assert of(samples, "download_seconds_bucket", le="+Inf", **series) == downloads.count()
    assert of(samples, "workers") == 1


def test_a_validation_is_counted_by_its_kind(client: Client) -> None:
    job = drain(submit(keywords=("stars",), sources=("sample",), per_label=5))

    samples = told(client)

    assert of(samples, "outcomes_total", kind="crawl", outcome="kept", reason="") == job.kept == 5
    assert not any(name.startswith("pixcrawler_download_seconds") for name, _ in samples), "drawn here, not fetched"


def test_what_is_counted_while_redis_is_away_is_sent_when_it_is_back(
    client: Client, settings: Settings, request: pytest.FixtureRequest
) -> None:
    real_redis = settings.REDIS_URL
    chunk = ChunkFactory.create(status=Status.PROCESSING, found=1, kept=1)
    meter.note(meter.of_verdicts("crawl", [("kept", "")]))
    request.getfixturevalue("dead_redis")
    progress.publish(chunk)
    samples = told(client)
    assert of(samples, "redis_up") == 0
    assert of(samples, "chunks", status="processing") == 1
    assert of(samples, "outcomes_total", kind="crawl", outcome="kept", reason="") is None

    redis_client.cache_clear()
    settings.REDIS_URL = real_redis
    meter.note(meter.of_verdicts("crawl", [("kept", "")]))
    progress.publish(chunk)
    progress.publish(chunk)

    assert of(told(client), "outcomes_total", kind="crawl", outcome="kept", reason="") == 2


def test_a_redis_that_forgot_begins_anew(client: Client) -> None:
    meter.note(meter.of_verdicts("crawl", [("kept", "")]))
    chunk = ChunkFactory.create(status=Status.PROCESSING, found=1, kept=1)
    progress.publish(chunk)
    redis_client().flushdb()
    meter.note(meter.of_verdicts("crawl", [("kept", "")]))
    progress.publish(Chunk.objects.get(pk=chunk.pk))

    assert of(told(client), "outcomes_total", kind="crawl", outcome="kept", reason="") == 1


def test_a_scrape_makes_few_queries_whatever_the_number_of_rows(client: Client) -> None:
    numbers = []
    for size, name in ((Size(images=130, chunks=8, jobs=4), "few"), (Size(images=390, chunks=24, jobs=12), "many")):
        if name == "few":
            seed(size, username=name)
        with CaptureQueriesContext(connection) as seen:
            told(client)
        numbers.append(len(seen))
        assert not any("finding" in query["sql"] or "datasets_image" in query["sql"] for query in seen)
    assert max(numbers) <= 7


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://live.staticflickr.com/1/2.jpg", "flickr"),
        ("https://upload.wikimedia.org/a.jpg", "wikimedia"),
        ("https://notwikimedia.org/a.jpg", "other"),
        ("http://10.0.0.5:8080/a.jpg", "own"),
        ("http://10.0.0.5:8081/a.jpg", "other"),
        ("no address at all", "other"),
    ],
)
def test_hosts_fall_into_few_classes(url: str, expected: str) -> None:
    assert meter.host_class(url, own_hosts={"10.0.0.5:8080"}) == expected
