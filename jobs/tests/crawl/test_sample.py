"""The offline source: the same pictures every time, and every outcome among them."""

import io
from collections import Counter

import pytest
from PIL import Image

from datasets.imaging.inspect import inspect
from datasets.imaging.types import ImageFacts, ImageLimits
from datasets.outcomes import Reason
from jobs.crawl.sources.base import LocalSource, Source
from jobs.crawl.sources.registry import SOURCE_INFOS
from jobs.crawl.sources.sample import PICTURES_PER_KEYWORD, SampleSource
from jobs.crawl.types import Candidate, Cursor, Fetched, FetchFailure, Query
from jobs.crawl.urls import url_key


def all_candidates(keyword: str) -> list[Candidate]:
    source = SampleSource()
    cursor: Cursor | None = None
    found: list[Candidate] = []
    while not found or cursor is not None:
        page = source.page(Query(keyword=keyword, label=keyword), cursor)
        assert len(page.candidates) == 12
        assert page.total == PICTURES_PER_KEYWORD
        found += page.candidates
        cursor = page.next_cursor
    return found


def read(candidate: Candidate) -> bytes:
    result = SampleSource().read(candidate)
    assert isinstance(result, Fetched)
    return result.body


def test_it_is_a_source_that_reads_its_pictures_itself() -> None:
    source = SampleSource()
    assert isinstance(source, Source)
    assert isinstance(source, LocalSource)


def test_every_picture_is_listed_once_with_its_origin_and_licence() -> None:
    found = all_candidates("tiger shark")
    assert len(found) == PICTURES_PER_KEYWORD
    assert len({url_key(candidate.url) for candidate in found}) == PICTURES_PER_KEYWORD
    assert found[3].url == "sample:tiger shark/3"
    assert {candidate.creator for candidate in found} == {"PixCrawler sample"}
    assert {candidate.licence_code for candidate in found} == {"cc0"}


@pytest.mark.parametrize("keyword", ["stars", "great grey owl", "a/b: ü?#", ""])
def test_the_same_keyword_and_number_give_the_same_bytes(keyword: str) -> None:
    first, again = ([read(candidate) for candidate in all_candidates(keyword)[:12]] for _ in range(2))
    assert first == again
    assert first[0] != read(all_candidates(f"{keyword} other")[0])


def test_every_dozen_shows_every_outcome() -> None:
    limits = ImageLimits(min_width_px=64, min_height_px=64)
    for start in range(0, PICTURES_PER_KEYWORD, 12):
        bodies = [read(candidate) for candidate in all_candidates("stars")[start : start + 12]]
        verdicts = [inspect(body, limits) for body in bodies]
        reasons = Counter(verdict.reason for verdict in verdicts if not isinstance(verdict, ImageFacts))
        assert reasons == {Reason.TRUNCATED: 1, Reason.NOT_AN_IMAGE: 1, Reason.TOO_SMALL: 1}
        assert len(set(bodies)) == 11, "one stands there twice"
        assert bodies[3] == bodies[2]


def test_sound_pictures_are_of_several_formats() -> None:
    bodies = [read(candidate) for candidate in all_candidates("stars")]
    formats: Counter[str | None] = Counter()
    for body in bodies:
        if isinstance(inspect(body, ImageLimits(min_width_px=64, min_height_px=64)), ImageFacts):
            with Image.open(io.BytesIO(body)) as picture:
                formats[picture.format] += 1
                assert picture.size == (640, 480)
    assert formats.keys() == {"JPEG", "PNG", "WEBP"}
    assert formats["JPEG"] > formats["PNG"] + formats["WEBP"]


def test_an_address_that_is_not_its_own_is_refused() -> None:
    result = SampleSource().read(Candidate(url="sample:stars/x", source="sample"))
    assert isinstance(result, FetchFailure)
    assert result.reason == Reason.INVALID_URL


def test_the_sources_are_offered_in_order_with_words_for_people() -> None:
    assert list(SOURCE_INFOS) == [
        *("openverse", "commons", "flickr", "brave", "searxng"),
        *("unsplash", "pexels", "pixabay"),
        *("bing", "duckduckgo", "baidu"),
        *("urls", "webpage", "folder", "sample"),
    ]
    for name, info in SOURCE_INFOS.items():
        assert info.name == name
        assert info.title
        assert info.hint.endswith(".")
    assert [name for name, info in SOURCE_INFOS.items() if not info.needs_keyword] == ["urls"]
