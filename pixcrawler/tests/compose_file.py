"""docker-compose.yml and the Dockerfile, read as far as tests need them."""

import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

#: Those that run our image, and those that are made to run for ever.
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
LASTING = sorted(name for name, service in SERVICES.items() if service["restart"] != "no")

_INTERPOLATED = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\})")


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """The text with ${NAME:-default} and $$ resolved, as docker compose does from .env."""

    def value(match: re.Match[str]) -> str:
        return "$" if match["dollar"] else values.get(match["name"], "") or match["default"] or ""

    return _INTERPOLATED.sub(value, text)


def image_environment() -> dict[str, str]:
    """What the Dockerfile's last stage sets, but for where its programs lie."""
    stage = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2].replace("\\\n", " ")
    pairs = [pair for line in stage.splitlines() if line.startswith("ENV ") for pair in shlex.split(line)[1:]]
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name != "PATH"}


def copy_into_image(folder: Path) -> None:
    """Copies what the image's `COPY . .` takes along, by .dockerignore."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]

    def left_out(where: str, names: list[str]) -> set[str]:
        above = Path(where).relative_to(ROOT)
        return {name for name in names if any(_matches(str(above / name), pattern) for pattern in patterns)}

    shutil.copytree(ROOT, folder, ignore=left_out)


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatchcase(Path(path).name, pattern.removeprefix("**/"))
    return "/" not in path and fnmatchcase(path, pattern)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where on this machine a test has put what the containers know by name.

    `dotenv` is the operator's .env; `ports` has this machine's port for each port of a container ("redis:6379"),
    `paths` its folder for each of theirs.
    """

    dotenv: Mapping[str, str]
    paths: Mapping[str, str]
    ports: Mapping[str, int] = field(default_factory=dict)

    def local(self, text: str, service: str) -> str:
        """A command, value or health check of the service as it reads on this machine."""
        known = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()} | dict(self.paths)
        for name, port in self.ports.items():
            host, _, number = name.partition(":")
            if host == service:
                known |= {f"0.0.0.0:{number}": f"127.0.0.1:{port}", f"127.0.0.1:{number}": f"127.0.0.1:{port}"}
                known |= {f"--port {number}": f"--port {port}"}
        known["--address 0.0.0.0"] = "--address 127.0.0.1"
        # In one pass: what was put in is not looked at again. A path that is the end of a longer one is another.
        names = [(r"(?<![\w/.])" if name.startswith("/") else r"(?<![\w.-])") + re.escape(name) for name in known]
        found = re.compile(rf"(?:{'|'.join(sorted(names, reverse=True))})(?![\w.])")
        return found.sub(lambda match: known[match[0]], interpolated(text, self.dotenv))

    def environment(self, service: str) -> dict[str, str]:
        """The environment of the service's processes, but for PATH: of image, .env and docker-compose.yml."""
        spec = SERVICES[service]
        own = {name: self.local(str(value), service) for name, value in spec.get("environment", {}).items()}
        if service not in OURS:
            return own
        image = {name: self.local(value, service) for name, value in image_environment().items()}
        return {**image, **self.dotenv, **own}

    def command(self, service: str) -> list[str]:
        """The words that the service runs."""
        command = SERVICES[service]["command"]
        if isinstance(command, str):
            return shlex.split(self.local(command, service))
        return [self.local(word, service) for word in command]

    def health_check(self, service: str) -> list[str]:
        """The words that tell by their exit status whether the service is well."""
        kind, *words = SERVICES[service]["healthcheck"]["test"]
        local = [self.local(word, service) for word in words]
        return local if kind == "CMD" else ["sh", "-c", *local]
