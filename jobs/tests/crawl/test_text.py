"""Foreign text is harmless once it is through the door."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.crawl.text import clean, clean_link


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  A   tree\n\tin\u00a0bloom ", "A tree in bloom"),
        ("nul\x00 and bell\x07", "nul and bell"),
        ("half \ud83d of a pair", "half of a pair"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("\u2066isolated\u2069 \u200fmark", "isolated mark"),
        ("cafe\u0301", "caf\u00e9"),
        ("line\u2028break\u2029s", "line break s"),
        ("<b>not our markup</b>", "<b>not our markup</b>"),
        ("family 👩‍👧", "family 👩‍👧"),
        ("", ""),
        (None, ""),
        (5, ""),
        (["a"], ""),
    ],
)
def test_text_is_cleaned(text: object, expected: str) -> None:
    assert clean(text, 100) == expected


def test_text_is_cut_to_its_field() -> None:
    assert clean("ab cd ef", 5) == "ab cd"
    assert clean("ab cd ef", 3) == "ab"
    assert len(clean("x" * 10_000_000, 300)) == 300


@given(st.text(alphabet=st.characters(), max_size=80))
def test_nothing_harmful_comes_through(text: str) -> None:
    cleaned = clean(text, 30)
    assert len(cleaned) <= 30
    assert not {unicodedata.category(character) for character in cleaned} & {"Cc", "Cs"}
    assert cleaned == cleaned.strip()
    cleaned.encode("utf-8")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/page?id=1#top",
        "http://example.org",
        "https://commons.example/wiki/File:Bücher.jpg",
    ],
)
def test_a_web_link_stays_as_it_is(url: str) -> None:
    assert clean_link(url) == clean_link(f" {url} ") == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>",
        "//example.org/page",
        "/page",
        "example.org",
        "https://good.example@evil.example/",
        "https://example.org/\x00",
        "https://example.org/\u202egpj",
        "https://example.org/" + "a" * 3000,
        "https://",
        "",
        None,
        7,
    ],
)
def test_anything_else_is_no_link(url: object) -> None:
    assert clean_link(url) == ""
