"""What a crawl may ask for, and how its lines are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.crawl.filters import Filters
from jobs.spec import CrawlSpec, InvalidSpec, Keyword, Lane, check, parse_keywords, parse_min_size


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["tiger shark"], [Keyword("tiger shark", "tiger shark")]),
        (["bird: robin, European robin"], [Keyword("robin", "bird"), Keyword("European robin", "bird")]),
        (["  robin \t hood  "], [Keyword("robin hood", "robin hood")]),
        (["robin", "robin", "# a remark", ""], [Keyword("robin", "robin")]),
        (["robin:"], [Keyword("robin", "robin")]),
        ([": robin"], [Keyword("robin", "robin")]),
        (["bird: , robin,"], [Keyword("robin", "bird")]),
        (["*"], [Keyword("*", "*")]),
        (["a\x00b\u202e\ud800c"], [Keyword("abc", "abc")]),
    ],
)
def test_a_keyword_line_is_read(lines: list[str], expected: list[Keyword]) -> None:
    assert list(parse_keywords(lines)) == expected


@given(st.lists(st.text(max_size=300), max_size=10))
def test_any_text_is_read_or_refused_and_what_is_read_can_be_stored(lines: list[str]) -> None:
    try:
        keywords = parse_keywords(lines)
    except InvalidSpec:
        return
    for keyword in keywords:
        for text in (keyword.keyword, keyword.label):
            assert 1 <= len(text) <= 200
            text.encode("utf-8")
            assert "\x00" not in text


def test_a_line_that_is_too_long_is_named() -> None:
    with pytest.raises(InvalidSpec, match="Line 2 is too long"):
        parse_keywords(["robin", "x" * 201])


@pytest.mark.parametrize(
    ("text", "size"), [("64x48", (64, 48)), ("64", (64, 64)), ("64×48", (64, 48)), ("64x", (64, 64))]
)
def test_a_size_is_read(text: str, size: tuple[int, int]) -> None:
    assert parse_min_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "0x0", "-1x5", "99999x1"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse_min_size(text)
    assert refusal.value.field == "min_size"


def spec(**changes: object) -> CrawlSpec:
    given = {"keywords": (Keyword("robin", "bird"),), "sources": ("openverse",), "per_label": 10, **changes}
    return CrawlSpec(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sources": ()}, "sources"),
        ({"sources": ("google",)}, "sources"),
        ({"per_label": 0}, "per_label"),
        ({"per_label": 1_000_001}, "per_label"),
        ({"filters": Filters(min_width_px=0)}, "min_size"),
    ],
)
def test_what_cannot_be_planned_is_refused_by_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        check(spec(**changes), known_sources=["openverse", "urls"])
    assert refusal.value.field == field


def test_a_url_list_is_a_lane_per_label_beside_the_keywords() -> None:
    both = spec(sources=("openverse", "urls"), listed_labels=("tit",))

    assert both.lanes == (Lane("bird", "robin", "openverse"), Lane("tit", "tit", "urls"))
    assert both.labels == ("bird", "tit")
    robin, tit = both.lanes
    assert both.lane_sources == ("openverse", "urls")
    assert both.lanes_by_row == {("bird", "robin"): [robin, None], ("tit", "tit"): [None, tit]}
    assert CrawlSpec.from_json(both.to_json()) == both
