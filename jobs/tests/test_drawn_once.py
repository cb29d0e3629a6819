"""Parts of a page that are drawn from values alone, and kept: equal ones are the same text, others never are."""

import re

import pytest
from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse

from jobs.models import Job
from jobs.newest import Picture
from jobs.templatetags.pages import drawn_once, each_drawn_once, image_url, thousands, tiles
from jobs.words import StatusWord


def status(word: str) -> str:
    return drawn_once("includes/_status.html", word=StatusWord(word, "check", "ok"))


def test_equal_values_are_drawn_once() -> None:
    before = drawn_once.cache_info().misses

    assert status("Fine today") is status("Fine today")
    assert "Fine tomorrow" in status("Fine tomorrow")

    assert drawn_once.cache_info().misses == before + 2


def test_values_are_escaped() -> None:
    assert "<b>" not in status("<b>bold</b>")


def test_a_row_is_refused_since_it_may_say_something_else_by_then() -> None:
    with pytest.raises(TypeError, match="job is a row"):
        drawn_once("jobs/_origin.html", job=Job(pk=1))


def test_each_of_many_is_drawn_as_by_itself_in_its_place() -> None:
    words = [StatusWord(word, "check", "ok") for word in ("One", "Two", "Two")]

    assert each_drawn_once("includes/_status.html", "word", words) == "".join(status(one.word) for one in words)


def test_newest_pictures_lead_to_their_images_and_say_their_labels_escaped() -> None:
    told = tiles([Picture(7, "a <b>"), Picture(6, "tit")], "birds")

    assert re.findall(r'id="img-(\d+)"', told) == ["7", "6"]
    assert reverse("image", args=["birds", 7]) in told
    assert reverse("image-thumb", args=["birds", 6]) in told
    assert 'alt="a &lt;b&gt;"' in told


@pytest.mark.parametrize("number", [0, 999, 1_000, 1_234_567, -1_000])
def test_thousands_stand_apart_as_elsewhere_on_pages(number: int) -> None:
    assert thousands(number) == intcomma(number)


@pytest.mark.parametrize("view", ["image", "image-thumb", "image-original"])
@pytest.mark.parametrize("slug", ["garden-birds", "0", "top-100"])
@pytest.mark.parametrize("pk", [1, 10, 2_000_001])
def test_the_address_of_an_image_is_that_which_django_gives(view: str, slug: str, pk: int) -> None:
    assert image_url(view, slug, pk) == reverse(view, args=[slug, pk])
