"""Many who watch a job ask more seldom, so that together they ask no more often than some do."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bench.watchers import _NEXT
from jobs import progress, watchers
from jobs.models import Status
from jobs.redis_store import client as redis
from jobs.tests.factories import JobFactory

JOB = 17


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of the window that it is now."""
    now = [1]
    monkeypatch.setattr(watchers, "_window", lambda: now[0])
    return now


def watched(number: int, *, every_s: int) -> None:
    """As if so many had watched for a window."""
    with redis().pipeline() as pipe:
        for _ in range(number * watchers._WINDOW_S // every_s):
            watchers.note(pipe, JOB, every_s)
        pipe.execute()


def asks_again_after_s() -> int:
    with redis().pipeline() as pipe:
        watchers.ask(pipe, JOB)
        return watchers.poll_s(iter(pipe.execute()))


@pytest.mark.parametrize(("number", "asks_every_s"), [(0, 2), (1, 2), (40, 2), (100, 5), (200, 10), (900, 30)])
@pytest.mark.parametrize("every_s", [2, 5, 10])
def test_the_pace_is_that_of_all_together_however_often_they_asked_before(
    windows: list[int], number: int, asks_every_s: int, every_s: int
) -> None:
    watched(number, every_s=every_s)
    windows[0] += 1

    assert asks_again_after_s() == asks_every_s
    windows[0] += 1
    assert asks_again_after_s() == 2


def test_many_who_have_just_come_count_at_once(windows: list[int]) -> None:
    watched(200, every_s=2)

    assert asks_again_after_s() == 10


def test_nobody_counts_for_more_than_a_slow_page(windows: list[int]) -> None:
    with redis().pipeline() as pipe:
        watchers.note(pipe, JOB, 10**9)
        pipe.execute()
    windows[0] += 1

    assert asks_again_after_s() == 2


@pytest.mark.django_db
def test_a_page_says_when_it_asks_again_and_how_long_it_waited(client: Client, windows: list[int]) -> None:
    job = JobFactory.create(status=Status.PROCESSING)
    progress.rebuild(job)
    redis().set(f"px:job:{job.pk}:watched:0", 200 * watchers._WINDOW_S)
    client.force_login(User.objects.create_superuser("ana"))

    drawn = client.get(f"/jobs/{job.pk}/live/", {"v": "old", "s": "5"}).content

    named = _NEXT.search(drawn)
    assert named
    assert (re.findall(rb"s=(\d+)$", named[1]), named[2]) == ([b"10"], b"10")
    assert redis().get(f"px:job:{job.pk}:watched:1") == "5"
