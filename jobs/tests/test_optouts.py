"""A crawl does what its dataset's rules say of opt-outs, and keeps with each image what site and file said."""

import pytest
from pytest_django import Settings

from datasets.models import Dataset, Image
from datasets.tests.pictures import encoded, noisy
from jobs import wiring
from jobs.crawl.robots import RobotsTxt
from jobs.models import Finding
from jobs.redis_store import client
from jobs.robots_store import RedisRobotsStore
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import reasons, submit

pytestmark = pytest.mark.django_db(transaction=True)


def photo(seed: int) -> bytes:
    return encoded(noisy(90, 80, seed=seed))


@pytest.fixture
def shy_web(web: PhotoWeb) -> PhotoWeb:
    """Photographs of which one is open, one is disallowed, and one says so in its headers."""
    web.pages["/robots.txt"] = lambda _: (200, {"Content-Type": "text/plain"}, b"User-agent: *\nDisallow: /private/")
    web.add_photo("/open.jpg", photo(1))
    web.add_photo("/private/a.jpg", photo(2))
    web.add_photo("/tagged.jpg", photo(3))
    web.pages["/tagged.jpg"] = lambda _: (200, {"X-Robots-Tag": "noai"}, photo(3))
    return web


@pytest.mark.parametrize("source", ["openverse", "urls"])
def test_opt_outs_are_obeyed_whatever_the_source(shy_web: PhotoWeb, source: str) -> None:
    lines = [str(listed["url"]) for listed in shy_web.listed[""]] if source == "urls" else None

    job = drain(submit(sources=(source,), url_list=lines, keywords=("x",) if source == "openverse" else ()))

    assert_ledger_holds(job)
    assert reasons(job) == {"robots_disallowed": 1, "optout_header": 1}
    assert (job.kept, job.rejected) == (1, 2)
    assert shy_web.hits["/private/a.jpg"] == 0
    assert shy_web.hits["/robots.txt"] == 1


def test_the_image_keeps_what_was_said(shy_web: PhotoWeb) -> None:
    drain(submit())

    evidence = Image.objects.get().optout_evidence
    assert evidence["robots_txt"]["said"].startswith("allows (read ")
    assert evidence["robots_tag"] == {"obeyed": True, "said": ""}


def test_a_dataset_may_switch_the_rules_off(shy_web: PhotoWeb) -> None:
    Dataset.objects.create(name="Photos", slug="photos", obey_robots_txt=False, obey_robots_tag=False)

    job = drain(submit())

    assert_ledger_holds(job)
    assert job.kept == 3
    assert shy_web.hits["/robots.txt"] == 0
    assert Image.objects.get(url__endswith="/tagged.jpg").optout_evidence["robots_tag"] == {
        "obeyed": False,
        "said": "noai",
    }


def test_a_blocked_site_is_named_and_not_asked(web: PhotoWeb, settings: Settings) -> None:
    settings.BLOCKED_DOMAINS = frozenset({"127.0.0.1"})
    wiring.fetcher.cache_clear()
    web.add_photo("/a.jpg", photo(1))

    job = drain(submit())

    assert_ledger_holds(job)
    assert reasons(job) == {"blocked_domain": 1}
    assert web.hits["/a.jpg"] == web.hits["/robots.txt"] == 0


def test_a_site_whose_robots_txt_cannot_be_read_is_left_alone_and_said_so(web: PhotoWeb, settings: Settings) -> None:
    settings.FETCH_ATTEMPTS = 1
    wiring.fetcher.cache_clear()
    web.pages["/robots.txt"] = lambda _: (500, {}, b"")
    web.add_photo("/a.jpg", photo(1))

    job = drain(submit())

    finding = Finding.objects.get()
    assert (job.rejected, finding.reason) == (1, "robots_disallowed")
    assert "could not be read" in finding.detail


ROBOTS = RobotsTxt(read_at=1000.0, expires_at=1060.0, text="User-agent: *\nDisallow: /ü")


def test_workers_share_what_was_read_until_it_expires() -> None:
    RedisRobotsStore().put("https://a.example", ROBOTS)

    assert RedisRobotsStore().get("https://a.example") == ROBOTS
    assert RedisRobotsStore().get("https://b.example") is None
    assert 0 < client().pttl("px:robots:https://a.example") <= 60_000


def test_what_cannot_be_shared_is_read_by_each_process() -> None:
    RedisRobotsStore().put("https://a.example", RobotsTxt(read_at=0, expires_at=60, text="x" * 70_000))
    client().set("px:robots:https://b.example", "not what we write")
    client().set("px:robots:https://c.example", '{"of": "another version"}')

    assert [RedisRobotsStore().get(f"https://{name}.example") for name in "abc"] == [None, None, None]


@pytest.mark.usefixtures("dead_redis")
def test_without_redis_robots_txt_is_still_obeyed(shy_web: PhotoWeb) -> None:
    wiring.robots.cache_clear()

    job = drain(submit())

    assert_ledger_holds(job)
    assert reasons(job) == {"robots_disallowed": 1, "optout_header": 1}
