"""docker-compose.yml and the Dockerfile hold together with the code: commands, services, variables, volumes."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class

from pixcrawler import env

ROOT = Path(settings.BASE_DIR)
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
OUR_VARIABLES = {variable.name for variable in env.VARIABLES}


def test_the_services_are_those_of_the_design() -> None:
    assert set(SERVICES) == {"web", "worker", "scheduler", "migrate", "postgres", "redis", "flower"}


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_commands_that_exist_with_options_that_exist(name: str) -> None:
    words = shlex.split(SERVICES[name]["command"].replace('"', " ").replace("&&", " "))
    if "manage.py" not in words:
        assert words[:2] == ["gunicorn", "pixcrawler.wsgi:application"]
        return
    for place in (index for index, word in enumerate(words) if word == "manage.py"):
        command = words[place + 1]
        options = [word for word in words[place + 2 :] if word not in {"python"}]
        following = options[: options.index("manage.py")] if "manage.py" in options else options
        parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
        parser.parse_args(following)


@pytest.mark.parametrize("name", OURS)
def test_our_services_set_only_variables_that_pixcrawler_reads(name: str) -> None:
    assert set(SERVICES[name]["environment"]) <= OUR_VARIABLES
    assert {"DATABASE_URL", "CELERY_BROKER_URL", "PIXCRAWLER_DATA_DIR"} <= set(SERVICES[name]["environment"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_a_service_waits_for_exists_and_can_become_true(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_volumes_are_declared_and_ports_stay_on_this_machine(name: str) -> None:
    assert {volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])} <= set(COMPOSE["volumes"])
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_redis_keeps_its_messages_and_evicts_none() -> None:
    command = SERVICES["redis"]["command"]
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_flower_listens_on_its_usual_port() -> None:
    assert SERVICES["flower"]["ports"] == ["127.0.0.1:5555:5555"]


def test_the_worker_may_finish_handing_back() -> None:
    seconds = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds > settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT


def test_the_image_runs_as_an_ordinary_user_from_the_locked_requirements() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert lines.index("USER pixcrawler") < next(i for i, line in enumerate(lines) if line.startswith("CMD"))
    assert any("--require-hashes -r requirements/base.txt" in line for line in lines)
    assert ".env" in (ROOT / ".dockerignore").read_text().splitlines()
