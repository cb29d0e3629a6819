"""What has served its time is removed once a day, in small pieces, whether Redis is there or not."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from celery import current_app
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from django_celery_results.models import TaskResult
from pytest_django import DjangoAssertNumQueries

from jobs import pace
from jobs.housekeeping import housekeeping
from jobs.redis_store import client

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """A scheduler that has just been started: without Redis it remembers its turns itself."""
    pace.make_due("housekeeping")
    yield
    pace.make_due("housekeeping")


def results(number: int, *, age: timedelta, prefix: str = "task") -> None:
    """Rows as the result backend leaves them; their time is the database's to set at first."""
    TaskResult.objects.bulk_create(TaskResult(task_id=f"{prefix}-{n}", status="SUCCESS") for n in range(number))
    TaskResult.objects.filter(task_id__startswith=f"{prefix}-").update(date_done=timezone.now() - age)


def session(key: str, *, expires: timedelta) -> None:
    Session.objects.create(session_key=key, session_data="", expire_date=timezone.now() + expires)


def test_old_task_states_and_sessions_go_and_young_ones_stay() -> None:
    results(3, age=2 * DAY, prefix="old")
    results(2, age=DAY / 2, prefix="young")
    session("ended", expires=-DAY)
    session("valid", expires=DAY)

    assert housekeeping() == 3

    assert set(TaskResult.objects.values_list("task_id", flat=True)) == {"young-0", "young-1"}
    assert list(Session.objects.values_list("session_key", flat=True)) == ["valid"]


def test_it_is_done_once_a_day_by_all_schedulers_together() -> None:
    assert housekeeping() == 0
    results(3, age=2 * DAY)

    assert housekeeping() == 0
    assert 86_000 < client().ttl("px:pace:housekeeping") <= 86_400

    client().delete("px:pace:housekeeping")
    assert housekeeping() == 3


def test_without_redis_each_scheduler_does_it_by_itself_once(dead_redis: None) -> None:
    results(2, age=2 * DAY)
    assert housekeeping() == 2

    results(2, age=2 * DAY, prefix="more")
    assert housekeeping() == 0


def test_many_rows_go_in_small_pieces_and_over_several_passes(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    results(20_500, age=2 * DAY)

    with django_assert_max_num_queries(41) as queries:
        assert housekeeping() == 20_000
    deletes = [query["sql"] for query in queries.captured_queries if query["sql"].startswith("DELETE")]
    assert len(deletes) == 20

    assert housekeeping() == 500
    assert housekeeping() == 0


def test_celerys_own_cleanup_follows_the_same_rule() -> None:
    results(2, age=2 * DAY)
    results(1, age=DAY / 2, prefix="young")

    current_app.backend.cleanup()

    assert TaskResult.objects.count() == 1


def test_sqlite_learns_how_many_rows_its_indexes_have() -> None:
    results(3, age=DAY / 2)

    housekeeping()

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT tbl FROM sqlite_stat1")
            assert (TaskResult._meta.db_table,) in cursor.fetchall()
