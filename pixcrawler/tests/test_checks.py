"""System checks: what manage.py check says, what it leaves out, and what workers say of it when they start."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from bench.certificates import certificate_for
from jobs.redis_store import client
from jobs.tests.servers import own_valkey
from pixcrawler.checks import REDIS_TAG, SETTINGS_TAG
from pixcrawler.tests.processes import Started, manage, run


def said(*, deploy: bool = False) -> dict[str, CheckMessage]:
    found = run_checks(tags=[SETTINGS_TAG], include_deployment_checks=deploy)
    return {message.id or "": message for message in found}


def asked_of_redis() -> list[str | None]:
    return [message.id for message in run_checks(tags=[REDIS_TAG], databases=["default"])]


def test_the_settings_as_they_come_say_nothing() -> None:
    assert said() == {}


def test_hosts_that_are_exempt_from_the_address_rules_are_a_warning(settings: Settings) -> None:
    settings.ALLOW_HOSTS = frozenset({"10.0.0.5:8080"})

    message = said()["pixcrawler.W003"]

    assert "10.0.0.5:8080" in message.msg
    assert "PIXCRAWLER_ALLOW_HOSTS" in (message.hint or "")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_an_error(settings: Settings, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    settings.CA_BUNDLE = str(file)
    assert "PIXCRAWLER_CA_BUNDLE" in said()["pixcrawler.E008"].msg

    settings.CA_BUNDLE = str(certificate_for(["127.0.0.1"], tmp_path).file)
    assert said() == {}


def test_a_time_limit_below_the_lease_is_a_warning(settings: Settings) -> None:
    settings.CELERY_TASK_TIME_LIMIT, settings.LEASE_S = 30, 30.0

    assert "(30 s) is not above the lease (30 s)" in said()["pixcrawler.W002"].msg


@pytest.mark.parametrize(("hosts", "warned"), [(["localhost", "127.0.0.1", "[::1]"], False), (["*"], True)])
def test_debug_pages_are_a_warning_once_a_public_name_is_served(
    settings: Settings, hosts: list[str], warned: bool
) -> None:
    settings.DEBUG, settings.ALLOWED_HOSTS = True, hosts

    assert ("pixcrawler.W004" in said()) is warned


def test_a_missing_contact_is_told_where_others_will_use_the_installation(settings: Settings) -> None:
    assert "PIXCRAWLER_CONTACT" in (said(deploy=True)["pixcrawler.I005"].hint or "")

    settings.CONTACT = "ops@example.org"
    assert "pixcrawler.I005" not in said(deploy=True)


def test_tasks_that_are_no_json_stop_a_worker_with_a_sentence(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "own_settings.py").write_text(
        "from pixcrawler.settings import *\n"
        'CELERY_TASK_SERIALIZER = "pickle"\n'
        'CELERY_ACCEPT_CONTENT = ["json", "pickle"]\n'
    )
    environment = {**process_environment, "DJANGO_SETTINGS_MODULE": "own_settings", "PYTHONPATH": str(tmp_path)}

    done = run(manage("runworker"), env=environment)

    assert done.returncode == 1
    assert "(pixcrawler.E001) Tasks may be pickle, not JSON alone." in done.stderr
    assert "Traceback" not in done.stderr


def test_redis_is_asked_only_where_databases_may_be(settings: Settings, tmp_path: Path) -> None:
    with own_valkey(settings, tmp_path, "--maxmemory-policy", "allkeys-lru"):
        assert run_checks(tags=[REDIS_TAG]) == []
        assert asked_of_redis() == ["pixcrawler.W006"]

        client().config_set("maxmemory-policy", "volatile-lru")
        assert asked_of_redis() == []


def test_a_redis_that_is_away_is_no_fault_of_the_settings(dead_redis: None) -> None:
    assert asked_of_redis() == []


@pytest.mark.django_db(transaction=True)
def test_workers_and_schedulers_say_once_that_redis_may_drop_messages(process_environment: dict[str, str]) -> None:
    environment = {**process_environment, "PIXCRAWLER_LOG_LEVEL": "INFO"}
    commands = {
        ("runworker", "--concurrency=1"): "ready.",
        ("runscheduler",): "",
        ("runscheduler", "--skip-checks"): "",
    }
    client().config_set("maxmemory-policy", "allkeys-lru")
    with ExitStack() as running:
        running.callback(client().config_set, "maxmemory-policy", "noeviction")
        started = [running.enter_context(_started(environment, *command)) for command in commands]
        for process, words in zip(started, commands.values(), strict=True):
            process.wait_for(words or "makes a pass")

    assert [process.text.count("pixcrawler.W006") for process in started] == [1, 1, 0]
    assert "redis-cli config set maxmemory-policy noeviction" in started[0].text


@contextmanager
def _started(environment: dict[str, str], *arguments: str) -> Iterator[Started]:
    process = Started(manage(*arguments), env=environment)
    try:
        yield process
    finally:
        process.end(signal.SIGTERM)
