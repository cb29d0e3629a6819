"""Completion notices by webhook, to a real receiver on loopback."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as given
from django.db.models import F
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conftest import wait_until
from jobs import notices, services
from jobs.models import Activity, Chunk, Job, Status
from jobs.notice_models import Channel, Notice
from jobs.notice_webhook import signature
from jobs.tests.drain import drain
from jobs.tests.factories import JobFactory
from jobs.tests.receiver import Receiver, receiver
from jobs.tests.test_crawl import submit
from pixcrawler.tests.processes import Started, free_port, manage

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "a-secret-of-both-sides"


@pytest.fixture
def hook(settings: Settings) -> Iterator[Receiver]:
    with receiver() as told:
        _point_at(told, settings)
        yield told


def _point_at(told: Receiver, settings: Settings) -> None:
    settings.WEBHOOK_URL, settings.WEBHOOK_SECRET, settings.WEBHOOK_TIMEOUT_S = told.url, SECRET, 1.0
    settings.ALLOW_HOSTS = frozenset({told.host})


def crawl(per_label: int = 3) -> Job:
    """A crawl of drawn pictures, done in this process."""
    return drain(submit(keywords=("stars",), sources=("sample",), per_label=per_label))


def make_due() -> None:
    """Lets the time until the next attempt pass."""
    Notice.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))


def log_of(job: Job) -> str:
    return "\n".join(Activity.objects.filter(job=job).values_list("sentence", flat=True))


def test_a_job_that_ends_is_told_with_a_signature_that_can_be_checked(hook: Receiver, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://pix.example"
    job = crawl()

    assert hook.got == [], "nothing is sent by what ends the job"
    assert notices.send_due() == 1
    assert notices.send_due() == 0

    [(headers, body)] = hook.got
    said = json.loads(body)
    assert said["job"]["id"] == job.pk
    assert (said["event"], said["status"], said["dataset"]["name"]) == ("job.ended", "completed", "Photos")
    assert (said["counters"]["kept"], said["summary"]) == (job.kept, job.summary)
    assert said["link"] == f"https://pix.example/jobs/{job.pk}/"
    assert headers["pixcrawler-notice"] == said["id"] == str(Notice.objects.get().uid)
    timestamp = headers["pixcrawler-timestamp"]
    assert abs(int(timestamp) - time.time()) < 60
    assert headers["pixcrawler-signature"] == "v1=" + signature(SECRET, timestamp=timestamp, payload=body)


def test_the_snippet_of_the_docs_takes_what_is_genuine_and_nothing_else(hook: Receiver) -> None:
    crawl()
    notices.send_due()
    text = (given.BASE_DIR / "docs" / "notices.md").read_text(encoding="utf-8")
    [snippet] = re.findall(r"```python\n(.*?)```", text, re.S)
    names: dict[str, Any] = {}
    exec(compile(snippet, "docs/notices.md", "exec"), names)
    is_genuine = names["is_genuine"]
    [(headers, body)] = hook.got
    signed, stamp = headers["pixcrawler-signature"], headers["pixcrawler-timestamp"]

    assert is_genuine(SECRET, stamp, signed, body)
    assert not is_genuine("another", stamp, signed, body)
    assert not is_genuine(SECRET, stamp, signed, body + b" ")
    old = str(int(stamp) - 3600)
    assert not is_genuine(SECRET, old, f"v1={signature(SECRET, timestamp=old, payload=body)}", body)


def test_every_way_a_job_ends_is_told(hook: Receiver) -> None:
    completed = crawl()
    cancelled = submit(dataset="Others", keywords=("moon",), sources=("sample",), per_label=3)
    services.cancel_job(job_id=cancelled.pk, by=None)
    retried = services.retry_job(job_id=cancelled.pk, by=None)
    drain(retried)

    # Nothing of the cancelled one had run: what is tried again is still its first run.
    told = Notice.objects.order_by("pk").values_list("job_id", "run", "body__status")
    assert list(told) == [
        (completed.pk, 1, "completed"),
        (cancelled.pk, 1, "cancelled"),
        (cancelled.pk, 1, "completed"),
    ]


def test_without_a_receiver_and_a_mail_server_nothing_is_written() -> None:
    crawl()

    assert not Notice.objects.exists()


def test_a_receiver_that_is_down_gets_it_when_it_is_up_again(settings: Settings) -> None:
    told = Receiver(port=free_port())
    _point_at(told, settings)
    job = crawl()

    assert notices.send_due() == 0
    notice = Notice.objects.get()
    assert (notice.attempts, notice.sent_at) == (1, None)
    assert 5 < (notice.next_try_at - timezone.now()).total_seconds() <= 10
    assert "is tried again in 10 s: The host does not accept connections." in log_of(job)
    assert notices.send_due() == 0, "not due yet"

    with receiver(told.port, told):
        make_due()
        assert notices.send_due() == 1
    assert len(told.got) == 1
    assert "was delivered at attempt 2" in log_of(job)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": 500}, "answered with status 500"),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "redirects (status 302), which is not followed"),
        ({"delay_s": 3.0}, "did not answer in time"),
    ],
)
def test_what_a_receiver_does_wrong_is_told_in_words_and_tried_again(
    hook: Receiver, changes: dict[str, Any], words: str
) -> None:
    for name, value in changes.items():
        setattr(hook, name, value)
    job = crawl()

    began = time.monotonic()
    assert notices.send_due() == 0

    assert time.monotonic() - began < 2.5
    assert words in log_of(job)
    assert "of-the-receiver" not in log_of(job)
    assert len(hook.got) == 1
    hook.status, hook.delay_s = 200, 0.0
    make_due()
    assert notices.send_due() == 1
    (first, body), (second, again) = hook.got
    assert (first["pixcrawler-notice"], body) == (second["pixcrawler-notice"], again)
    assert set(hook.paths) == {"/hook?token=of-the-receiver"}


def test_a_private_address_is_refused_at_once_and_never_asked(hook: Receiver, settings: Settings) -> None:
    settings.ALLOW_HOSTS = frozenset()
    settings.WEBHOOK_URL = "http://localhost/hook"
    job = crawl()

    assert notices.send_due() == 0

    notice = Notice.objects.get()
    assert notice.given_up_at is not None
    assert "does not lead to the public internet" in log_of(job)
    assert "PIXCRAWLER_ALLOW_HOSTS" in notice.last_answer
    assert hook.got == []


def test_a_port_that_nobody_fetches_from_is_refused(hook: Receiver, settings: Settings) -> None:
    settings.ALLOW_HOSTS = frozenset()
    crawl()
    notices.send_due()

    assert "is refused. Port" in Notice.objects.get().last_answer
    assert hook.got == []


def test_it_is_given_up_after_the_last_attempt_and_can_be_sent_again(hook: Receiver, admin_client: Client) -> None:
    hook.status = 503
    job = crawl()
    for _ in range(len(notices.WAITS_S) + 3):
        make_due()
        notices.send_due()

    notice = Notice.objects.get()
    assert len(hook.got) == notice.attempts == len(notices.WAITS_S) + 1
    assert notice.given_up_at is not None
    assert f"was given up after attempt {notice.attempts}: The receiver answered with status 503" in log_of(job)
    assert "was given up after attempt" in admin_client.get(f"/jobs/{job.pk}/").text
    assert notices.counts() == {("webhook", "given_up"): 1}

    hook.status = 200
    listed = admin_client.get("/admin/jobs/notice/")
    assert "answered with status 503" in listed.text
    chosen = {"action": "send_again", "_selected_action": [notice.pk]}
    assert admin_client.post("/admin/jobs/notice/", chosen, follow=True).status_code == 200
    assert notices.send_due() == 1
    notice.refresh_from_db()
    assert notice.sent_at is not None
    assert Notice.objects.filter(given_up_at__isnull=True).exists()


def test_a_receiver_that_hangs_costs_one_wait_a_pass(hook: Receiver) -> None:
    hook.delay_s = 3.0
    for number in range(4):
        submit(dataset=f"Set {number}", keywords=("stars",), sources=("sample",), per_label=1)
    for job in Job.objects.all():
        services.cancel_job(job_id=job.pk, by=None)
    assert Notice.objects.count() == 4

    notices.send_due()

    assert len(hook.got) == 1
    assert Notice.objects.filter(attempts=0).count() == 3


def test_two_senders_at_once_send_it_once(hook: Receiver) -> None:
    crawl()
    [mine] = Notice.objects.all()
    [theirs] = Notice.objects.all()

    assert notices._begin(mine)
    assert not notices._begin(theirs)


def _environment(process_environment: dict[str, str], told: Receiver) -> dict[str, str]:
    return {
        **process_environment,
        "PIXCRAWLER_WEBHOOK_URL": told.url,
        "PIXCRAWLER_WEBHOOK_SECRET": SECRET,
        "PIXCRAWLER_ALLOW_HOSTS": told.host,
        "PIXCRAWLER_SCHEDULER_INTERVAL_S": "0.3",
    }


def test_a_worker_killed_right_after_the_jobs_end_and_a_sender_killed_while_it_sends_lose_nothing(
    hook: Receiver, process_environment: dict[str, str]
) -> None:
    environment = _environment(process_environment, hook)
    hook.delay_s = 8.0
    worker = [sys.executable, "-m", "celery", "-A", "pixcrawler", "worker", "--concurrency=1"]
    running = Started(worker, env=environment)
    job = submit(keywords=("stars",), sources=("sample",), per_label=3)
    wait_until(lambda: Job.objects.filter(pk=job.pk, status=Status.COMPLETED).exists())
    running.end(signal.SIGKILL)
    assert Notice.objects.get().attempts == 0

    first = Started(manage("runscheduler", "--skip-checks"), env=environment)
    wait_until(lambda: hook.got)
    began = time.monotonic()
    Notice.objects.update(body=F("body"))
    assert time.monotonic() - began < 4, "no transaction is open while it is sent"
    first.end(signal.SIGKILL)
    notice = Notice.objects.get()
    assert (notice.attempts, notice.sent_at) == (1, None)

    hook.delay_s = 0.0
    make_due()
    second = Started(manage("runscheduler", "--skip-checks"), env=environment)
    wait_until(lambda: Notice.objects.filter(sent_at__isnull=False).exists())
    second.end(signal.SIGTERM)
    ids = {headers["pixcrawler-notice"] for headers, _ in hook.got}
    assert (len(hook.got), ids) == (2, {str(notice.uid)})


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PIXCRAWLER_WEBHOOK_URL": "https://h.example/"}, "PIXCRAWLER_WEBHOOK_SECRET is not"),
        ({"EMAIL_URL": "mailserver:25"}, "EMAIL_URL names no mail server"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    process_environment: dict[str, str], variables: dict[str, str], words: str
) -> None:
    ended = subprocess.run(
        manage("check"),
        env={**process_environment, **variables},
        cwd=Path(given.BASE_DIR),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode != 0
    assert words in ended.stderr


def test_a_notice_goes_with_its_job() -> None:
    job = JobFactory.create(status=Status.COMPLETED)
    Notice.objects.create(job=job, run=1, channel=Channel.WEBHOOK, body={}, next_try_at=timezone.now())
    job.delete()

    assert not Notice.objects.exists()
    assert not Chunk.objects.exists()
