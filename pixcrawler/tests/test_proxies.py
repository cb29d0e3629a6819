"""Behind a proxy: whose request it is, and that only HTTPS is spoken."""

import os
import sys
from pathlib import Path

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from datasets.tests.factories import UserFactory
from pixcrawler.proxies import client_address
from pixcrawler.tests.processes import run


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "10.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (2, "203.0.113.9", "10.0.0.1"),
        (1, "", "10.0.0.1"),
    ],
)
def test_of_the_forwarded_addresses_those_of_our_proxies_are_believed(
    settings: Settings, proxies: int, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": forwarded})

    assert client_address(request) == address


@pytest.mark.django_db
def test_behind_a_proxy_a_visitor_who_guesses_locks_nobody_else_out(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    user = UserFactory.create(username="ann")
    user.set_password("right and long")
    user.save()

    def sign_in(password: str, address: str) -> int:
        return (
            Client()
            .post(
                reverse("login"),
                {"username": "ann", "password": password},
                headers={"X-Forwarded-For": f"192.0.2.{len(password)}, {address}"},
            )
            .status_code
        )

    assert [sign_in("wrong" * n, "203.0.113.9") for n in range(1, 6)] == [200, 200, 200, 200, 429]
    assert sign_in("right and long", "203.0.113.9") == 429
    assert sign_in("right and long", "203.0.113.10") == 302


def test_with_https_plain_requests_are_redirected_but_for_health_checks(tmp_path: Path) -> None:
    words = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "for path, secure in (('/api/v1/jobs/', False), ('/api/v1/jobs/', True), ('/healthz', False)):\n"
        "    got = Client().get(path, headers={'X-Forwarded-Proto': 'https'} if secure else {})\n"
        "    print(got.status_code, got.headers.get('Strict-Transport-Security'))\n"
    )
    given = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "pixcrawler.settings",
        "PIXCRAWLER_DATA_DIR": str(tmp_path),
        "PIXCRAWLER_ALLOWED_HOSTS": "testserver",
        "PIXCRAWLER_HTTPS": "true",
        "PIXCRAWLER_HSTS_S": "3600",
    }

    done = run([sys.executable, "-c", words], env=given)

    assert done.stdout.splitlines() == ["301 None", "401 max-age=3600", "200 None"], done.stderr
