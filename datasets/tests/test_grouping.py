"""Groups are those of the rule's own words, whatever the order and however many pictures come at once."""

import random
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from datasets.duplicates import COMBINED_MAX_BITS
from datasets.grouping import Group, Grouping, Images, Member, Prints, group, touched_components

MAX_BITS = 10
_ALL_BITS = (1 << 64) - 1


class Picture(SimpleNamespace):
    """What is known of one picture, all else equal to others."""

    id: int
    phash: int
    dhash: int
    pixel_hash: str
    is_licence_known: bool
    pixels: int
    sharpness: float | None
    size_bytes: int
    mirrored: tuple[int, int]


def picture(id: int, phash: int = 0, dhash: int = 0, **known: object) -> Picture:
    plain = {"pixel_hash": "", "is_licence_known": False, "pixels": 100, "sharpness": None, "size_bytes": 10}
    return Picture(**{"id": id, "phash": phash, "dhash": dhash, "mirrored": (~phash, ~dhash), **plain, **known})


def prints(pictures: list[Picture], *, is_mirrored: bool = False) -> Prints:
    def column(values: list[int]) -> NDArray[np.int64]:
        return np.array([value & _ALL_BITS for value in values], np.uint64).view(np.int64)

    mirrored = (column([p.mirrored[0] for p in pictures]), column([p.mirrored[1] for p in pictures]))
    return Prints(
        phashes=column([p.phash for p in pictures]),
        dhashes=column([p.dhash for p in pictures]),
        pixel_hashes=np.array([p.pixel_hash for p in pictures], "S64"),
        variants=(mirrored,) if is_mirrored else (),
    )


def images(pictures: list[Picture], *, is_mirrored: bool = False) -> Images:
    return Images(
        ids=np.array([p.id for p in pictures], np.int64),
        prints=prints(pictures, is_mirrored=is_mirrored),
        is_licence_known=np.array([p.is_licence_known for p in pictures], np.bool_),
        pixels=np.array([p.pixels for p in pictures], np.int64),
        sharpness=np.array([np.nan if p.sharpness is None else p.sharpness for p in pictures], np.float64),
        sizes_bytes=np.array([p.size_bytes for p in pictures], np.int64),
    )


def grouped(pictures: list[Picture], *, is_mirrored: bool = False) -> list[Group]:
    return [*group(images(pictures, is_mirrored=is_mirrored), max_bits=MAX_BITS).groups()]


def kept(grouping: Grouping) -> dict[int, int]:
    """The keeper's id for each picture's."""
    ids = grouping.images.ids
    return dict(zip(ids.tolist(), ids[grouping.keepers].tolist(), strict=True))


def rank(p: Picture) -> tuple[object, ...]:
    sharpness = (p.sharpness is None, -(p.sharpness or 0))
    return (not p.is_licence_known, -p.pixels, sharpness, -p.size_bytes, p.id)


def is_alike(one: Picture, other: Picture) -> bool:
    if one.pixel_hash and one.pixel_hash == other.pixel_hash:
        return True
    phash_bits = ((one.phash ^ other.phash) & _ALL_BITS).bit_count()
    dhash_bits = ((one.dhash ^ other.dhash) & _ALL_BITS).bit_count()
    return phash_bits <= MAX_BITS and phash_bits + dhash_bits <= COMBINED_MAX_BITS


def component(start: Picture, pictures: list[Picture]) -> list[Picture]:
    reached, left = [start], [p for p in pictures if p is not start]
    for one in reached:
        reached += [other for other in left if is_alike(one, other)]
        left = [other for other in left if not is_alike(one, other)]
    return reached


def kept_by_the_words(pictures: list[Picture]) -> dict[int, int]:
    """Single linkage; what does not look like the keeper is split off and linked anew, until nothing changes."""
    keepers: dict[int, int] = {}
    while pictures:
        linked = component(pictures[0], pictures)
        best = min(linked, key=rank)
        taken = [p for p in linked if p is best or is_alike(p, best)]
        keepers |= {p.id: best.id for p in taken}
        pictures = [p for p in pictures if p.id not in keepers]
    return keepers


def chained(count: int, seed: int) -> list[Picture]:
    """Pictures that each look like an earlier one, and so on; many of them equally good, some with the same pixels."""
    rng = random.Random(seed)
    made = [picture(1, rng.getrandbits(64), rng.getrandbits(64))]
    for id in range(2, count + 1):
        source = rng.choice(made[-8:])
        phash, dhash, pixel_hash = source.phash, source.dhash, source.pixel_hash
        kind = rng.random()
        if kind < 0.15:
            phash, dhash, pixel_hash = rng.getrandbits(64), rng.getrandbits(64), ""
        elif kind < 0.75:
            pixel_hash = rng.choice(["", f"{id:064x}"])
            for _ in range(rng.randrange(12)):
                phash ^= 1 << rng.randrange(64)
            for _ in range(rng.randrange(12)):
                dhash ^= 1 << rng.randrange(64)
        quality: dict[str, Any] = {
            "is_licence_known": rng.random() < 0.3,
            "pixels": rng.choice([100, 200]),
            "sharpness": rng.choice([None, 1.5, 2.5]),
            "size_bytes": rng.choice([10, 20]),
        }
        made.append(picture(id, phash, dhash, pixel_hash=pixel_hash, **quality))
    return made


@pytest.mark.parametrize("seed", range(25))
def test_groups_are_those_of_the_rule_in_any_order(seed: int) -> None:
    pictures = chained(120, seed)
    expected = kept_by_the_words(pictures)
    assert len(set(expected.values())) < len(expected)
    for _ in range(3):
        random.Random(seed).shuffle(pictures)
        assert kept(group(images(pictures), max_bits=MAX_BITS)) == expected


@pytest.mark.parametrize("seed", range(8))
def test_too_many_pairs_to_keep_make_the_same_groups(seed: int) -> None:
    pictures = chained(200, seed)
    usual = group(images(pictures), max_bits=MAX_BITS)
    crowded = group(images(pictures), max_bits=MAX_BITS, max_kept_pairs=5)
    assert [*crowded.groups()] == [*usual.groups()] != []
    assert crowded.component_ids.tolist() == usual.component_ids.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_adding_pictures_gives_what_grouping_everything_gives(seed: int) -> None:
    pictures = chained(240, seed)
    random.Random(seed).shuffle(pictures)
    keepers: dict[int, int] = {}
    components: dict[int, int] = {}
    known: list[Picture] = []
    for start in range(0, 240, 40):
        new = pictures[start : start + 40]
        touched = set()
        if known:
            component_ids = np.array([components[p.id] for p in known])
            touched = set(touched_components(prints(new), prints(known), component_ids, max_bits=MAX_BITS).tolist())
        again = group(images([p for p in known if components[p.id] in touched] + new), max_bits=MAX_BITS)
        keepers |= kept(again)
        components |= dict(zip(again.images.ids.tolist(), again.component_ids.tolist(), strict=True))
        known += new
        anew = group(images(known), max_bits=MAX_BITS)
        assert keepers == kept(anew)
        assert components == dict(zip(anew.images.ids.tolist(), anew.component_ids.tolist(), strict=True))


def test_what_is_far_from_the_keeper_is_split_off() -> None:
    """A row of pictures, each 6 bits from the one before it: the ends have nothing in common."""
    row = [picture(n + 1, (1 << 6 * n) - 1) for n in range(8)]
    row[2].pixels = 200
    assert kept(group(images(row), max_bits=MAX_BITS)) == {1: 1, 2: 3, 3: 3, 4: 3, 5: 5, 6: 5, 7: 7, 8: 7}


def test_the_guard_heeds_both_hashes() -> None:
    near, far = picture(2, 0b1, (1 << 27) - 1), picture(3, 0b1, (1 << 28) - 1)
    assert kept(group(images([picture(1), near, far]), max_bits=MAX_BITS)) == {1: 1, 2: 1, 3: 3}


def test_the_same_pixels_are_never_split() -> None:
    far = (1 << 40) - 1
    [found] = grouped([picture(1, pixel_hash="a"), picture(2, far, pixel_hash="a"), picture(3, far ^ 1)])
    assert found.keeper_id == 1
    assert found.members == (Member(id=2, kind="pixel", phash_bits=0, dhash_bits=0),)


def test_members_come_from_the_best_to_the_worst_with_their_distances() -> None:
    [found] = grouped(
        [
            picture(4, 0b111, 0b1, pixels=300),
            picture(5, 0b1, pixels=400),
            picture(6, 0, 0b11, pixels=500, pixel_hash="a"),
            picture(7, 0, 0b11, pixel_hash="a"),
        ]
    )
    assert found == Group(
        keeper_id=6,
        members=(
            Member(id=5, kind="near", phash_bits=1, dhash_bits=2),
            Member(id=4, kind="near", phash_bits=3, dhash_bits=1),
            Member(id=7, kind="pixel", phash_bits=0, dhash_bits=0),
        ),
        reason="more pixels: 500 against 400",
    )


@pytest.mark.parametrize(
    ("better", "worse", "reason"),
    [
        ({"is_licence_known": True}, {"pixels": 900}, "known licence: the next best has none"),
        ({"pixels": 2_400_000}, {"pixels": 600_000, "sharpness": 9.0}, "more pixels: 2,400,000 against 600,000"),
        ({"sharpness": 812.5}, {"sharpness": 120.25, "size_bytes": 99}, "sharper: 812.5 against 120.25"),
        ({"sharpness": 0.0}, {"sharpness": None, "size_bytes": 99}, "measured sharpness: 0 against none"),
        ({"size_bytes": 3_000}, {"size_bytes": 2_999}, "more bytes: 3,000 against 2,999"),
    ],
)
def test_the_keeper_and_why(better: dict[str, Any], worse: dict[str, Any], reason: str) -> None:
    [found] = grouped([picture(1, **worse), picture(2, **better)])
    assert (found.keeper_id, found.reason) == (2, reason)


def test_of_equally_good_ones_the_first_seen_is_kept() -> None:
    [found] = grouped([picture(9), picture(3), picture(5)])
    assert (found.keeper_id, found.reason) == (3, "seen first: image 3 before image 5")


def test_mirrored_pictures_are_alike_where_that_is_asked_for() -> None:
    rng = random.Random(1)
    turned = rng.getrandbits(64), rng.getrandbits(64)
    pictures = [picture(1, mirrored=(turned[0] ^ 0b11, turned[1] ^ 0b1)), picture(2, *turned), picture(3, 1 << 20)]
    assert [found.members[0].id for found in grouped(pictures)] == [3]
    [found] = grouped(pictures, is_mirrored=True)
    assert found.members == (
        Member(id=2, kind="near", phash_bits=2, dhash_bits=1),
        Member(id=3, kind="near", phash_bits=1, dhash_bits=0),
    )
    crowded = group(images(pictures, is_mirrored=True), max_bits=MAX_BITS, max_kept_pairs=0)
    assert [*crowded.groups()] == [found]
    for new, known in ((pictures[:1], pictures[1:2]), (pictures[1:2], pictures[:1])):
        asking, asked = prints(new, is_mirrored=True), prints(known, is_mirrored=True)
        assert touched_components(asking, asked, np.array([7]), max_bits=MAX_BITS).tolist() == [7]


def test_a_thousand_equal_pictures_are_one_group() -> None:
    [found] = grouped([picture(id, 5, 6) for id in range(1000, 0, -1)])
    assert found.keeper_id == 1
    assert [member.id for member in found.members] == list(range(2, 1001))


def test_a_picture_alone_is_no_group() -> None:
    assert grouped([picture(1)]) == []
    assert grouped([]) == []


@pytest.mark.parametrize("name", [field.name for field in fields(Images)])
def test_arrays_of_different_lengths_are_refused(name: str) -> None:
    columns = {field.name: getattr(images([picture(1), picture(2)]), field.name) for field in fields(Images)}
    columns[name] = prints([picture(1)]) if name == "prints" else columns[name][:1]
    with pytest.raises(ValueError, match="differ in length"):
        Images(**columns)
