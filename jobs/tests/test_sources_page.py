"""The page of sources, the command, the API's list, and a job among sources that refuse or are down."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from datasets.tests import people
from datasets.tests.factories import UserFactory
from jobs import examination, source_health, source_keys
from jobs.health import note_worker_alive
from jobs.source_health import Kind
from jobs.tests.photoweb import PhotoWeb

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_breaker() -> None:
    source_health.breaker.cache_clear()


def note(kind: Kind, times: int = 1, words: str = "") -> None:
    for _ in range(times):
        source_health.breaker().note("openverse", kind, seconds=0.4, words=words)


def test_everybody_who_signed_in_may_look_and_only_those_who_start_crawls_see_the_button(client: Client) -> None:
    client.force_login(UserFactory.create())
    page = client.get(reverse("sources")).text
    assert "Openverse" in page
    assert "240 results per search" in page
    assert "Not asked yet" in page
    assert "Check now" not in page
    client.force_login(people.operator())
    assert "Check Openverse now" in client.get(reverse("sources")).text


def test_the_limits_are_those_that_this_installation_has_set(client: Client, settings: Settings) -> None:
    client.force_login(UserFactory.create())
    settings.SOURCE_SETTINGS = {
        **settings.SOURCE_SETTINGS,
        "PIXCRAWLER_OPENVERSE_RESULT_CAP": "500",
        "PIXCRAWLER_OPENVERSE_REQUESTS_PER_MINUTE": "7",
    }
    assert "500 results per search; 7 searches a minute" in client.get(reverse("sources")).text


def test_the_page_names_the_trouble_and_how_long_the_source_is_left_alone(client: Client) -> None:
    client.force_login(UserFactory.create())
    note(Kind.OK)
    note(Kind.CAPTCHA, 3, words="Openverse asks for a captcha.")
    page = client.get(reverse("sources")).text
    assert "Left alone until" in page
    assert "it asks for a captcha" in page
    assert "4, 75% failed" in page
    assert "Openverse asks for a captcha." in page


def test_a_poll_is_answered_with_204_until_a_source_answers(client: Client) -> None:
    client.force_login(UserFactory.create())
    note_worker_alive("worker")
    version = client.get(reverse("sources")).context["version"]
    live = f"{reverse('sources-live')}?v={version}"
    assert client.get(live).status_code == 204
    note(Kind.OK)
    assert client.get(live).status_code == 200


def test_the_page_says_where_a_key_is_and_that_one_cannot_be_read(client: Client, settings: Settings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the first secret key of all", []
    client.force_login(UserFactory.create())
    source_keys.set_key("openverse", "token", "a-key-of-openverse", by=None)
    assert "by the command line" in client.get(reverse("sources")).text
    settings.SECRET_KEY = "the second secret key"
    client.force_login(UserFactory.create())
    assert "cannot be read: enter it again" in client.get(reverse("sources")).text


def test_a_check_asks_though_the_source_is_left_alone_and_closes_the_breaker(web: PhotoWeb) -> None:
    note(Kind.RATE_LIMITED, 3)
    out, err = io.StringIO(), io.StringIO()
    call_command("sources", "--check", "openverse", "--json", stdout=out, stderr=err)
    told = json.loads(out.getvalue())
    assert (told["word"], told["breaker"], told["rests_until"]) == ("Works", "closed", None)
    assert "Openverse answered." in err.getvalue()
    assert web.hits["/v1/images/"] == 1


def test_a_check_that_fails_says_why_and_exits_with_1(web: PhotoWeb) -> None:
    web.pages["/v1/images/"] = lambda _: (503, {}, b"")
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("sources", "--check", "openverse", stdout=out, stderr=err)
    assert "has trouble of its own" in err.getvalue()
    assert "does not answer" in out.getvalue()
    with pytest.raises(CommandError, match="There is no source “sample” that could be asked"):
        call_command("sources", "--check", "sample")


def test_the_api_and_the_doctor_tell_the_same(client: Client) -> None:
    client.force_login(UserFactory.create())
    assert examination.sources().level == "ok"
    note(Kind.SHAPE_CHANGED, 3)
    told = {line["name"]: line for line in client.get("/api/v1/sources").json()}
    assert told["openverse"]["last_failure_kind"] == "shape_changed"
    assert told["openverse"]["breaker"] == "open"
    assert told["sample"]["word"] == "Ready"
    found = examination.sources()
    assert found.finding == "1 left alone by all workers: openverse changed its shape."
    assert found.command == "python manage.py sources --check openverse"
