"""What a fault test uses: a stack of real processes on a real Valkey and PostgreSQL, and a crawl to strike.

Several processes may share the tests (`-n`): each has its own Valkey, folders and database. PostgreSQL is one for all,
so that a test which strikes it runs while no other does.
"""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from faults import storage
from faults.crawl import Crawl
from faults.servers import Valkey, postgres_server, turn
from faults.stack import Stack
from jobs.redis_store import client
from jobs.tests.photoweb import PhotoWeb, photo_web
from jobs.token_models import Scope
from jobs.tokens import create_token
from scripts.with_postgres import Server

#: Under this name a test's report carries its lines, from whichever process ran it.
_LINE = "fault"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test comes first, so that no process ends long before the other, and one that must be alone last: in
    between, it would wait for the longest of the others."""
    items.sort(key=lambda item: (_must_be_alone(item), not _takes(item, "compose")))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Waits until the test may run beside the others; the databases are made and removed in this time too."""
    with turn(alone=_must_be_alone(item)):
        # The server may have died since this process spoke to it.
        connections.close_all()
        return (yield)


def _must_be_alone(item: pytest.Item) -> bool:
    return _takes(item, "postgres")


def _takes(item: pytest.Item, fixture: str) -> bool:
    return isinstance(item, pytest.Function) and fixture in item.fixturenames


@pytest.fixture
def postgres() -> Server:
    """The PostgreSQL server that the suite runs on, for a test that strikes it: no other test runs meanwhile."""
    return postgres_server()


@pytest.fixture(scope="session", autouse=True)
def valkey() -> Iterator[Valkey]:
    """The server behind the address that every process has; each test gets it fresh."""
    server = Valkey(Path(settings.DATA_DIR) / "valkey.sock")
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def clean_valkey(valkey: Valkey) -> Iterator[None]:
    valkey.start()
    yield
    client().connection_pool.disconnect()
    valkey.stop()


@pytest.fixture
def web() -> Iterator[PhotoWeb]:
    """A web that takes its time, so that a fault finds the crawl in its middle."""
    with photo_web() as web:
        web.delay_s = 0.12
        yield web


@pytest.fixture
def stack(transactional_db: None, process_environment: dict[str, str], web: PhotoWeb) -> Iterator[Stack]:
    """The web server runs; a test starts the workers and schedulers that it wants."""
    given = {
        "DJANGO_SETTINGS_MODULE": "faults.settings",
        "PIXCRAWLER_LOG_LEVEL": "INFO",
        "PIXCRAWLER_LEASE_S": "6",
        "PIXCRAWLER_SCHEDULER_INTERVAL_S": "1",
        "PIXCRAWLER_CHUNK_SIZE": "25",
        "PIXCRAWLER_FETCH_CONCURRENCY": "4",
        "PIXCRAWLER_OPENVERSE_URL": web.url("/v1/"),
        "PIXCRAWLER_OPENVERSE_PAGE_SIZE": "20",
        "PIXCRAWLER_OPENVERSE_RESULT_CAP": "10000",
        "PIXCRAWLER_OPENVERSE_REQUESTS_PER_MINUTE": "0",
        "PIXCRAWLER_ALLOW_HOSTS": web.host,
    }
    shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
    stack = Stack({**process_environment, **given})
    stack.start_web()
    yield stack
    storage.mend()
    stack.kill()
    print(stack.log())  # shown where the test failed


@pytest.fixture
def crawl(stack: Stack, web: PhotoWeb, request: pytest.FixtureRequest, tell: Callable[[str], None]) -> Crawl:
    """A crawl that is not submitted yet."""
    user = User.objects.create_superuser("operator")
    browser = Client()
    browser.force_login(user)
    return Crawl(
        name=request.node.name.removeprefix("test_").replace("_", " "),
        stack=stack,
        web=web,
        token=create_token(user, "faults", scope=Scope.WRITE),
        session=browser.cookies["sessionid"].value,
        tell=tell,
    )


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line for the report in the end."""
    return lambda line: request.node.user_properties.append((_LINE, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("faults")
    terminalreporter.line(f"{os.cpu_count()} CPUs; leases of 6 s; a pass of the scheduler every second")
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        if report.when == "call":
            for name, line in report.user_properties:
                if name == _LINE:
                    terminalreporter.line(line)
