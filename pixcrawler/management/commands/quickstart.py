"""manage.py quickstart: all of PixCrawler on one machine, with one command and one log."""

import http.client
import secrets
import signal
import subprocess
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections

from jobs.models import Job
from pixcrawler import embedded_valkey, preflight, process_record
from pixcrawler.checks import REDIS_TAG, SETTINGS_TAG
from pixcrawler.preflight import PreflightError
from pixcrawler.supervisor import ChildSpec, Supervisor

_ADMINISTRATOR = "admin"
_WEB_TIMEOUT_S = 90
_VALKEY_TIMEOUT_S = 60


class Command(BaseCommand):
    help = (
        "Starts everything on this machine: database tables, an embedded Valkey (unless CELERY_BROKER_URL is set), a "
        "worker, the scheduler and the web server. The first start makes an administrator and begins a small sample "
        "crawl. Ctrl-C stops everything; the next start goes on where it stopped."
    )
    requires_system_checks = [SETTINGS_TAG]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="Port of the web server (default: 8000).")
        parser.add_argument("--host", default="127.0.0.1", help="Address it listens on (default: 127.0.0.1).")
        parser.add_argument("--no-sample", action="store_true", help="Do not begin the sample crawl on a first start.")

    def handle(self, *_args: Any, **options: Any) -> None:
        supervisor = Supervisor(out=sys.stdout, record=settings.DATA_DIR / "run" / "children.json")
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            _stop_on(name, supervisor)
        try:
            _prepare(options["host"], options["port"])
            if not options["skip_checks"]:
                self.check(tags=[REDIS_TAG], databases=["default"])
            try:
                _run(supervisor, options["host"], options["port"], sample=not options["no_sample"])
            finally:
                supervisor.stop()
        except PreflightError as error:
            raise CommandError(str(error)) from error
        supervisor.say("PixCrawler has stopped. The next start goes on from here.")


def _stop_on(name: str, supervisor: Supervisor) -> None:
    number = getattr(signal, name, None)
    # A signal that is ignored on purpose (nohup) stays ignored.
    if number is not None and signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, lambda *_: supervisor.request_stop())


def _prepare(host: str, port: int) -> None:
    """Everything that can be found wrong before something is started. Raises PreflightError."""
    preflight.check_platform()
    preflight.check_data_dir(settings.DATA_DIR)
    preflight.lock_data_dir(settings.DATA_DIR)
    (settings.DATA_DIR / "run").mkdir(exist_ok=True)
    process_record.stop_leftovers(settings.DATA_DIR / "run" / "children.json")
    preflight.check_port(host, port)
    if settings.EMBEDDED_BROKER:
        embedded_valkey.check(settings.EMBEDDED_BROKER_SOCKET)
    else:
        preflight.check_redis(settings.REDIS_URL)
    preflight.check_database()


def _run(supervisor: Supervisor, host: str, port: int, *, sample: bool) -> None:
    """Starts the processes in order and watches them until a stop is asked for. Raises PreflightError."""
    supervisor.say(f"PixCrawler starts; everything it keeps lies in {settings.DATA_DIR}. Ctrl-C stops it.")
    if settings.EMBEDDED_BROKER:
        _start_valkey(supervisor)
    _prepare_database()
    for spec in our_processes(host, port):
        if not supervisor.stop_requested:
            supervisor.start(spec)
    if not supervisor.watch(until=lambda: _web_answers(host, port), timeout_s=_WEB_TIMEOUT_S):
        if supervisor.stop_requested:
            return
        raise PreflightError(
            f"The web server did not answer within {_WEB_TIMEOUT_S} s; its lines above say why. Mend that and start "
            "again."
        )
    password = _first_administrator()
    if password and sample and not Job.objects.exists():
        _begin_sample_crawl(supervisor)
    connections.close_all()
    supervisor.say(_greeting(host, port, password))
    supervisor.watch()
    supervisor.say("PixCrawler stops. Work under way is handed back first; that takes up to 20 seconds.")


def _start_valkey(supervisor: Supervisor) -> None:
    socket = settings.EMBEDDED_BROKER_SOCKET
    supervisor.start(embedded_valkey.spec(socket, settings.DATA_DIR / "valkey"))
    if not supervisor.watch(until=lambda: embedded_valkey.answers(socket), timeout_s=_VALKEY_TIMEOUT_S):
        if supervisor.stop_requested:
            return
        raise PreflightError(
            f"The embedded Valkey did not start; its lines above say why. It holds nothing that is not in the "
            f"database: where its files are damaged, remove {settings.DATA_DIR / 'valkey'} and start again."
        )


def _prepare_database() -> None:
    """Migrates, and puts the static files where the web server finds them. Raises PreflightError."""
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise PreflightError(
            f"The database cannot be brought up to date ({str(error).strip()}). Check that its user may create "
            "tables and that nothing else holds it, then start again."
        ) from error
    try:
        call_command("collectstatic", interactive=False, verbosity=0)
    except OSError as error:
        raise PreflightError(
            f"The static files cannot be written to {settings.STATIC_ROOT} ({error.strerror}). Give your user write "
            "permission and free space there, then start again."
        ) from error


def our_processes(host: str, port: int) -> tuple[ChildSpec, ...]:
    """The worker, the scheduler and the web server, in the order they start. Their graces add up to less than 25 s."""
    manage = (sys.executable, str(settings.BASE_DIR / "manage.py"))
    env = {"PYTHONUNBUFFERED": "1"}
    # Once is enough: this process has said what the checks found.
    gunicorn = (
        *(sys.executable, "-m", "gunicorn", "pixcrawler.wsgi:application"),
        *("--bind", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "8"),
        *("--graceful-timeout", "2", "--log-level", "warning", "--no-control-socket"),
        *("--worker-tmp-dir", str(settings.DATA_DIR / "run")),
    )
    return (
        ChildSpec(
            name="worker",
            argv=(*manage, "runworker", "--skip-checks"),
            cwd=settings.BASE_DIR,
            env=env,
            grace_s=17,
            # An orphan would wait for the broker that went with us; its chunk is taken back when the lease ends.
            orphan_signal=signal.SIGKILL,
        ),
        ChildSpec(
            name="scheduler",
            argv=(*manage, "runscheduler", "--skip-checks"),
            cwd=settings.BASE_DIR,
            env=env,
            grace_s=1.5,
        ),
        ChildSpec(
            name="web", argv=gunicorn, cwd=settings.BASE_DIR, env={**env, "PIXCRAWLER_DEBUG": "false"}, grace_s=4
        ),
    )


def _web_answers(host: str, port: int) -> bool:
    """Whether the web server is up, asked for under a name that it answers to."""
    name = next(iter(settings.ALLOWED_HOSTS), "*").lstrip(".")
    request = http.client.HTTPConnection(_reachable(host), port, timeout=2)
    try:
        request.request("GET", "/healthz", headers={"Host": "localhost" if name == "*" else name})
        return request.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        request.close()


def _reachable(host: str) -> str:
    """An address that leads to a server listening on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _first_administrator() -> str:
    """Makes the administrator of an installation without users and gives the password; nothing if there are some."""
    if User.objects.exists():
        return ""
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(_ADMINISTRATOR, password=password)
    return password


def _begin_sample_crawl(supervisor: Supervisor) -> None:
    # A process of its own: this one worked out the broker's address before the embedded server ran.
    argv = [sys.executable, str(settings.BASE_DIR / "manage.py"), "samplecrawl", "--user", _ADMINISTRATOR]
    result = subprocess.run(argv, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    for line in (result.stdout + result.stderr).splitlines():
        supervisor.say(line, name="sample")


def _greeting(host: str, port: int, password: str) -> str:
    name = _reachable(host)
    address = f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
    if not password:
        return f"PixCrawler runs at {address}"
    return _boxed(
        "PixCrawler runs. Open it and sign in:",
        "",
        f"address   {address}",
        f"name      {_ADMINISTRATOR}",
        f"password  {password}",
        "",
        "The password is shown this once. Lost it? manage.py changepassword admin",
    )


def _boxed(*lines: str) -> str:
    width = max(len(line) for line in lines)
    middle = [f"│  {line:<{width}}  │" for line in lines]
    return "\n".join(["", "┌" + "─" * (width + 4) + "┐", *middle, "└" + "─" * (width + 4) + "┘", ""])
