"""docker-compose.yml, the Dockerfile and what they need hold together with each other and with the code.

faults/test_compose_stack.py runs all that is written there.
"""

import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

from pixcrawler import env
from pixcrawler.tests.compose_file import COMPOSE, LASTING, OURS, ROOT, SERVICES, Places, copy_into_image
from pixcrawler.tests.processes import run

OUR_VARIABLES = {variable.name for variable in env.VARIABLES}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("with-secrets") / "secrets"
    subprocess.run(["sh", ROOT / "scripts" / "make_secrets.sh", folder], check=True, capture_output=True)
    return folder


def test_it_is_what_the_compose_specification_describes() -> None:
    checked = run(
        [*(sys.executable, "-m", "check_jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        env=os.environ,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_schema_finds_what_is_written_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text((ROOT / "docker-compose.yml").read_text().replace("stop_grace_period", "stop_grace_time"))
    checked = run(
        [*(sys.executable, "-m", "check_jsonschema"), "--builtin-schema", "vendor.compose-spec", str(broken)],
        env=os.environ,
    )
    assert "stop_grace_time" in checked.stdout


def test_the_services_are_those_of_the_design() -> None:
    assert set(SERVICES) == {"web", "worker", "scheduler", "migrate", "postgres", "redis", "flower", "proxy"}
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"flower", "proxy"}


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
    given = set(SERVICES[name]["environment"])
    assert all({variable, variable.removesuffix("_FILE")} & OUR_VARIABLES for variable in given)
    assert {"DATABASE_URL", "CELERY_BROKER_URL", "PIXCRAWLER_DATA_DIR", "SECRET_KEY_FILE"} <= given


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_secrets_come_by_files_that_make_secrets_makes_and_the_service_is_given(name: str, secrets: Path) -> None:
    service = SERVICES[name]
    text = str(service)
    assert not re.search(r"password\s*[:=]\s*\w|:[^/@\s]+@", str(service.get("environment", "")), re.IGNORECASE)
    assert set(re.findall(r"/run/secrets/(\w+)", text)) <= set(service.get("secrets", []))
    for secret in service.get("secrets", []):
        assert COMPOSE["secrets"][secret]["file"] == f"./secrets/{secret}"
        assert len((secrets / secret).read_text().strip()) >= 64


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    # Scaled services have no name or port of their own.
    assert "container_name" not in service
    assert "hostname" not in service
    # The proxy alone is root, without any right of root but one.
    assert name in OURS or name == "proxy" or service["user"] != "root"
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert name in OURS or re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?-\w+", service["image"])


@pytest.mark.parametrize("name", LASTING)
def test_every_service_that_lasts_has_a_health_check(name: str) -> None:
    assert {"test", "interval", "timeout", "retries", "start_period"} == SERVICES[name]["healthcheck"].keys()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_a_service_waits_for_exists_and_can_become_true(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_volumes_are_declared_and_only_the_proxy_listens_to_others(name: str) -> None:
    volumes = {volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])}
    assert {volume for volume in volumes if not volume.startswith("./")} <= set(COMPOSE["volumes"])
    assert all((ROOT / volume).exists() for volume in volumes if volume.startswith("./"))
    assert name == "proxy" or all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_database_and_redis_are_on_a_network_without_a_way_out() -> None:
    assert COMPOSE["networks"]["inner"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["inner"]


def test_redis_keeps_its_messages_and_evicts_none() -> None:
    command = SERVICES["redis"]["command"][-1]
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_flower_listens_on_its_usual_port() -> None:
    assert SERVICES["flower"]["ports"] == ["127.0.0.1:5555:5555"]


def test_the_worker_may_finish_handing_back() -> None:
    seconds = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds >= 60 > settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT


def test_the_image_runs_as_an_ordinary_user_from_the_locked_requirements() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert set(bases) == {"python:3.13.14-slim-bookworm"}
    assert len(stages) == 3, "one stage installs, another runs"
    assert "--only-binary :all: --require-hashes" in stages[1]
    assert not re.search(r"apt-get|\bpip\b|curl|wget|\bADD\b|latest", stages[2])
    lines = stages[2].splitlines()
    assert lines.index("USER 1000:1000") < next(i for i, line in enumerate(lines) if line.startswith("CMD ["))
    assert not any(line.startswith(("COPY", "RUN")) for line in lines[lines.index("USER 1000:1000") :])


def test_the_image_holds_what_runs_and_no_more(tmp_path: Path) -> None:
    app = tmp_path / "app"
    copy_into_image(app)

    held = {path.name for path in app.iterdir()}
    assert {"manage.py", "pixcrawler", "jobs", "datasets", "templates", "static"} <= held
    assert not held & {".git", ".env", ".venv", "var", "secrets", "faults", "docs"}
    assert not list(app.rglob("tests"))


def test_secrets_are_made_once_and_lie_in_a_folder_of_their_owner(secrets: Path) -> None:
    before = {file.name: file.read_text() for file in secrets.iterdir()}
    again = subprocess.run(["sh", ROOT / "scripts" / "make_secrets.sh", secrets], check=True, capture_output=True)

    assert again.stdout == b""
    assert {file.name: file.read_text() for file in secrets.iterdir()} == before
    assert len(set(before.values())) == len(before) == len(COMPOSE["secrets"])
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_check_deploy_has_nothing_to_say_of_the_environment(secrets: Path, tmp_path: Path) -> None:
    dotenv = {"PIXCRAWLER_SITE": "pixcrawler.example.org", "PIXCRAWLER_CONTACT": "ops@example.org"}
    places = Places(
        dotenv=dotenv, paths={"/data": str(tmp_path / "data"), "/run/secrets": str(secrets), "/tmp": str(tmp_path)}
    )
    given = {**places.environment("web"), "PATH": os.environ["PATH"]}

    checked = run([sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"], env=given, seconds=180)

    assert checked.returncode == 0, checked.stderr
    # Those two are silenced with a reason in settings.py; nothing else may be.
    assert "no issues (2 silenced)" in checked.stdout
