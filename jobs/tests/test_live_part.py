"""The live part of a running job: drawn once for all who watch it, to each what is theirs, no big table read."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from datasets.models import Dataset, Image, ValidationLevel
from datasets.people import OPERATOR, VIEWER
from datasets.tests.factories import ImageFactory
from datasets.tests.people import person
from jobs import progress, services
from jobs.health import note_worker_alive
from jobs.models import Activity, Chunk, Finding, Job, Kind, Status
from jobs.redis_store import client as redis
from jobs.spec import ValidationSpec
from jobs.tests.factories import ChunkFactory, FindingFactory, JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def job() -> Job:
    """A crawl under way for so long that its words do not change while a test looks; two failures and ten images."""
    job = JobFactory.create(status=Status.PROCESSING, wanted=40, started_at=timezone.now() - timedelta(minutes=9.6))
    chunk = ChunkFactory.create(job=job, status=Status.PROCESSING, found=12, kept=10, failed=2)
    FindingFactory.create_batch(2, chunk=chunk, outcome="failed", reason="timeout")
    ImageFactory.create_batch(10, dataset=job.dataset, job_id=job.pk)
    progress.rebuild(job)
    note_worker_alive("worker")
    return job


@pytest.fixture
def watcher() -> Callable[[str], Client]:
    """Gives the browser of somebody new with a role."""

    def signed_in(role: str = OPERATOR) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(person(role))
        return client

    return signed_in


Watcher = Callable[..., Client]


def polled(client: Client, job: Job, *, v: str = "old") -> str:
    response = client.get(f"/jobs/{job.pk}/live/", {"v": v}, headers={"HX-Request": "true"})
    assert response.status_code == 200
    return response.content.decode()


def forget_drawings(job: Job) -> None:
    redis().delete(*redis().keys(f"px:job:{job.pk}:drawn:*"))


def age_drawings(job: Job) -> None:
    """As if they had been drawn two seconds ago."""
    for key in redis().keys(f"px:job:{job.pk}:drawn:*"):
        redis().pexpire(key, redis().pttl(key) - 2_000)


def tokens(text: str) -> set[str]:
    return set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', text))


def without_tokens(text: str) -> str:
    return re.sub(r'(name="csrfmiddlewaretoken" value=)"\w+"', r"\1", text)


def tables_read(client: Client, job: Job) -> str:
    with CaptureQueriesContext(connection) as seen:
        polled(client, job)
    assert len(seen) <= 6
    return " ".join(query["sql"] for query in seen)


def test_a_poll_of_a_crawl_reads_neither_images_nor_findings(watcher: Watcher, job: Job) -> None:
    client = watcher()

    drawn, shared = tables_read(client, job), tables_read(client, job)

    assert Chunk._meta.db_table in drawn
    assert Chunk._meta.db_table not in shared
    assert not [name for name in (Image._meta.db_table, Finding._meta.db_table) if name in drawn + shared]
    text = polled(client, job)
    assert "2 downloads failed: timeout" in text
    newest = job.dataset.images.order_by("-pk").values_list("pk", flat=True)[:8]
    assert re.findall(r'id="img-(\d+)"', text) == [str(pk) for pk in newest]


def test_a_poll_of_a_validation_reads_no_finding(watcher: Watcher) -> None:
    spec = ValidationSpec(level=ValidationLevel.STANDARD, last_image_id=99, image_count=9)
    job = JobFactory.create(kind=Kind.VALIDATE, status=Status.PROCESSING, wanted=9, spec=spec.to_json())
    chunk = ChunkFactory.create(job=job, source="images", status=Status.PROCESSING, found=3, kept=1, rejected=2)
    FindingFactory.create_batch(2, chunk=chunk, outcome="rejected", reason="truncated")
    progress.publish(chunk)
    note_worker_alive("worker")
    client = watcher()

    assert Finding._meta.db_table not in tables_read(client, job)
    assert re.search(r'truncated<br>.*rejected</span>.*<td class="num">2</td>', polled(client, job), re.DOTALL)


def test_without_redis_the_same_is_read_from_the_rows(
    watcher: Watcher, job: Job, request: pytest.FixtureRequest
) -> None:
    client = watcher()
    with_redis = polled(client, job)
    request.getfixturevalue("dead_redis")
    without = polled(client, job)

    for told in (r"\d+ downloads? failed: \w+", r'id="img-\d+"', r'id="n-\w+">\d+', r"\d+ chunks? done"):
        assert re.findall(told, without) == re.findall(told, with_redis) != []


def test_what_is_shared_is_what_a_fresh_drawing_shows(watcher: Watcher, job: Job) -> None:
    polled(watcher(), job)
    another = watcher()
    shared = polled(another, job)

    forget_drawings(job)
    fresh = polled(another, job)

    assert without_tokens(shared) == without_tokens(fresh)


def test_people_with_other_rights_are_shown_theirs(watcher: Watcher, job: Job) -> None:
    operator, viewer = watcher(), watcher(VIEWER)
    staff = watcher()
    User.objects.filter(pk=staff.session["_auth_user_id"]).update(is_staff=True)

    for _ in range(2):
        assert ('id="cancel"' in polled(operator, job), "Open in admin" in polled(operator, job)) == (True, False)
        assert ('id="cancel"' in polled(viewer, job), "Open in admin" in polled(viewer, job)) == (False, False)
        assert ('id="cancel"' in polled(staff, job), "Open in admin" in polled(staff, job)) == (True, True)


def test_a_right_that_was_taken_away_is_gone_at_the_next_poll(watcher: Watcher, job: Job) -> None:
    operator = watcher()
    assert 'id="cancel"' in polled(operator, job)

    User.objects.get(pk=operator.session["_auth_user_id"]).user_permissions.clear()

    assert 'id="cancel"' not in polled(operator, job)


def test_whoever_may_not_see_the_job_is_told_of_none(watcher: Watcher, job: Job) -> None:
    owner, stranger = watcher(), watcher()
    owner_id = int(owner.session["_auth_user_id"])
    Dataset.objects.filter(pk=job.dataset_id).update(is_shared=False, created_by=owner_id)
    polled(owner, job)

    for v in ("old", progress.version(job.pk) or ""):
        assert stranger.get(f"/jobs/{job.pk}/live/", {"v": v}).status_code == 404
    owner.logout()
    answer = owner.get(f"/jobs/{job.pk}/live/", {"v": "old"}, headers={"HX-Request": "true"})
    assert (answer.content, "/login/" in answer["HX-Redirect"]) == (b"", True)


@pytest.mark.parametrize("address", ["/jobs/{}/", "/jobs/{}/live/"])
def test_a_number_that_no_row_can_have_is_not_found(watcher: Watcher, address: str) -> None:
    assert watcher().get(address.format(2**63)).status_code == 404


def test_each_has_tokens_of_their_own_that_are_good(watcher: Watcher, job: Job) -> None:
    ana, ben = watcher(), watcher()
    of_ana, of_ben = tokens(polled(ana, job)), tokens(polled(ben, job))
    assert of_ana
    assert of_ben
    assert not of_ana & of_ben

    pause = f"/jobs/{job.pk}/pause/"
    assert ben.post(pause, {"csrfmiddlewaretoken": of_ana.pop()}).status_code == 403
    assert ben.post(pause, {"csrfmiddlewaretoken": of_ben.pop()}).status_code == 302
    job.refresh_from_db()
    assert job.paused_at is not None


def test_however_many_watch_it_is_drawn_once_a_second(watcher: Watcher, job: Job) -> None:
    browsers = [watcher() for _ in range(3)]
    for browser in browsers:
        polled(browser, job)
    before = progress.version(job.pk)
    Chunk.objects.filter(job=job).update(found=13, rejected=1)
    progress.rebuild(job)

    shared = [polled(browser, job) for browser in browsers]
    assert [(f"v={before}" in text, 'id="n-found">12<' in text) for text in shared] == [(True, True)] * 3

    age_drawings(job)
    drawn = [polled(browser, job) for browser in browsers]
    assert ['id="n-found">13<' in text for text in drawn] == [True] * 3


def test_what_changed_in_a_part_that_is_kept_is_drawn_anew(watcher: Watcher, job: Job) -> None:
    client = watcher()
    before = polled(client, job)
    Dataset.objects.filter(pk=job.dataset_id).update(near_duplicate_bits=7, obey_robots_txt=False)
    Activity.objects.create(job=job, level="warning", sentence="A site asked for a pause.")
    Chunk.objects.filter(job=job).update(kept=11, found=13)
    ImageFactory.create(dataset=job.dataset, job_id=job.pk)
    progress.rebuild(job)
    forget_drawings(job)

    after = polled(client, job)

    assert [told in before for told in ("within 10 bits", "robots.txt", "11 kept")] == [True, True, False]
    assert [told in after for told in ("within 7 bits", "11 kept")] == [True, True]
    assert "robots.txt" not in after
    assert "A site asked for a pause." in after
    newest = job.dataset.images.order_by("-pk").values_list("pk", flat=True)[:8]
    assert re.findall(r'id="img-(\d+)"', after) == [str(pk) for pk in newest]


def test_what_people_do_is_shown_at_once(watcher: Watcher, job: Job) -> None:
    client = watcher()
    polled(client, job)

    services.pause_job(job_id=job.pk, by=None)

    assert 'id="resume"' in polled(client, job)


def test_while_somebody_draws_others_have_what_was_drawn_before(watcher: Watcher, job: Job) -> None:
    client = watcher()
    polled(client, job)
    (key,) = redis().keys(f"px:job:{job.pk}:drawn:*")
    before = progress.version(job.pk)
    progress.touch(job.pk)
    age_drawings(job)

    redis().set(f"{key}:turn", "", px=60_000)

    assert f"v={before}" in polled(client, job)


def test_the_end_is_shared_too_and_stops_the_polling(watcher: Watcher, job: Job) -> None:
    polled(watcher(), job)
    Job.objects.filter(pk=job.pk).update(status=Status.CANCELLED, finished_at=timezone.now(), summary="Cancelled.")
    progress.touch(job.pk)

    answers = [watcher().get(f"/jobs/{job.pk}/live/", {"v": "old"}) for _ in range(2)]

    assert [(answer.status_code, b"hx-get" in answer.content) for answer in answers] == [(286, False)] * 2
