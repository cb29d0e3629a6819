"""The stack of docker-compose.yml, run as processes: a crawl while one service after the other is killed."""

import hashlib
import json
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from conftest import wait_until
from datasets.tests.pictures import encoded, noisy
from faults.compose import ComposeStack, answers
from jobs.tests.photoweb import PhotoWeb
from pixcrawler.tests.compose_file import LASTING

KEYWORDS = tuple(f"subject {number}" for number in range(6))
IMAGES = 720

#: The longest that anybody waits for something new to be recorded, and for the end.
_PROGRESS_S, _END_S = 120.0, 180.0

_CHECK = """
import json
from jobs.models import Job
from jobs.tests.ledger import assert_ledger_holds
from datasets.models import Image
job = Job.objects.get(pk=1)
assert_ledger_holds(job)
print(json.dumps({"sha256": sorted(Image.objects.values_list("sha256", flat=True)), "findings": job.findings.count()}))
"""


@pytest.fixture
def compose(web: PhotoWeb) -> Iterator[ComposeStack]:
    folder = Path(tempfile.mkdtemp(prefix="pixcompose-"))
    folder.chmod(0o755)
    dotenv = {
        "PIXCRAWLER_SITE": "localhost",
        "PIXCRAWLER_CONTACT": "ops@example.org",
        "PIXCRAWLER_LEASE_S": "6",
        "PIXCRAWLER_SCHEDULER_INTERVAL_S": "1",
        "PIXCRAWLER_CHUNK_SIZE": "25",
        "PIXCRAWLER_FETCH_CONCURRENCY": "4",
        # Pictures are held back while a service is away.
        "PIXCRAWLER_IDLE_TIMEOUT_S": "240",
        "PIXCRAWLER_TOTAL_TIMEOUT_S": "240",
        "PIXCRAWLER_SPEED_WINDOW_S": "240",
        "PIXCRAWLER_OPENVERSE_URL": web.url("/v1/"),
        "PIXCRAWLER_OPENVERSE_RESULT_CAP": "10000",
        "PIXCRAWLER_OPENVERSE_REQUESTS_PER_MINUTE": "0",
        "PIXCRAWLER_ALLOW_HOSTS": web.host,
    }
    stack = ComposeStack(folder=folder, dotenv=dotenv)
    try:
        stack.prepare()
        yield stack
    finally:
        stack.stop()
        print(stack.log())  # shown where the test failed
        shutil.rmtree(folder, ignore_errors=True)


def test_a_crawl_survives_the_death_of_each_service(
    compose: ComposeStack, web: PhotoWeb, tell: Callable[[str], None]
) -> None:
    began = time.monotonic()
    held = _HeldBack(web)
    expected = held.fill()
    compose.up(*LASTING, scale={"worker": 2})
    assert set(compose.running) == {"worker-1", "worker-2", *LASTING} - {"worker"}
    up_s = time.monotonic() - began
    visitor = _Visitor(compose)
    _assert_entrances_are_guarded(compose, visitor)

    job = visitor.post("/api/v1/jobs/", _crawl())["job"]
    for name in ("web", "worker-1", "scheduler", "redis", "postgres", "flower", "proxy"):
        visitor.wait_for_progress(job, let_through=held.let_through)
        assert visitor.job(job)["status"] == "processing", "it would not die in the middle of the crawl"
        compose.kill(name)
        time.sleep(1)
        compose.start(name)
        assert not compose.has_ended("worker-2")
    held.let_through(10 * IMAGES)
    shown = visitor.wait_for_end(job)
    facts = json.loads(compose.run_in_checkout("manage.py", "shell", "--no-imports", "-c", _CHECK))
    assert facts["sha256"] == expected
    assert shown["kept"] == shown["found"] == facts["findings"] == IMAGES
    assert _broken_files(compose.folder / "data/media/originals") == []
    assert compose.written_into_the_image() == set()
    _assert_flower_sees_two_workers(compose)
    fetched = sum(web.hits[path] for path in web.pages if path.endswith(".jpg"))
    tell(
        f"each service of docker-compose.yml killed: up in {up_s:.0f} s, done in {time.monotonic() - began:.0f} s, "
        f"{shown['kept']} of {IMAGES} images, downloads repeated {fetched - IMAGES}"
    )


class _HeldBack:
    """Pictures that the web gives out only as they are let through, however quick the machine is."""

    def __init__(self, web: PhotoWeb) -> None:
        self._web = web
        self._permits = threading.Semaphore(0)
        web.delay_s = 0.0

    def fill(self) -> list[str]:
        """Puts the pictures into the web, each in the results of one keyword; gives their digests."""
        digests = []
        for number in range(IMAGES):
            body = encoded(noisy(72, 72, seed=number))
            path = f"/{number}.jpg"
            self._web.add_photo(path, body, words=KEYWORDS[number % len(KEYWORDS)])
            self._web.pages[path] = partial(self._answer, body)
            digests.append(hashlib.sha256(body).hexdigest())
        return sorted(digests)

    def let_through(self, pictures: int) -> None:
        self._permits.release(pictures)

    def _answer(self, body: bytes, _before: int) -> tuple[int, dict[str, str], bytes]:
        self._permits.acquire(timeout=200)
        return 200, {"Content-Type": "image/jpeg"}, body


def _crawl() -> dict[str, object]:
    per_label = IMAGES // len(KEYWORDS)
    return {"dataset": "Subjects", "keywords": KEYWORDS, "sources": ["openverse"], "per_label": per_label}


class _Visitor:
    """Somebody who works with the API by HTTPS, through the proxy, and asks again when something is away."""

    def __init__(self, compose: ComposeStack) -> None:
        self.url, self.authority = compose.https
        compose.run(
            "web", "python", "manage.py", "createsuperuser", "--noinput", "--username=ann", "--email=a@example.org"
        )
        token = compose.run("web", "python", "manage.py", "createtoken", "ann", "--name", "test", "--scope", "write")
        self._token = token.split()[-1]
        self._recorded = 0

    def post(self, path: str, body: dict[str, object]) -> Any:
        answer = requests.post(self.url + path, json=body, headers=self._headers, verify=self.authority, timeout=30)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def job(self, number: int) -> Any:
        """What the API tells of the job, as soon as it tells anything."""
        found: list[Any] = []

        def told() -> bool:
            try:
                answer = requests.get(
                    f"{self.url}/api/v1/jobs/{number}", headers=self._headers, verify=self.authority, timeout=10
                )
            except requests.RequestException:
                return False
            if answer.ok:
                found.append(answer.json())
            return answer.ok

        wait_until(told, seconds=60)
        return found[-1]

    def wait_for_progress(self, number: int, *, let_through: Callable[[int], None]) -> None:
        """Lets pictures through until more is recorded than at the last call."""
        before, deadline = self._recorded, time.monotonic() + _PROGRESS_S
        while self._recorded == before:
            assert time.monotonic() < deadline, f"nothing was recorded for {_PROGRESS_S} s"
            let_through(8)
            time.sleep(0.3)
            self._recorded = int(self.job(number)["found"])

    def wait_for_end(self, number: int) -> Any:
        deadline = time.monotonic() + _END_S
        while (shown := self.job(number))["status"] not in {"completed", "failed"}:
            assert time.monotonic() < deadline, shown
            time.sleep(0.5)
        assert shown["status"] == "completed", shown
        return shown

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}


def _assert_entrances_are_guarded(compose: ComposeStack, visitor: _Visitor) -> None:
    """HTTPS alone, cookies for it alone, nothing without a login, a password before Redis and PostgreSQL."""
    page = requests.get(f"{visitor.url}/", verify=visitor.authority, timeout=30)
    assert page.url.startswith(f"{visitor.url}/")
    assert "login" in page.url
    assert page.headers["Strict-Transport-Security"] == "max-age=86400"
    assert re.search(r"csrftoken=[^;]+;.*Secure", page.headers["Set-Cookie"])
    assert answers(f"{compose.url('web:8000')}/") == 301
    assert answers(f"{compose.url('web:8000')}/readyz") == 200
    assert answers(f"{compose.url('proxy:80')}/", headers={"Host": "localhost"}) == 308
    for path in ("/workers", "/tasks", "/api/workers"):
        assert answers(compose.url("flower:5555") + path) == 401
    assert "NOAUTH" in compose.run("redis", "redis-cli", "ping")
    password = (compose.folder / "secrets/database_password").read_text().strip()
    assert not any(password in Path(f"/proc/{one.pid}/cmdline").read_text() for one in compose.running.values())


def _assert_flower_sees_two_workers(compose: ComposeStack) -> None:
    name, password = (compose.folder / "secrets/flower_basic_auth").read_text().strip().split(":")
    workers: dict[str, bool] = {}

    def both_are_listed() -> bool:
        answer = requests.get(
            f"{compose.url('flower:5555')}/api/workers", params={"status": "1"}, auth=(name, password), timeout=10
        )
        workers.update(answer.json())
        return sum(workers.values()) == 2

    wait_until(both_are_listed, seconds=30)
    assert all(worker.startswith("worker-") for worker in workers)


def _broken_files(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= IMAGES
    return [path.name for path in files if hashlib.sha256(path.read_bytes()).hexdigest() != path.stem]
