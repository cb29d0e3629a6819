"""A host that is slow, or asks for patience, holds up nobody but itself."""

import subprocess
from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from conftest import wait_until
from datasets.tests.factories import DatasetFactory
from datasets.tests.pictures import encoded, noisy
from jobs import planner, runner, wiring
from jobs.models import Chunk, Job, Status
from jobs.redis_store import client
from jobs.tests.crawl.faultweb import Behaviour, FaultWeb, answer, in_turn, slow
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.test_crawl import reasons, submit

pytestmark = pytest.mark.django_db(transaction=True)


def photo(seed: int) -> bytes:
    return encoded(noisy(64, 64, seed=seed))


@pytest.fixture
def fast() -> Iterator[FaultWeb]:
    with FaultWeb() as fast:
        yield fast


@pytest.fixture
def polite() -> Iterator[FaultWeb]:
    """A web that is asked by two connections at once and no more."""
    with FaultWeb("127.0.0.2") as polite:
        yield polite


@pytest.fixture(autouse=True)
def settled(fast: FaultWeb, polite: FaultWeb, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.ALLOW_HOSTS = frozenset({fast.host_port, polite.host_port})
    settings.HOST_LIMITS = {polite.host_port: (2, 0.0)}
    monkeypatch.setenv("PIXCRAWLER_ALLOW_HOSTS", f"{fast.host_port},{polite.host_port}")
    monkeypatch.setenv("PIXCRAWLER_HOST_LIMITS", f"{polite.host_port}=2/0.0")
    wiring.fetcher.cache_clear()
    yield
    wiring.fetcher.cache_clear()


def crawl(*urls: str, **changes: object) -> Job:
    return submit(keywords=(), sources=("urls",), url_list=["url", *urls], **changes)


def put(web: FaultWeb, behaviours: Iterable[Behaviour]) -> list[str]:
    """Their addresses, in order."""
    return [web.on(f"/{number}.jpg", behaviour) for number, behaviour in enumerate(behaviours)]


def asked_for_pictures(web: FaultWeb) -> list[int]:
    """How often each picture was asked for; each process may have asked for robots.txt besides."""
    return [number for path, number in web.requests.items() if path != "/robots.txt"]


def photos(count: int, *, first_seed: int) -> list[Behaviour]:
    return [answer(photo(first_seed + number)) for number in range(count)]


def test_two_workers_finish_the_fast_hosts_while_a_slow_one_is_asked_gently(
    fast: FaultWeb, polite: FaultWeb, worker: "subprocess.Popen[bytes]"
) -> None:
    slow_urls = put(polite, (slow(photo(seed), seconds=0.08) for seed in range(200)))
    fast_urls = put(fast, photos(200, first_seed=1_000))
    # The slow ones are listed first, in each of two labels: one for each worker process.
    listed = [
        f"{url},{label}"
        for half, label in ((0, "even"), (1, "odd"))
        for urls in (slow_urls, fast_urls)
        for url in urls[half::2]
    ]
    job = submit(keywords=(), sources=("urls",), url_list=["url,label", *listed], per_label=200)

    wait_until(lambda: sum(asked_for_pictures(fast)) == 200, seconds=40)
    asked_of_the_slow = sum(asked_for_pictures(polite))
    wait_until(lambda: Job.objects.filter(pk=job.pk, finished_at__isnull=False).exists(), seconds=60)

    assert asked_of_the_slow < 100, "the fast ones did not wait for the slow ones"
    # The host may hear of a connection's end after the next one was opened.
    assert polite.most_open in (2, 3)
    assert_ledger_holds(job)
    assert (job.kept, job.found) == (400, 400)
    assert set(asked_for_pictures(polite)) == set(asked_for_pictures(fast)) == {1}
    workers = Chunk.objects.filter(job=job, kept__gt=0).values_list("label", flat=True)
    assert set(workers) == {"even", "odd"}


def test_a_chunk_whose_hosts_ask_for_patience_is_put_off_and_goes_on_where_it_was(
    fast: FaultWeb, polite: FaultWeb
) -> None:
    busy = polite.on("/a.jpg", in_turn(answer(status=429, headers={"Retry-After": "120"}), answer(photo(1))))
    later = put(polite, photos(3, first_seed=10))
    urls = [busy, *later, *put(fast, photos(5, first_seed=100))]
    job = crawl(*urls, per_label=9)
    planner.plan(job.pk)
    chunk = job.chunks.get()

    assert runner.run_chunk(chunk.pk) == "put off"

    chunk.refresh_from_db()
    assert chunk.status == Status.PENDING
    assert chunk.found == chunk.kept >= 5
    assert chunk.not_before is not None
    assert chunk.not_before > timezone.now() + timedelta(seconds=90)
    assert list(chunk.position["attempts"].values()) == [1]
    assert job.activities.filter(sentence__contains="want to be left alone").exists()
    # The patience asked for is over.
    client().flushdb()
    Chunk.objects.update(not_before=None)
    drain(job)
    assert_ledger_holds(job)
    assert (job.kept, reasons(job)) == (9, {})
    assert polite.requests["/a.jpg"] == 2
    assert set(fast.requests.values()) == {1}


def test_a_host_that_is_away_gives_nobody_a_reason_while_it_is_left_alone(
    fast: FaultWeb, polite: FaultWeb, settings: Settings
) -> None:
    settings.FETCH_ATTEMPTS = 20
    # The pictures themselves are what is tried here, so nobody is asked for robots.txt.
    DatasetFactory.create(name="Photos", slug="photos", obey_robots_txt=False)
    polite.close()
    listed = [polite.url(f"/{number}.jpg") for number in range(25)]
    job = crawl(*listed, *put(fast, photos(5, first_seed=100)), per_label=30)
    planner.plan(job.pk)
    chunk = job.chunks.get()

    assert runner.run_chunk(chunk.pk) == "put off"

    chunk.refresh_from_db()
    assert (chunk.found, chunk.kept) == (5, 5)
    # The second of two that were under way may come after the one that was one too many.
    assert sum(chunk.position["attempts"].values()) in (20, 21)
    with FaultWeb(polite.host, port=polite.port) as back:
        for number in range(25):
            back.on(f"/{number}.jpg", answer(photo(number)))
        # The break is over, and the host is there again.
        client().hdel(f"px:gate:{polite.host_port}", "until")
        Chunk.objects.update(not_before=None)
        drain(job)
    assert_ledger_holds(job)
    assert (job.kept, reasons(job)) == (30, {})
    assert back.most_open <= 2


def test_attempts_are_counted_over_chunks_that_were_put_off(fast: FaultWeb) -> None:
    busy = fast.on("/a.jpg", answer(status=429, headers={"Retry-After": "60"}))
    job = crawl(busy, per_label=1)
    planner.plan(job.pk)
    chunk = job.chunks.get()
    for _ in range(2):
        assert runner.run_chunk(chunk.pk) == "put off"
        Chunk.objects.update(not_before=None)
    drain(job)
    assert_ledger_holds(job)
    assert reasons(job) == {"http_429": 1}
    assert job.findings.get().attempts == 3
    assert fast.requests["/a.jpg"] == 3


def test_the_same_address_on_two_pages_is_fetched_once_while_it_waits(fast: FaultWeb, polite: FaultWeb) -> None:
    twice = polite.on("/twice.jpg", slow(photo(1), seconds=0.3))
    urls = put(fast, photos(120, first_seed=100))
    job = drain(crawl(twice, *urls, twice, per_label=150))
    assert_ledger_holds(job)
    assert (job.found, job.kept, reasons(job)) == (122, 121, {"duplicate_url": 1})
    assert polite.requests["/twice.jpg"] == 1
