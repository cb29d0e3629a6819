"""Who keeps a filter, and what is left out by it."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.licences import LicenceClass
from datasets.outcomes import Outcome, Reason, outcome_of
from jobs.crawl.filtering import Keeper, keeper_of, refusal_of_listing, refusal_of_picture, remarks
from jobs.crawl.filters import Colour, Filter, Filters, Orientation, PictureFormat, orientation_of
from jobs.crawl.sources.base import EVERY, SourceInfo
from jobs.crawl.types import Candidate

PLAIN = SourceInfo(name="plain", title="Plain", hint="", licence_known=False)
TELLING = replace(PLAIN, name="telling", title="Telling", licence_known=True, date_known=True, mature_known=True)
ABLE = replace(PLAIN, name="able", title="Able", applies=dict.fromkeys(Filter, EVERY))
GIVEN = replace(PLAIN, name="given", title="Given", is_given=True)

ALL = Filters(
    min_width_px=800,
    min_height_px=600,
    format=PictureFormat.PNG,
    orientation=Orientation.SQUARE,
    colour=Colour.RED,
    licence=LicenceClass.COMMERCIAL,
    after=date(2020, 1, 1),
)


def listed(**facts: object) -> Candidate:
    return Candidate(url="https://x.example/1.jpg", source="plain", **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("info", "keepers"),
    [
        (ABLE, dict.fromkeys(Filter, Keeper.SOURCE)),
        (
            TELLING,
            {**dict.fromkeys(Filter, Keeper.AFTERWARDS), Filter.COLOUR: Keeper.NOBODY},
        ),
        (
            PLAIN,
            {
                **dict.fromkeys(Filter, Keeper.AFTERWARDS),
                **dict.fromkeys((Filter.COLOUR, Filter.DATE, Filter.SAFE_SEARCH), Keeper.NOBODY),
            },
        ),
    ],
)
def test_every_filter_has_a_keeper(info: SourceInfo, keepers: dict[Filter, Keeper]) -> None:
    assert {name: keeper_of(info, name, value) for name, value in ALL.active.items()} == keepers


def test_a_value_that_the_source_does_not_know_is_not_applied_by_it() -> None:
    info = replace(PLAIN, applies={Filter.COLOUR: frozenset({"red"})})
    assert keeper_of(info, Filter.COLOUR, "red") is Keeper.SOURCE
    assert keeper_of(info, Filter.COLOUR, "blue") is Keeper.NOBODY


def test_what_a_source_cannot_apply_is_said_and_what_nobody_keeps_is_said_apart() -> None:
    assert remarks(ALL, [ABLE]) == []
    told = remarks(ALL, [TELLING, PLAIN])
    assert "Telling, Plain cannot filter by size: it is checked on every picture that was fetched." in told
    assert any(one.startswith("Telling, Plain can neither filter by colour nor tell it") for one in told)
    assert any(one.startswith("Plain can neither filter by safe search nor tell it") for one in told)
    assert len(remarks(ALL, [PLAIN], only=Keeper.NOBODY)) == 3
    assert remarks(Filters(min_width_px=64, min_height_px=64), [TELLING]) == [
        "Telling cannot filter by safe search: it is checked on what it says of each picture."
    ]


def test_what_people_brought_is_not_searched_so_nothing_is_said_of_its_safety() -> None:
    assert remarks(Filters(), [GIVEN]) == []
    assert len(remarks(ALL, [GIVEN])) == 4


@pytest.mark.parametrize(
    ("candidate", "info", "reason"),
    [
        (listed(licence_code="cc-by"), TELLING, Reason.DATE_NOT_ALLOWED),
        (listed(licence_code="cc-by", published_on="2020-01-01"), TELLING, None),
        (listed(licence_code="cc-by", published_on="2019-12-31"), TELLING, Reason.DATE_NOT_ALLOWED),
        (listed(licence_code="cc-by-nc", published_on="2020-01-01"), TELLING, Reason.LICENSE_NOT_ALLOWED),
        (listed(), TELLING, Reason.LICENSE_NOT_ALLOWED),
        (listed(), PLAIN, Reason.LICENSE_NOT_ALLOWED),
        (listed(licence_code="cc-by"), PLAIN, None),
        (listed(), ABLE, None),
        (listed(licence_code="cc-by-nc"), ABLE, Reason.LICENSE_NOT_ALLOWED),
        (listed(mature=True), ABLE, Reason.MATURE),
    ],
)
def test_a_candidate_is_left_out_by_what_is_known_of_it(
    candidate: Candidate, info: SourceInfo, reason: Reason | None
) -> None:
    refusal = refusal_of_listing(candidate, ALL, info)
    assert (refusal.reason if refusal else None) == reason
    assert refusal is None or (refusal.detail.endswith(".") and outcome_of(refusal.reason) is Outcome.REJECTED)


def test_without_filters_nothing_is_left_out() -> None:
    anything = listed(mature=True, published_on="1900-01-01", licence_code="all-rights-reserved")
    assert refusal_of_listing(anything, Filters(safe_search=False), TELLING) is None
    assert refusal_of_picture("GIF", 1, 900, Filters()) is None


@pytest.mark.parametrize(
    ("format", "width_px", "height_px", "reason"),
    [
        ("PNG", 100, 100, None),
        ("PNG", 110, 100, None),
        ("PNG", 100, 111, Reason.ORIENTATION_NOT_ALLOWED),
        ("JPEG", 100, 100, Reason.FORMAT_NOT_ALLOWED),
    ],
)
def test_a_picture_is_left_out_by_what_it_is(format: str, width_px: int, height_px: int, reason: Reason | None) -> None:
    refusal = refusal_of_picture(format, width_px, height_px, ALL)
    assert (refusal.reason if refusal else None) == reason


@given(width_px=st.integers(1, 20_000), height_px=st.integers(1, 20_000))
def test_every_picture_lies_in_one_way_and_its_turned_one_in_the_other(width_px: int, height_px: int) -> None:
    turned = {
        Orientation.LANDSCAPE: Orientation.PORTRAIT,
        Orientation.PORTRAIT: Orientation.LANDSCAPE,
        Orientation.SQUARE: Orientation.SQUARE,
    }
    assert orientation_of(height_px, width_px) is turned[orientation_of(width_px, height_px)]
