"""Splits: what is tied stays together, what is stored stays put, and shares are met all the same."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.exports.splits import Assignment, SplitImage, assign

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def image(id: int, *, label: str = "dog", group: int | None = None, page: str = "") -> SplitImage:
    return SplitImage(id=id, sha256=f"{id:064x}", label=label, group=group, page_url=page)


def labelled_groups(count: int, *, seed: int, label: str = "dog", first_id: int = 1) -> list[SplitImage]:
    """So many groups of one to six images each."""
    rng = random.Random(seed)
    images: list[SplitImage] = []
    for group in range(count):
        for _ in range(rng.randint(1, 6)):
            images.append(image(first_id + len(images), label=label, group=first_id + group))
    return images


def straddling(images: Sequence[SplitImage], splits: Mapping[int, str]) -> list[str]:
    """Ties whose images are in more than one split."""
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        if image.id in splits:
            for tie in image.ties():
                seen[tie].add(splits[image.id])
    return [tie for tie, found in seen.items() if len(found) > 1]


def shares(images: Sequence[SplitImage], splits: Mapping[int, str], label: str = "dog") -> dict[str, float]:
    counts = Counter(splits[image.id] for image in images if image.label == label)
    return {split: counts[split] / counts.total() for split in SHARES}


@pytest.mark.parametrize("seed", range(100))
def test_alikes_and_pages_never_straddle_and_later_images_move_none(seed: int) -> None:
    rng = random.Random(seed)
    planted = [
        image(1, group=7),
        image(2, group=7),
        image(3, page="https://a.example/1"),
        image(4, page="https://a.example/1"),
    ]
    others = [
        image(n, group=rng.randint(100, 140), page=f"https://b.example/{rng.randint(1, 60)}") for n in range(5, 65)
    ]
    first = assign([*planted, *others], stored={}, seed=seed)
    assert first.new[1] == first.new[2]
    assert first.new[3] == first.new[4]
    assert first.new.keys() == set(range(1, 65))
    later = [
        image(n, group=rng.randint(100, 160), page=f"https://b.example/{rng.randint(1, 90)}") for n in range(65, 165)
    ]
    second = assign([*planted, *others, *later], stored=first.new, seed=seed)
    assert not second.new.keys() & first.new.keys()
    assert not straddling([*planted, *others, *later], {**first.new, **second.new})
    assert {*second.new, *(straddle.id for straddle in second.left_out)} == set(range(65, 165))


def test_alikes_and_a_page_tie_a_whole_chain_together() -> None:
    chain = [image(1, group=1), image(2, group=1, page="https://p.example/"), image(3, page="https://p.example/")]
    for seed in range(30):
        assert len(set(assign(chain, stored={}, seed=seed).new.values())) == 1


def test_a_newcomer_that_ties_two_splits_is_left_out_and_named() -> None:
    images = [image(1, group=1), image(2, page="https://p.example/"), image(3, group=1, page="https://p.example/")]
    made = assign(images, stored={1: "train", 2: "test"}, seed=1)
    assert made.new == {}
    assert [str(straddle) for straddle in made.left_out] == [
        "Image 3 is left out: it looks like, or shares a page with, images that are already in train and test."
    ]


def test_a_newcomer_that_is_tied_to_one_split_follows_it_even_beside_one_that_is_left_out() -> None:
    images = [
        image(1, group=1),
        image(2, page="https://p.example/"),
        image(3, group=1, page="https://p.example/"),
        image(4, group=1),
        image(5, page="https://p.example/"),
    ]
    made = assign(images, stored={1: "train", 2: "test"}, seed=1)
    assert made.new == {4: "train", 5: "test"}
    assert [straddle.id for straddle in made.left_out] == [3]


def test_newcomers_that_are_tied_to_a_split_over_each_other_follow_it() -> None:
    images = [
        image(1, group=1),
        image(2, group=2, page="https://p.example/"),
        image(3, group=1, page="https://p.example/"),
    ]
    assert assign(images, stored={1: "test"}, seed=1).new == {2: "test", 3: "test"}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wanted", [SHARES, {"train": 0.7, "validation": 0.2, "test": 0.1}])
def test_shares_of_labels_with_500_groups_are_met_within_one_percent(seed: int, wanted: dict[str, float]) -> None:
    dogs = labelled_groups(500, seed=seed)
    cats = labelled_groups(600, seed=seed + 100, label="cat", first_id=10_000)
    made = assign([*dogs, *cats], stored={}, seed=seed, shares=wanted)
    for label in ("dog", "cat"):
        assert shares([*dogs, *cats], made.new, label) == pytest.approx(wanted, abs=0.01)


def test_a_share_that_a_dataset_missed_is_made_up_by_what_is_added() -> None:
    old = [image(n) for n in range(1, 301)]
    stored = dict.fromkeys(range(1, 301), "train")
    added = labelled_groups(500, seed=3, first_id=1_000)
    made = assign([*old, *added], stored=stored, seed=3)
    assert shares([*old, *added], {**stored, **made.new}) == pytest.approx(SHARES, abs=0.01)


def test_a_split_without_a_share_gets_nothing() -> None:
    made = assign(labelled_groups(50, seed=1), stored={}, seed=1, shares={"train": 0.9, "validation": 0.1, "test": 0.0})
    assert set(made.new.values()) == {"train", "validation"}


def test_another_seed_makes_another_split_and_the_same_seed_the_same() -> None:
    images = labelled_groups(60, seed=1)
    assert assign(images, stored={}, seed=1) == assign(reversed(images), stored={}, seed=1)
    assert assign(images, stored={}, seed=1) != assign(images, stored={}, seed=2)


@pytest.mark.parametrize(
    "wrong",
    [{"train": 0.8}, {"train": 1.5, "test": -0.5}, {"train": 0.5, "holdout": 0.5}],
)
def test_shares_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        assign([image(1)], stored={}, seed=1, shares=wrong)


def test_a_stored_split_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'holdout', which is none of train, validation, test"):
        assign([image(1)], stored={1: "holdout"}, seed=1)


_images = st.lists(
    st.builds(
        lambda label, group, page: (label, group, page and f"https://p.example/{page}"),
        st.sampled_from(["dog", "cat"]),
        st.none() | st.integers(1, 8),
        st.none() | st.integers(1, 8),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(rounds=st.lists(_images, min_size=1, max_size=4), seed=st.integers(0, 1_000))
def test_whatever_is_added_in_whatever_rounds_nothing_straddles_nothing_moves_and_nobody_is_forgotten(
    rounds: list[list[tuple[str, int | None, str | None]]], seed: int
) -> None:
    images: list[SplitImage] = []
    stored: dict[int, str] = {}
    for added in rounds:
        for label, group, page in added:
            images.append(image(len(images) + 1, label=label, group=group, page=page or ""))
        made: Assignment = assign(images, stored=stored, seed=seed)
        assert not made.new.keys() & stored.keys()
        stored = {**stored, **made.new}
        assert {*stored, *(straddle.id for straddle in made.left_out)} == {image.id for image in images}
        assert not straddling(images, stored)
