"""manage.py runflower: who may look at Flower, and whom it listens to."""

import base64
import signal
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from conftest import wait_until
from pixcrawler.tests.processes import Started, free_port, manage


def status(port: int, path: str, login: str = "") -> int:
    """What Flower answers; 0 while nobody listens."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if login:
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "flower.example.org"])
def test_without_a_login_it_listens_to_nobody_else(address: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("runflower", address=address)

    assert str(refused.value).startswith(f"Flower would listen on {address} without a login: whoever reaches")
    assert "Set FLOWER_BASIC_AUTH to name:password" in str(refused.value)


@pytest.mark.parametrize("login", ["operator", "operator:", ":password", "operator:password,"])
def test_a_login_that_is_none_is_refused(settings: Settings, login: str) -> None:
    settings.FLOWER_BASIC_AUTH = login

    with pytest.raises(CommandError, match="FLOWER_BASIC_AUTH is not name:password"):
        call_command("runflower")


def test_a_login_by_file_is_asked_for_and_is_on_no_command_line(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "login").write_text("operator:a long word\n")
    port = free_port()
    given = {**process_environment, "FLOWER_BASIC_AUTH_FILE": str(tmp_path / "login")}
    flower = Started(manage("runflower", "--port", str(port)), env=given)
    try:
        wait_until(lambda: status(port, "/healthcheck") == 200, seconds=60)

        assert [status(port, path) for path in ("/workers", "/tasks", "/api/workers")] == [401, 401, 401]
        assert status(port, "/workers", "operator:another word") == 401
        assert status(port, "/workers", "operator:a long word") == 200
        assert b"a long word" not in Path(f"/proc/{flower.pid}/cmdline").read_bytes()
    finally:
        flower.end(signal.SIGTERM)
    assert "no login" not in flower.text
