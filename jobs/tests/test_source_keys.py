"""Keys of sources are written, used and never shown; terms are confirmed by somebody, at some moment."""

import io
from dataclasses import replace

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from datasets.access import NotAllowed
from datasets.audit_models import AuditEntry
from datasets.people import ADMINISTRATOR, OPERATOR
from datasets.tests.factories import UserFactory
from jobs import examination, source_keys
from jobs.crawl.sources.base import Credential, Terms
from jobs.crawl.sources.registry import registry
from jobs.credentials import credentials_of, obstacle
from jobs.source_keys import InvalidKey
from jobs.source_models import SourceKey, SourceTerms

pytestmark = pytest.mark.django_db

SECRET = "ov-7f3a91c2e5d84b60"


def printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("sourcekeys", *arguments, stdout=out)
    return out.getvalue()


def test_a_key_is_stored_encrypted_and_comes_back_to_whoever_asks_the_source() -> None:
    source_keys.set_key("openverse", "token", f"  {SECRET}\n", by=None)

    assert source_keys.stored("openverse") == {"token": SECRET}
    assert SECRET not in SourceKey.objects.get().sealed
    assert source_keys.stored("flickr") == {}


def test_the_same_key_is_never_the_same_text_in_the_database() -> None:
    first = source_keys.set_key("openverse", "token", SECRET, by=None).sealed
    assert source_keys.set_key("openverse", "token", SECRET, by=None).sealed != first
    assert SourceKey.objects.count() == 1


@pytest.mark.parametrize("wrong", ["", "abc", "two words in it", "k" * 1_001, "zero\x00byte"])
def test_what_cannot_be_a_key_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidKey, match="Copy it from the service's page again"):
        source_keys.set_key("openverse", "token", wrong, by=None)


def test_who_entered_a_key_and_confirmed_terms_is_in_the_trail_and_the_key_is_not() -> None:
    ann = UserFactory.create(username="ann", is_superuser=True)
    source_keys.set_key("openverse", "token", SECRET, by=ann)
    source_keys.confirm_terms("pexels", terms_url="https://www.pexels.com/terms-of-service/", by=ann)
    source_keys.confirm_terms("pexels", terms_url="https://elsewhere.example/", by=ann)
    source_keys.withdraw_terms("pexels", by=ann)
    source_keys.remove_key("openverse", "token", by=ann)

    entries = list(AuditEntry.objects.order_by("pk").values_list("actor_name", "words"))
    assert entries == [
        ("ann", "The key “token” of the source openverse was entered."),
        ("ann", "The terms of the source pexels were confirmed (https://www.pexels.com/terms-of-service/)."),
        ("ann", "The confirmation of the terms of the source pexels was withdrawn."),
        ("ann", "The key “token” of the source openverse was removed."),
    ]


def test_only_administrators_enter_keys_and_confirm_terms() -> None:
    operator = UserFactory.create()
    operator.groups.add(Group.objects.get(name=OPERATOR))
    for act in (
        lambda: source_keys.set_key("openverse", "token", SECRET, by=operator),
        lambda: source_keys.remove_key("openverse", "token", by=operator),
        lambda: source_keys.confirm_terms("pexels", terms_url="", by=operator),
        lambda: source_keys.withdraw_terms("pexels", by=operator),
    ):
        with pytest.raises(NotAllowed, match="“administrator”"):
            act()
    assert not SourceKey.objects.exists()
    assert not SourceTerms.objects.exists()


def test_after_secret_key_has_changed_the_old_one_still_reads_and_rotating_makes_it_superfluous(
    settings: Settings,
) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the first secret key", []
    source_keys.set_key("openverse", "token", SECRET, by=None)
    entered_at = SourceKey.objects.get().set_at

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the second secret key", ["the first secret key"]
    assert source_keys.stored("openverse") == {"token": SECRET}
    assert printed("--rotate") == "1 keys are encrypted with SECRET_KEY now.\n"

    settings.SECRET_KEY_FALLBACKS = []
    assert source_keys.stored("openverse") == {"token": SECRET}
    assert SourceKey.objects.get().set_at == entered_at


def test_a_key_that_cannot_be_read_is_none_and_doctor_and_command_say_what_to_do(settings: Settings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the first secret key", []
    source_keys.set_key("openverse", "token", SECRET, by=None)
    settings.SECRET_KEY = "the second secret key"

    assert source_keys.stored("openverse") == {}
    told = examination.source_keys()
    assert told.level == "problem"
    assert "openverse: token cannot be read: SECRET_KEY is not the one that encrypted it" in told.finding
    assert "sourcekeys --rotate" in told.mend
    assert "cannot be read: SECRET_KEY has changed" in printed()
    with pytest.raises(CommandError, match="Put the SECRET_KEY of before into SECRET_KEY_FALLBACKS"):
        printed("--rotate")


def test_the_admin_takes_a_key_and_shows_that_it_is_set_by_whom_and_never_what_it_is(client: Client) -> None:
    ann = UserFactory.create(username="ann", is_staff=True)
    ann.groups.add(Group.objects.get(name=ADMINISTRATOR))
    client.force_login(ann)
    add = reverse("admin:jobs_sourcekey_add")

    short = client.post(add, {"key": "openverse/token", "secret": "abc12"})
    assert "Copy it from the service" in short.text
    assert "abc12" not in short.text
    client.post(add, {"key": "openverse/token", "secret": SECRET})

    key = SourceKey.objects.get()
    pages = [
        client.get(reverse(f"admin:jobs_sourcekey_{page}", args=arguments)).text
        for page, arguments in (("changelist", []), ("change", [key.pk]), ("history", [key.pk]), ("delete", [key.pk]))
    ]
    assert source_keys.stored("openverse") == {"token": SECRET}
    assert all(secret not in page for page in pages for secret in (SECRET, SECRET[-4:], key.sealed))
    assert "ann" in pages[0]
    client.post(reverse("admin:jobs_sourcekey_delete", args=[key.pk]), {"post": "yes"})
    assert not SourceKey.objects.exists()


def test_the_command_reads_a_key_from_a_pipe_and_never_prints_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    told = printed("--set", "openverse", "token") + printed()

    assert source_keys.stored("openverse") == {"token": SECRET}
    assert "openverse token: set" in told
    assert "by the command line" in told
    assert SECRET not in told
    assert printed("--remove", "openverse", "token") == "Removed.\n"
    with pytest.raises(CommandError, match="has no key “colour”"):
        printed("--set", "openverse", "colour")


def test_a_key_in_the_environment_wins_over_one_in_the_database(settings: Settings) -> None:
    info = registry().modules["openverse"].INFO
    source_keys.set_key("openverse", "token", SECRET, by=None)
    source_keys.set_key("openverse", "client_id", "id-of-the-database", by=None)
    assert credentials_of(info) == {"token": SECRET, "client_id": "id-of-the-database"}

    settings.SOURCE_SETTINGS = {**settings.SOURCE_SETTINGS, "PIXCRAWLER_OPENVERSE_TOKEN": "of-the-environment"}
    assert credentials_of(info) == {"token": "of-the-environment", "client_id": "id-of-the-database"}


def test_a_source_with_terms_is_off_until_it_has_a_key_and_somebody_confirmed_them() -> None:
    info = replace(
        registry().modules["openverse"].INFO,
        name="pexels",
        title="Pexels",
        credentials=(Credential(name="key", title="API key", where="https://www.pexels.com/api/"),),
        terms=Terms(text="No copies of the service.", url="https://www.pexels.com/terms-of-service/"),
    )
    assert obstacle(info).startswith("Pexels needs a key (https://www.pexels.com/api/): an administrator enters it")
    source_keys.set_key("pexels", "key", SECRET, by=None)
    assert "An administrator confirms them in the admin" in obstacle(info)
    source_keys.confirm_terms("pexels", terms_url=info.terms.url if info.terms else "", by=None)
    assert obstacle(info) == ""
    source_keys.withdraw_terms("pexels", by=None)
    assert obstacle(info) != ""
