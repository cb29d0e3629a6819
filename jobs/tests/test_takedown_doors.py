"""The takedown list on the command line and in the admin."""

import io
import json
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from datasets.models import Image
from datasets.takedown_models import Takedown
from datasets.tests.factories import ImageFactory, UserFactory
from jobs.crawl.urls import url_key
from jobs.takedowns import add, parse

pytestmark = pytest.mark.django_db

URL = "https://photos.example/ann/1.jpg"


@pytest.fixture
def image() -> Image:
    return ImageFactory.create(url=URL, url_key=url_key(URL), dataset__image_count=1, dataset__size_bytes=1000)


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(UserFactory.create(username="ana", is_staff=True, is_superuser=True))
    return client


def takedown(*arguments: str) -> str:
    output = io.StringIO()
    call_command("takedown", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_removes_what_it_lists(image: Image) -> None:
    said = takedown("add", "url", URL, "--why", "Ann, by mail.")

    assert said == "1 on the list. Removed from datasets: 1 image.\n"
    assert not Image.objects.exists()


def test_the_list_shows_entries_and_what_they_removed(image: Image) -> None:
    takedown("add", "prefix", "https://photos.example/ann", "--why", "Ann, by mail.")

    shown, lines = takedown("list"), takedown("list", "--json").splitlines()

    assert "photos.example/ann" in shown
    assert "by command line, 1 image removed: Ann, by mail." in shown
    picture, entry = map(json.loads, lines)
    assert (entry["kind"], entry["removed_images"], picture["value"]) == ("prefix", 1, image.sha256)
    assert picture["removed_by_entry"] == entry["entry"]


def test_a_file_of_values_is_read(tmp_path: Path) -> None:
    file = tmp_path / "hosts.txt"
    file.write_text("# mine\nexample.org\n\nexample.net\n")

    takedown("add", "host", "--file", str(file), "--why", "The owner.")

    assert sorted(Takedown.objects.values_list("value", flat=True)) == ["example.net", "example.org"]


def test_an_entry_is_taken_off(image: Image) -> None:
    takedown("add", "url", URL, "--why", "Ann.")
    pk = Takedown.objects.get(parent=None).pk

    assert "off the list" in takedown("remove", str(pk))
    assert takedown("list").startswith("Nothing is left out.")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["add", "url", "ftp://x/", "--why", "x"], "Only http and https"),
        (["add", "url", "--why", "x"], "Name at least one value"),
        (["add", "host", "example.org", "--why", " "], "Say who asked"),
        (["add", "host", "--file", "/nowhere", "--why", "x"], "cannot be read"),
        (["remove", "17"], "There is no entry 17"),
    ],
)
def test_what_cannot_be_done_is_told(arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told) as raised:
        takedown(*arguments)
    assert raised.value.returncode == 2


def _form(**changes: str) -> dict[str, str]:
    return {"kind": "url", "value": URL, "distance_bits": "", "why": "Ann, by mail.", **changes}


@pytest.mark.django_db(transaction=True)
def test_the_admin_removes_what_is_added_and_says_how_much(browser: Client, image: Image) -> None:
    response = browser.post(reverse("admin:datasets_takedown_add"), _form(), follow=True)

    assert "Removed from datasets: 1 image." in response.content.decode()
    entry = Takedown.objects.get(parent=None)
    assert (entry.value, entry.created_by, entry.removed_images) == (
        "photos.example/ann/1.jpg",
        User.objects.get(username="ana"),
        1,
    )
    assert not Image.objects.exists()


def test_the_admin_takes_a_look_alike_with_the_usual_distance(browser: Client) -> None:
    browser.post(reverse("admin:datasets_takedown_add"), _form(kind="near", value="0123456789ABCDEF"))

    entry = Takedown.objects.get()
    assert (entry.value, entry.distance_bits) == ("0123456789abcdef", 6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"value": "nonsense"}, "has no scheme"),
        ({"value": "https://listed.example/a.jpg"}, "on the list already"),
        ({"why": ""}, "This field is required"),
    ],
)
def test_the_admin_tells_what_is_wrong_with_an_entry(browser: Client, changes: dict[str, str], told: str) -> None:
    add([parse("url", "https://listed.example/a.jpg")], why="Before.", by=None)

    response = browser.post(reverse("admin:datasets_takedown_add"), _form(**changes))

    assert told in response.content.decode()
    assert Takedown.objects.count() == 1


def test_the_admin_shows_an_entry_with_its_pictures_and_takes_it_off(browser: Client, image: Image) -> None:
    (entry,) = add([parse("url", URL)], why="Ann.", by=None).entries

    listed = browser.get(reverse("admin:datasets_takedown_changelist")).content.decode()
    shown = browser.get(reverse("admin:datasets_takedown_change", args=[entry.pk])).content.decode()
    browser.post(reverse("admin:datasets_takedown_delete", args=[entry.pk]), {"post": "yes"})

    assert image.sha256 in listed
    assert "Ann." in shown
    assert not Takedown.objects.exists()
