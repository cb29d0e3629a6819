"""What load balancers and monitors are told."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db


def test_an_installation_that_has_all_it_needs_is_ready_without_a_login(client: Client) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.text) == (200, "ready\n")


def test_a_media_store_that_cannot_be_written_is_not_ready_and_tells_no_stranger_why(
    client: Client, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "media"
    in_the_way.write_text("a file, where a folder should be")
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "datasets.storage.AtomicFileSystemStorage", "OPTIONS": {"location": in_the_way}},
    }

    answer = client.get("/readyz")

    assert (answer.status_code, answer.text) == (503, "not ready\n")
    assert "the media store" in caplog.text
    assert client.get("/healthz").status_code == 200


def test_without_redis_it_is_not_ready(client: Client, dead_redis: None) -> None:
    assert client.get("/readyz").status_code == 503
