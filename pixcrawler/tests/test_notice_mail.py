"""Completion notices by mail, to a real mail server on loopback."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings as given
from django.test import Client
from pytest_django import Settings

from datasets.tests.factories import UserFactory
from jobs import crawl_services, notice_plan, notices
from jobs.models import Job
from jobs.notice_models import Notice
from jobs.tests.drain import drain
from pixcrawler.tests.processes import free_port, manage
from pixcrawler.tests.test_notices import log_of, make_due

pytestmark = pytest.mark.django_db(transaction=True)


class Mailbox:
    """What a mail server hands to: keeps what came, or refuses with `refusal`."""

    def __init__(self) -> None:
        self.got: list[tuple[list[str], str]] = []
        self.refusal = ""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002
        if self.refusal:
            return self.refusal
        content = envelope.content or b""
        self.got.append((envelope.rcpt_tos, content.decode() if isinstance(content, bytes) else content))
        return "250 OK"


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = server.hostname, server.port, 2
    settings.MAIL_IS_SET = True
    settings.DEFAULT_FROM_EMAIL = "pix@example.org"
    yield box
    server.stop()


def crawl_by(user: Any) -> Job:
    request = crawl_services.CrawlRequest(dataset="Photos", keywords=("stars",), sources=("sample",), per_label=3)
    return drain(crawl_services.submit_crawl(request, by=user))


def test_who_started_a_job_gets_a_mail_if_they_asked_for_it(mailbox: Mailbox, client: Client) -> None:
    user = UserFactory.create(is_superuser=True, email="ada@example.org")
    client.force_login(user)
    crawl_by(user)
    assert not Notice.objects.exists(), "nobody asked"

    client.post("/account/preferences/", {"mail": "on"})
    assert "ada@example.org" in client.get("/account/").text
    job = crawl_by(user)

    assert notices.send_due() == 1
    [(recipients, text)] = mailbox.got
    assert recipients == ["ada@example.org"]
    assert "From: pix@example.org" in text
    assert "Subject: PixCrawler: crawl of Photos finished" in text
    assert f"/jobs/{job.pk}/" in text
    client.post("/account/preferences/", {"mail": "off"})
    crawl_by(user)
    assert Notice.objects.count() == 1


def test_the_default_holds_for_those_who_have_not_chosen(mailbox: Mailbox, settings: Settings) -> None:
    settings.MAIL_JOB_ENDED = True
    asked, refused = UserFactory.create(email="a@example.org"), UserFactory.create(email="b@example.org")
    notice_plan.choose_mail(refused, job_ended=False)

    assert notice_plan.wants_mail(asked)
    assert not notice_plan.wants_mail(refused)


def test_a_mail_server_that_refuses_is_told_in_words_and_asked_again(mailbox: Mailbox, settings: Settings) -> None:
    settings.MAIL_JOB_ENDED = True
    mailbox.refusal = "451 come back later"
    job = crawl_by(UserFactory.create(is_superuser=True, email="ada@example.org"))

    assert notices.send_due() == 0
    assert "The completion notice by e-mail was not delivered" in log_of(job)
    assert "451" in log_of(job)

    mailbox.refusal = ""
    make_due()
    assert notices.send_due() == 1
    assert len(mailbox.got) == 1


def test_a_mail_server_that_is_away_is_told(mailbox: Mailbox, settings: Settings) -> None:
    settings.MAIL_JOB_ENDED = True
    settings.EMAIL_PORT = free_port()
    job = crawl_by(UserFactory.create(is_superuser=True, email="ada@example.org"))

    assert notices.send_due() == 0
    assert "Check EMAIL_URL and that it runs." in log_of(job)


def test_a_mail_to_the_process_of_a_scheduler_arrives_by_email_url(
    mailbox: Mailbox, settings: Settings, process_environment: dict[str, str]
) -> None:
    settings.MAIL_JOB_ENDED = True
    crawl_by(UserFactory.create(is_superuser=True, email="ada@example.org"))

    environment = {**process_environment, "EMAIL_URL": f"smtp://127.0.0.1:{settings.EMAIL_PORT}"}
    once = subprocess.run(
        manage("runscheduler", "--once"),
        env=environment,
        cwd=given.BASE_DIR,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert once.returncode == 0, once.stderr
    assert [recipients for recipients, _ in mailbox.got] == [["ada@example.org"]]
