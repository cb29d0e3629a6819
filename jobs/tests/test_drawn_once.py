"""Parts of a page that are drawn from values alone, and kept: equal ones are the same text, others never are."""

import pytest
from django.urls import reverse

from jobs.models import Job
from jobs.templatetags.pages import drawn_once, image_url
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


@pytest.mark.parametrize("view", ["image", "image-thumb", "image-original"])
@pytest.mark.parametrize("slug", ["garden-birds", "0", "top-100"])
@pytest.mark.parametrize("pk", [1, 10, 2_000_001])
def test_the_address_of_an_image_is_that_which_django_gives(view: str, slug: str, pk: int) -> None:
    assert image_url(view, slug, pk) == reverse(view, args=[slug, pk])
