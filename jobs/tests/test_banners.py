"""Banners: what pages say of trouble with the things that PixCrawler runs on, and what asking costs."""

import re
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from conftest import wait_until
from jobs import banners, health, pace, planner, progress
from jobs.diagnoses import Level
from jobs.models import Job
from jobs.redis_store import client
from jobs.tests.servers import own_valkey
from jobs.tests.test_crawl import submit

pytestmark = pytest.mark.django_db

PAGES = ("overview", "overview-live", "jobs", "crawl-new", "system", "system-live", "job", "job-live")


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ana"))
    return client


@pytest.fixture
def job() -> Job:
    job = submit(keywords=("robin",), sources=("sample",), per_label=20)
    planner.plan(job.pk)
    job.refresh_from_db()
    progress.rebuild(job)
    return job


@pytest.fixture
def all_alive() -> None:
    health.note_worker_alive("celery@here")
    health.note_scheduler_alive()


@pytest.fixture
def short_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pixban-") as folder:
        yield Path(folder)


def text_of(page: Client, name: str, job: Job, **query: str) -> str:
    return page.get(reverse(name, args=[job.pk] if name in {"job", "job-live"} else []), query).text


def checks() -> list[str]:
    return [banner.check for banner in banners.banners(health.system_health())]


@pytest.mark.parametrize("name", PAGES)
def test_where_all_is_well_no_page_shows_a_banner(page: Client, job: Job, all_alive: None, name: str) -> None:
    assert 'role="alert"' not in text_of(page, name, job).replace('id="lost" class="note warn" role="alert" hidden', "")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_what_is_wrong_what_it_means_and_the_command(page: Client, job: Job, name: str) -> None:
    text = text_of(page, name, job)

    assert "<strong>No worker is running, so nothing is being crawled.</strong> 1 chunk waits since" in text
    assert "<code>python manage.py runworker</code>" in text
    assert "<strong>The scheduler has not been seen.</strong>" in text
    assert "<code>python manage.py runscheduler</code>" in text


@pytest.mark.parametrize("name", PAGES)
def test_every_page_names_the_redis_that_is_away(page: Client, job: Job, dead_redis: None, name: str) -> None:
    text = text_of(page, name, job)

    assert "Redis at /nowhere/valkey.sock does not answer (connection refused)" in text
    assert "<code>redis-server</code>" in text
    assert "No worker is running" not in text, "nobody can know"


def test_pages_answer_while_redis_is_frozen_and_say_so(
    page: Client, job: Job, settings: Settings, short_path: Path
) -> None:
    with own_valkey(settings, short_path) as server:
        assert health.system_health().redis
        server.send_signal(signal.SIGSTOP)

        assert "(no answer in time)" in text_of(page, "job", job)


def test_the_job_page_that_polls_is_drawn_again_when_something_goes_wrong_or_is_well_again(
    page: Client, job: Job, all_alive: None
) -> None:
    def poll() -> Any:
        query = {"v": progress.version(job.pk) or "", "h": shown}
        return page.get(reverse("job-live", args=[job.pk]), query)

    shown = page.get(reverse("job", args=[job.pk])).context["shown"]
    assert poll().status_code == 204

    health.note_worker_gone("celery@here")
    drawn = poll()
    assert "No worker is running" in drawn.text
    shown = drawn.context["shown"]
    assert poll().status_code == 204

    health.note_worker_alive("celery@here")
    assert "No worker is running" not in poll().text


def test_a_page_asks_redis_for_the_systems_health_in_one_round_trip(page: Client, job: Job) -> None:
    client().config_resetstat()

    page.get(reverse("jobs"))

    asked = client().info("commandstats")
    assert asked["cmdstat_time"]["calls"] == 1
    assert asked["cmdstat_mget"]["calls"] == 1


def test_a_scheduler_that_fell_silent_is_told(all_alive: None) -> None:
    assert checks() == []

    seconds, _ = client().time()
    client().set("px:scheduler", seconds - 90)

    (banner,) = banners.banners(health.system_health())
    assert re.fullmatch(r"The scheduler has been silent since \d\d:\d\d UTC\.", banner.finding)


def test_workers_that_work_are_not_called_missing_right_after_a_flush(job: Job) -> None:
    job.chunks.update(
        status="processing", lease_token="00000000-0000-0000-0000-000000000000", lease_expires_at="2100-01-01T00:00Z"
    )
    client().flushdb()

    assert checks() == ["scheduler"]


def test_what_takes_time_is_looked_at_by_the_scheduler_and_shown_until_it_is_mended(
    settings: Settings, short_path: Path, page: Client, job: Job
) -> None:
    with own_valkey(settings, short_path, "--maxmemory-policy", "allkeys-lru"):
        health.note_worker_alive("celery@here")
        health.note_scheduler_alive()
        assert checks() == []

        banners.note_findings()
        assert "Redis may drop messages: its eviction policy is allkeys-lru." in text_of(page, "overview", job)
        assert banners.token(health.system_health()) == "redis_eviction"

        client().config_set("maxmemory-policy", "noeviction")
        banners.note_findings()
        assert checks() == ["redis eviction"], "it is not time to look again"

        pace.make_due("findings")
        banners.note_findings()
        assert checks() == []


def test_a_media_folder_that_cannot_be_written_is_told(
    settings: Settings, tmp_path: Path, all_alive: None, page: Client, job: Job
) -> None:
    (tmp_path / "media").write_text("a file in its place")
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "media"}},
    }

    banners.note_findings()

    assert "<strong>Pictures cannot be stored.</strong>" in text_of(page, "job", job)


def test_what_is_worst_comes_first(all_alive: None) -> None:
    client().set(health.NOTED, '[{"check": "disk", "level": "warning", "finding": "Nearly full."}]')
    client().delete("px:scheduler")

    found = banners.banners(health.system_health())

    assert [banner.level for banner in found] == [Level.PROBLEM, Level.WARNING]


def test_findings_expire_soon_after_the_last_scheduler_looked(all_alive: None) -> None:
    banners.note_findings()

    assert 0 < client().ttl(health.NOTED) <= 120


def test_a_scheduler_does_not_wait_for_the_look() -> None:
    banners.note_findings_aside()

    wait_until(lambda: client().exists(health.NOTED))


def test_a_scheduler_goes_on_while_redis_is_away(dead_redis: None) -> None:
    banners.note_findings()

    assert [banner.check for banner in banners.banners(health.system_health())] == ["redis"]


@pytest.mark.parametrize("written", ["nonsense", '{"check": 1}', '[{"check": "x"}]', "[1]"])
def test_findings_of_another_version_are_left_out(all_alive: None, written: str) -> None:
    client().set(health.NOTED, written)

    assert checks() == []
