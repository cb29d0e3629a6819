"""What checks flag, asked of the database, against the same rules in Python."""

import random

import numpy as np
import pytest

from datasets import flags, queries, services, thresholds
from datasets.imaging import quality
from datasets.imaging.checks import CHECKS, DEFAULT_THRESHOLDS, Check, Direction
from datasets.models import Dataset, Image, Verdict
from datasets.queries import Filters
from datasets.tests.factories import DatasetFactory, ImageFactory

pytestmark = pytest.mark.django_db

_SCORES = [info.field for info in CHECKS.values() if info.direction == Direction.BELOW]
_IMAGES = 80
_OWN = {Check.LIGHT.value: 0.5, Check.NEAR_UNIFORM.value: 0.25, Check.ODD_SIZE.value: 0.5}


@pytest.fixture
def dataset() -> Dataset:
    """Images with scores on lines and off them, and without; some are excluded, some in another dataset."""
    chance = random.Random(7)
    dataset = DatasetFactory.create(quality_thresholds=_OWN)
    for n in range(_IMAGES):
        scores = {field: round(chance.random(), 2) for field in _SCORES} if n % 10 else {}
        ImageFactory.create(
            dataset=dataset if n % 7 else DatasetFactory.create(),
            review=Verdict.EXCLUDED if n % 11 == 0 else "",
            width_px=chance.choice([64, 640, 640, 800, 65_500]),
            height_px=chance.choice([64, 480, 480, 600, 65_500]),
            frames=chance.choice([1, 1, 3]),
            is_grayscale=chance.choice([None, False, True]),
            has_gps=chance.choice([None, False, True]),
            has_personal_data=chance.choice([None, False, True]),
            **scores,
        )
    return dataset


def shown(dataset: Dataset) -> list[Image]:
    return [image for image in Image.objects.filter(dataset=dataset) if image.review != Verdict.EXCLUDED]


def by_hand(dataset: Dataset, check: Check, threshold: float | None = None) -> set[int]:
    """The images that the check flags, by the rules of datasets.imaging.quality."""
    images, info = shown(dataset), CHECKS[check]
    if threshold is None:
        threshold = _OWN.get(check.value, DEFAULT_THRESHOLDS.get(check, 0.0))
    if info.direction == Direction.BELOW:
        return {image.pk for image in images if (score := getattr(image, info.field)) is not None and score < threshold}
    if check == Check.ANIMATED:
        return {image.pk for image in images if image.frames > 1}
    if info.direction == Direction.PRESENT:
        return {image.pk for image in images if getattr(image, info.field)}
    bounds = quality.size_bounds(
        np.array([image.width_px for image in images]),
        np.array([image.height_px for image in images]),
        iqr_factor=threshold,
    )
    return {image.pk for image in images if bounds.exclude(image.width_px, image.height_px)}


@pytest.mark.parametrize("check", list(Check))
def test_every_check_flags_what_the_rule_says(dataset: Dataset, check: Check) -> None:
    flagged = queries.matching(dataset, Filters(chosen={}, flags={check: flags.condition(dataset, check)}))

    assert {image.pk for image in flagged} == by_hand(dataset, check) != set()


def test_an_image_is_told_the_same(dataset: Dataset) -> None:
    for image in shown(dataset)[:10]:
        assert flags.raised_by(dataset, image, CHECKS) == {c for c in CHECKS if image.pk in by_hand(dataset, c)}


@pytest.mark.parametrize("factor", [0, 0.1, 1.5, 3, 10])
def test_bounds_of_sizes_are_those_of_all_pixels(dataset: Dataset, factor: float) -> None:
    images = shown(dataset)
    widths, heights = np.array([(image.width_px, image.height_px) for image in images]).T

    lines = flags.lines(dataset, Check.ODD_SIZE, factor)
    expected = quality.size_bounds(widths, heights, iqr_factor=factor)

    wanted = [side_px**2 for side_px in (expected.low_px, expected.high_px) if side_px > 0]
    assert [line.at for line in lines] == pytest.approx(wanted)


@pytest.mark.parametrize("sizes", [[], [(640, 480)], [(640, 480)] * 5, [(641, 487)] * 9 + [(642, 487)]])
def test_where_nearly_all_have_one_size_only_another_is_odd(sizes: list[tuple[int, int]]) -> None:
    dataset = DatasetFactory.create()
    for width, height in sizes:
        ImageFactory.create(dataset=dataset, width_px=width, height_px=height)

    odd = Image.objects.filter(flags.condition(dataset, Check.ODD_SIZE), dataset=dataset)

    assert [image.width_px for image in odd] == [width for width, _ in sizes if width == 642]


@pytest.mark.parametrize("check", list(DEFAULT_THRESHOLDS))
def test_a_preview_tells_what_would_be_flagged(dataset: Dataset, check: Check) -> None:
    measured = [i for i in shown(dataset) if check == Check.ODD_SIZE or getattr(i, CHECKS[check].field) is not None]
    for threshold in (0, 0.13, 0.5, 1):
        seen = thresholds.preview(dataset, check, threshold)

        flagged = by_hand(dataset, check, threshold)
        assert (seen.flagged, seen.measured) == (len(flagged), len(measured))
        assert sum(bar.count for bar in seen.histogram.bars) == len(measured)
        assert {sample.image.pk for sample in seen.just_flagged} <= flagged
        assert not {sample.image.pk for sample in seen.just_not} & flagged


def test_samples_are_those_next_to_the_line() -> None:
    dataset = DatasetFactory.create()
    for n in range(40):
        ImageFactory.create(dataset=dataset, dark_score=n / 40)

    seen = thresholds.preview(dataset, Check.DARK, 0.5)

    assert [sample.measured for sample in seen.just_flagged] == [n / 40 for n in (19, 18, 17, 16, 15, 14)]
    assert [sample.measured for sample in seen.just_not] == [n / 40 for n in (20, 21, 22, 23, 24, 25)]


def test_sizes_have_samples_at_both_lines() -> None:
    dataset = DatasetFactory.create()
    for side in (10, 20, 400, 401, 402, 403, 404, 405, 5000, 6000):
        ImageFactory.create(dataset=dataset, width_px=side, height_px=side)

    seen = thresholds.preview(dataset, Check.ODD_SIZE, 1)

    assert [sample.image.width_px for sample in seen.just_flagged] == [20, 10, 5000, 6000]
    assert [sample.image.width_px for sample in seen.just_not] == [400, 401, 402, 405, 404, 403]
    assert len(seen.histogram.lines) == 2


def test_bars_hold_what_lies_between_their_ends() -> None:
    dataset = DatasetFactory.create()
    scores = [0.0, 0.05, 0.049, 0.5, 0.95, 1.0, 1.0]
    for score in scores:
        ImageFactory.create(dataset=dataset, blurry_score=score)

    bars = thresholds.preview(dataset, Check.BLURRY, 0.29).histogram.bars

    assert [bar.count for bar in bars if bar.count] == [2, 1, 1, 3]
    assert [bar.low for bar in bars if bar.count] == pytest.approx([0, 0.05, 0.5, 0.95])
    assert [bar.high for bar in bars if bar.count] == pytest.approx([0.05, 0.1, 0.55, 1])
    assert [bar.is_flagged for bar in bars if bar.count] == [True, True, False, False]


def test_a_bar_that_a_line_goes_through_is_not_flagged_as_a_whole() -> None:
    dataset = DatasetFactory.create()
    ImageFactory.create_batch(3, dataset=dataset)

    histogram = thresholds.preview(dataset, Check.ODD_SIZE, 3).histogram

    assert [bar.count for bar in histogram.bars] == [0, 3, 0]
    assert histogram.bars[1].low < histogram.middle < histogram.bars[1].high
    assert [bar.is_flagged for bar in histogram.bars] == [True, False, True]


def test_thresholds_of_several_checks_are_kept_apart(dataset: Dataset) -> None:
    services.set_threshold(dataset, Check.DARK, 0.2, by=None)
    services.set_threshold(dataset, Check.LIGHT, None, by=None)

    dataset.refresh_from_db()
    assert dataset.quality_thresholds == {"near_uniform": 0.25, "odd_size": 0.5, "dark": 0.2}
    changed = {Check.NEAR_UNIFORM: 0.25, Check.ODD_SIZE: 0.5, Check.DARK: 0.2}
    assert flags.thresholds(dataset) == {**DEFAULT_THRESHOLDS, **changed}


@pytest.mark.parametrize(
    ("text", "read"), [("0.314", 0.31), ("0", 0), ("1", 1), ("1.01", None), ("-1", None), ("nan", None), ("x", None)]
)
def test_a_slider_reads_numbers_within_its_range(text: str, read: float | None) -> None:
    assert thresholds.slider(Check.DARK).read(text) == read
