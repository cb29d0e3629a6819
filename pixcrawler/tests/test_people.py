"""Signing in, sharing, and the trail of who did what."""

import pytest
from django.test import Client
from django.urls import reverse

from datasets import services
from datasets.access import NotAllowed
from datasets.audit_models import AuditEntry, Verb
from datasets.models import Dataset
from datasets.tests.factories import DatasetFactory, UserFactory
from datasets.tests.people import operator, person
from jobs.crawl_services import CrawlRequest, submit_crawl
from jobs.services import cancel_job
from jobs.spec import InvalidSpec

pytestmark = pytest.mark.django_db

CRAWL = CrawlRequest(dataset="Birds", keywords=("robin",), sources=("sample",), per_label=2)


def test_a_name_that_failed_five_times_from_an_address_waits_and_others_do_not() -> None:
    for name in ("ann", "bob"):
        user = UserFactory.create(username=name)
        user.set_password("right and long")
        user.save()

    def sign_in(name: str, password: str) -> int:
        return Client().post(reverse("login"), {"username": name, "password": password}).status_code

    assert [sign_in("ann", "wrong") for _ in range(5)] == [200, 200, 200, 200, 429]
    assert sign_in("ann", "right and long") == 429
    page = Client().post(reverse("login"), {"username": "ann", "password": "right and long"})
    assert "none is looked at for 15 minutes" in page.text
    assert sign_in("bob", "right and long") == 302


def test_what_somebody_crawls_is_theirs_until_they_share_it() -> None:
    ann, bob = operator(), operator()
    dataset = submit_crawl(CRAWL, by=ann).dataset
    browser = Client()
    browser.force_login(bob)

    assert browser.get(dataset.get_absolute_url()).status_code == 404
    assert dataset.name not in browser.get(reverse("datasets")).text
    with pytest.raises(InvalidSpec, match="a dataset that you do not see"):
        submit_crawl(CRAWL, by=bob)
    with pytest.raises(NotAllowed):
        services.share(dataset, is_shared=True, by=bob)
    owner = Client()
    owner.force_login(ann)
    owner.post(reverse("dataset-share", args=[dataset.slug]), {"shared": "1"})

    assert browser.get(dataset.get_absolute_url()).status_code == 200
    assert submit_crawl(CRAWL, by=bob).dataset == dataset


def test_what_the_command_line_makes_everybody_sees() -> None:
    dataset = submit_crawl(CRAWL, by=None).dataset
    browser = Client()
    browser.force_login(person("viewer"))

    assert browser.get(dataset.get_absolute_url()).status_code == 200


def test_who_did_what_is_kept_when_the_account_goes_and_shown_to_administrators() -> None:
    ann = operator()
    job = submit_crawl(CRAWL, by=ann)
    cancel_job(job_id=job.pk, by=None)
    name = ann.get_username()
    ann.delete()

    told = AuditEntry.objects.order_by("pk").values_list("actor_name", "verb", "dataset_name", "job_id")
    assert list(told) == [(name, Verb.STARTED, "Birds", job.pk), ("", Verb.CANCELLED, "Birds", job.pk)]
    browser = Client()
    browser.force_login(person("administrator"))
    page = browser.get(reverse("audit"), {"who": name})
    assert "Started a crawl" in page.text
    assert "Cancelled" not in page.text.partition("<tbody>")[2]
    assert "Nothing was noted that matches" in browser.get(reverse("audit"), {"who": "nobody"}).text


def test_who_may_not_is_told_what_to_ask_for() -> None:
    dataset: Dataset = DatasetFactory.create(image_count=1)
    browser = Client()
    browser.force_login(person("viewer"))

    page = browser.post(reverse("dataset-validate", args=[dataset.slug]))

    assert page.status_code == 403
    assert "not start jobs. Ask an administrator" in page.text
