"""Sessions are Django's own: they end when they end, and what was tampered with opens nothing."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from datasets.tests.factories import UserFactory
from pixcrawler.sessions import SessionStore

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(client: Client) -> Client:
    client.force_login(UserFactory.create())
    return client


def key(client: Client) -> str:
    return client.cookies["sessionid"].value


def is_let_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_it_reads_what_django_reads_by_one_query(
    signed_in: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    store = SessionStore(key(signed_in))
    with django_assert_num_queries(1):
        data = store.load()

    assert data == db.SessionStore(key(signed_in)).load()
    assert data["_auth_user_id"]
    assert is_let_in(signed_in)


def test_a_session_ends_with_its_time_its_logout_and_its_user(signed_in: Client, client: Client) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=2))
    assert not is_let_in(signed_in)

    for end in (Client.logout, lambda _client: User.objects.all().delete()):
        one = Client()
        one.force_login(UserFactory.create())
        cookie = key(one)
        assert is_let_in(one)
        end(one)
        one.cookies["sessionid"] = cookie
        assert not is_let_in(one)


def test_what_was_tampered_with_or_made_up_opens_nothing(signed_in: Client) -> None:
    Session.objects.update(session_data=Session.objects.get().session_data[:-2] + "xx")
    assert not is_let_in(signed_in)

    signed_in.cookies["sessionid"] = "' OR 1=1 -- made up by somebody"
    assert not is_let_in(signed_in)
    store = SessionStore("made-up-by-somebody")
    assert (store.load(), store.session_key) == ({}, None)
