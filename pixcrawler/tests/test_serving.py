"""What browsers get: no page runs or styles anything inline, and no stranger's bytes or words become a page.

Every page that a link leads to is rendered with rows of every kind, for somebody who may do everything.
"""

import json
import re
from collections import deque
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import cast
from urllib.parse import urljoin, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django_celery_results.models import TaskResult

from datasets.models import Image
from datasets.tests.factories import DatasetFactory, ImageFactory
from jobs.crawl.text import clean, clean_link
from jobs.models import Status
from jobs.takedowns import add, parse
from jobs.tests.factories import (
    ActivityFactory,
    ApiTokenFactory,
    ChunkFactory,
    FindingFactory,
    JobFactory,
    LabelTargetFactory,
    ListedUrlFactory,
)

pytestmark = pytest.mark.django_db

#: What a stranger would write into every field that takes words.
EVIL = '<script>alert(1)</script>" onmouseover="alert(2)" x=\''
EVIL_LINK = 'https://evil.example/"onmouseover="alert(3)\'><script>alert(4)</script>'

#: More than there are: a walk that stops here has not ended by itself.
_MOST_PAGES = 400


class Markup(HTMLParser):
    """What of a page a strict policy would refuse, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.links: list[str] = []
        self.outward: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        # A block of data is not run.
        is_script = tag == "script" and "src" not in given and given.get("type") != "application/json"
        is_scripted = [name for name in given if name.startswith(("on", "hx-on", "data-hx-on")) or name == "style"]
        scheme = next((v for v in given.values() if v.strip().lower().startswith(("javascript:", "js:", "data:"))), "")
        if is_script or tag == "style" or is_scripted or scheme:
            self.inline.append(str(self.get_starttag_text()))
        if tag == "a" and "href" in given:
            (
                self.outward.append((given["href"], given.get("rel", "")))
                if "//" in given["href"]
                else self.links.append(given["href"])
            )


@pytest.fixture
def browser() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("operator"))
    return client


@pytest.fixture
def everything() -> None:
    """A row of every kind, with what a stranger would write."""
    text, link = clean(EVIL, 200), clean_link(EVIL_LINK)
    assert text, link
    dataset = DatasetFactory.create(name=EVIL[:100], image_count=2)
    words = {
        "label": text,
        "keyword": text,
        "title": text,
        "creator": text,
        "attribution": text,
        "tags": [text],
        "licence_code": text[:40],
        "url": link,
        "page_url": link,
        "creator_url": link,
        "licence_url": link,
        "optout_evidence": {"checked_at": text, "robots_tag": {"obeyed": True, "said": text}},
    }
    first = ImageFactory.create(dataset=dataset, job_id=1, **words)
    ImageFactory.create(dataset=dataset, job_id=1, near_duplicate_of=first, near_distance_bits=3, **words)
    for number, status in enumerate(Status, start=1):
        job = JobFactory.create(pk=number, dataset=dataset, status=status, summary=text)
        chunk = ChunkFactory.create(job=job, status=status, keyword=text, label=text, error=text, traceback=text)
        LabelTargetFactory.create(job=job, label=text)
        FindingFactory.create(chunk=chunk, url=link, outcome="failed", reason="http_404", detail=text)
        ListedUrlFactory.create(job=job, url=link, title=text)
        ActivityFactory.create(job=job, sentence=text)
    ApiTokenFactory.create(name="laptop")
    TaskResult.objects.create(task_id="t-1", task_name="x", task_args=f"[{text}]", result=text, traceback=text)
    add([parse("url", link + "x"), parse("near", "f" * 16)], why=text, by=None)


def walk(browser: Client, *starts: str, leave_out: str = "?") -> Iterator[tuple[str, HttpResponse]]:
    """Every page that links lead to, each once, whatever stands behind a question mark; not those below `leave_out`."""
    todo, seen = deque(starts), set(starts)
    while todo:
        assert len(seen) < _MOST_PAGES
        address = todo.popleft()
        response = cast(HttpResponse, browser.get(address, follow=True))
        yield address, response
        if not response.headers["Content-Type"].startswith("text/html"):
            continue
        for link in Markup(response.content.decode()).links:
            path = urlsplit(urljoin(address, link)).path
            if path not in seen and not path.startswith(leave_out):
                seen.add(path)
                todo.append(path)


@pytest.mark.usefixtures("everything")
def test_no_page_needs_inline_script_or_style_and_every_answer_forbids_them(browser: Client) -> None:
    starts = ("/", "/admin/", "/account/", "/jobs/new/", "/nowhere", "/api/v1/openapi.json", "/jobs/1/live/", "/live/")
    inline: dict[str, list[str]] = {}
    loose: dict[str, str] = {}
    broken: dict[str, int] = {}
    visited = set()
    for address, response in walk(browser, *starts):
        visited.add(address)
        policy = response.headers.get("Content-Security-Policy", "none at all")
        if "unsafe" in policy or "default-src 'none'" not in policy or response["X-Content-Type-Options"] != "nosniff":
            loose[address] = policy
        if response.status_code >= 400 and address != "/nowhere" and not address.endswith("/original"):
            broken[address] = response.status_code
        if response.headers["Content-Type"].startswith("text/html"):
            found = Markup(response.content.decode()).inline
            if found:
                inline[address] = found

    assert inline == {}
    assert loose == {}
    assert broken == {}
    assert {reverse("admin:datasets_takedown_add"), reverse("job", args=[1]), reverse("datasets")} <= visited
    assert len(visited) > 80


@pytest.mark.usefixtures("everything")
def test_links_to_the_web_tell_nobody_where_they_come_from(browser: Client) -> None:
    outward = [
        (href, rel)
        for _, response in walk(browser, "/", leave_out="/admin/")
        if response.headers["Content-Type"].startswith("text/html")
        for href, rel in Markup(response.content.decode()).outward
    ]

    assert len(outward) >= 8
    assert {rel for _, rel in outward} == {"noopener noreferrer nofollow"}
    assert {urlsplit(href).scheme for href, _ in outward} == {"https"}


def test_pages_for_visitors_and_of_errors_are_as_strict() -> None:
    visitor = Client(raise_request_exception=False)
    for address in (reverse("login"), "/admin/login/", "/healthz", "/nowhere"):
        response = visitor.get(address)
        assert "script-src 'self'" in response["Content-Security-Policy"]
        assert Markup(response.content.decode()).inline == []


def test_no_template_holds_inline_script_style_or_words_that_are_not_escaped() -> None:
    folder = settings.BASE_DIR / "templates"
    for template in folder.rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert Markup(text).inline == [], template
        assert not re.search(r"\|\s*safe\b|autoescape\s+off|mark_safe", text), template


def test_a_link_to_what_a_stranger_wrote_is_checked_where_it_stands() -> None:
    """An address out of a row stands behind `web_link`, and is told to nobody."""
    foreign = re.compile(r'<a [^>]*href="\{\{\s*(\w+\.(?:url|page_url|creator_url|licence_url|thumb_url))[^>]*>')
    found = 0
    for template in (settings.BASE_DIR / "templates").rglob("*.html"):
        for line in template.read_text(encoding="utf-8").splitlines():
            for anchor in foreign.finditer(line):
                found += 1
                assert f"{{% if {anchor[1]}|web_link %}}" in line[: anchor.start()]
                assert 'rel="noopener noreferrer nofollow"' in anchor[0]
    assert found == 4


def test_htmx_evaluates_nothing(browser: Client) -> None:
    page = browser.get("/").content.decode()
    config = re.search(r"<meta name=\"htmx-config\" content='([^']*)'", page)
    assert config
    told = json.loads(config[1])
    assert (told["allowEval"], told["allowScriptTags"], told["selfRequestsOnly"]) == (False, False, True)


def test_the_media_folder_has_no_address_of_its_own(browser: Client) -> None:
    image = ImageFactory.create()

    assert settings.MEDIA_URL == "/"
    for prefix in ("/", "/media/", "/static/", "/static/../media/"):
        assert browser.get(f"{prefix}{image.blob_name}").status_code == 404


@pytest.mark.parametrize("name", ["image", "image-thumb", "image-original", "dataset-rules"])
def test_pictures_are_for_those_who_are_signed_in(name: str) -> None:
    image: Image = ImageFactory.create()
    place: list[str | int] = [image.dataset.slug] if name == "dataset-rules" else [image.dataset.slug, image.pk]

    response = Client().get(reverse(name, args=place))

    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("login"))
