"""A job among sources that refuse or are down, with real workers and a real scheduler."""

import subprocess

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from conftest import wait_until
from datasets.tests import people
from jobs import services, source_health
from jobs.models import Job, Status
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import photo, submit


@pytest.mark.django_db(transaction=True)
def test_with_a_source_down_the_others_give_what_they_have_and_a_retry_of_its_chunks_brings_the_rest(
    web: PhotoWeb, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Openverse answers 429 three times, is down then, and comes back; a list of addresses gives what it has."""
    for name, value in {"SOURCE_WAIT_S": 0.5, "SOURCE_BREAK_S": 1.0, "SOURCE_PATIENCE_S": 6.0}.items():
        monkeypatch.setenv(f"PIXCRAWLER_{name}", str(value))
        setattr(settings, name, value)
    monkeypatch.setenv("PIXCRAWLER_SCHEDULER_INTERVAL_S", "0.5")
    source_health.breaker.cache_clear()
    for seed in range(8):
        web.add_photo(f"/{seed}.jpg", photo(seed))
    others = [web.add_photo(f"/listed/{seed}.jpg", photo(seed), words="of the list") for seed in range(20, 24)]
    listed = [f"{url},stars" for url in others]
    web.pages["/v1/images/"] = lambda n: (429 if n < 3 else 503, {}, b"")
    worker: subprocess.Popen[bytes] = request.getfixturevalue("worker")
    request.getfixturevalue("scheduler")

    job = submit(
        keywords=("stars: stars, moons",), sources=("openverse", "urls"), url_list=["url,label", *listed], per_label=12
    )
    wait_until(lambda: Job.objects.get(pk=job.pk).is_terminal, seconds=120)

    job.refresh_from_db()
    assert_ledger_holds(job)
    assert worker.poll() is None
    assert job.status == Status.COMPLETED
    assert job.kept == 4
    failed = list(job.chunks.filter(source="openverse"))
    assert {chunk.status for chunk in failed} == {Status.FAILED}
    client.force_login(people.operator())
    page = client.get(job.get_absolute_url()).text
    assert "Openverse does not answer" in page
    assert "leave it alone until" in page or "finds out whether it is back" in page
    sources = client.get(reverse("sources")).text
    assert "Left alone" in sources or "Asked once more" in sources
    asked = web.hits["/v1/images/"]
    # Two lanes that would ask for themselves could ask six times; with the breaker hardly more than one does.
    assert 3 <= asked <= 9

    del web.pages["/v1/images/"]
    services.retry_chunks(job_id=job.pk, chunk_ids={chunk.pk for chunk in failed}, by=None)
    wait_until(lambda: Job.objects.get(pk=job.pk).is_terminal, seconds=120)
    job.refresh_from_db()
    assert_ledger_holds(job)
    assert (job.run, job.kept) == (2, 12)
    assert not source_health.states(["openverse"])["openverse"].is_open
