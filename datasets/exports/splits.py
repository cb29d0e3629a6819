"""Which split each image goes to, so that nothing that a model learnt from is in what it is judged by.

Images are tied by their group of near-duplicates and by the page that shows them; what is tied goes to one split.
An assignment that is stored never changes. New groups go, in an order that the seed shuffles, to the split that is
farthest below its share of their labels: so shares are met without moving anything.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from datasets.exports.types import SPLITS

#: What most people expect of a dataset that says nothing else.
DEFAULT_SHARES: Final[Mapping[str, float]] = {"train": 0.8, "validation": 0.1, "test": 0.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitImage:
    """What splitting looks at. `group` is the group of near-duplicates, None for a picture without any."""

    id: int
    sha256: str
    label: str
    group: int | None = None
    page_url: str = ""

    def ties(self) -> list[str]:
        """What other images may share with it; its own bytes where nothing can be shared."""
        ties = [f"group {self.group}"] if self.group is not None else []
        ties += [f"page {self.page_url}"] if self.page_url else []
        return ties or [f"image {self.sha256}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Straddle:
    """A newcomer that is tied to more than one split, and so goes to none."""

    id: int
    splits: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"Image {self.id} is left out: it looks like, or shares a page with, images that are already in "
            f"{' and '.join(self.splits)}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """`new` are the images that had no split, with theirs, to be stored; `left_out` those that get none."""

    new: Mapping[int, str]
    left_out: tuple[Straddle, ...]


@dataclass(slots=True)
class _Ties:
    """Union-find over ties. The splits of a root are those of its stored images: none, one, or more after a mishap."""

    parents: list[int] = field(default_factory=list)
    splits: list[frozenset[str]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, tie: str) -> int:
        known = self.numbers.setdefault(tie, len(self.parents))
        if known == len(self.parents):
            self.parents.append(known)
            self.splits.append(frozenset())
        return known

    def root(self, number: int) -> int:
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def join(self, numbers: Iterable[int]) -> None:
        # Ties of stored images were numbered first: where one is among them it becomes the root, and its split holds.
        first, *others = sorted({self.root(number) for number in numbers})
        for other in others:
            self.parents[other] = first


def assign(
    images: Iterable[SplitImage],
    *,
    stored: Mapping[int, str],
    seed: int,
    shares: Mapping[str, float] = DEFAULT_SHARES,
) -> Assignment:
    """Splits for the images that have none in `stored`, by id. Pure: the same input gives the same answer.

    `images` are all images of the dataset, the stored ones too, in any order. `shares` adds up to 1. Raises ValueError
    for shares or splits that are none.
    """
    _check(shares, stored)
    everything = sorted(images, key=lambda image: image.id)
    newcomers = [image for image in everything if image.id not in stored]
    ties = _Ties()
    for image in everything:
        if image.id in stored:
            for tie in image.ties():
                number = ties.number(tie)
                ties.splits[number] |= {stored[image.id]}
    left_out = _tie_newcomers(newcomers, ties)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for image in everything:
        if image.id in stored:
            counts[image.label][stored[image.id]] += 1
    new = _followers(newcomers, ties, left_out, counts)
    new |= _placed(newcomers, ties, left_out, counts, shares=shares, seed=seed)
    return Assignment(new=new, left_out=tuple(left_out[id] for id in sorted(left_out)))


def _check(shares: Mapping[str, float], stored: Mapping[int, str]) -> None:
    if shares.keys() - set(SPLITS) or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError(
            f"Shares are numbers of at least 0 for {', '.join(SPLITS)} that add up to 1, not {dict(shares)}."
        )
    if unknown := set(stored.values()) - set(SPLITS):
        raise ValueError(f"An image is stored in {sorted(unknown)[0]!r}, which is none of {', '.join(SPLITS)}.")


def _tie_newcomers(newcomers: Iterable[SplitImage], ties: _Ties) -> dict[int, Straddle]:
    """Joins what newcomers tie together, but for those that would tie two splits."""
    left_out = {}
    for image in newcomers:
        numbers = [ties.number(tie) for tie in image.ties()]
        splits = frozenset[str]().union(*(ties.splits[ties.root(number)] for number in numbers))
        if len(splits) > 1:
            left_out[image.id] = Straddle(id=image.id, splits=tuple(split for split in SPLITS if split in splits))
        else:
            ties.join(numbers)
    return left_out


def _followers(
    newcomers: Iterable[SplitImage], ties: _Ties, left_out: Mapping[int, Straddle], counts: Mapping[str, Counter[str]]
) -> dict[int, str]:
    """The newcomers that go where what they are tied to is; `counts` learns of them."""
    new = {}
    for image in newcomers:
        splits = ties.splits[ties.root(ties.number(image.ties()[0]))]
        if splits and image.id not in left_out:
            (new[image.id],) = splits
            counts[image.label][new[image.id]] += 1
    return new


def _placed(
    newcomers: Iterable[SplitImage],
    ties: _Ties,
    left_out: Mapping[int, Straddle],
    counts: Mapping[str, Counter[str]],
    *,
    shares: Mapping[str, float],
    seed: int,
) -> dict[int, str]:
    """The splits of newcomers in groups that are all new."""
    groups: defaultdict[int, list[SplitImage]] = defaultdict(list)
    for image in newcomers:
        root = ties.root(ties.number(image.ties()[0]))
        if image.id not in left_out and not ties.splits[root]:
            groups[root].append(image)
    new = {}
    for group in sorted(groups.values(), key=lambda group: _place(group, seed)):
        labels = Counter(image.label for image in group)
        split = max(shares, key=lambda split: (_missing(labels, counts, shares[split], split), -SPLITS.index(split)))
        for image in group:
            new[image.id] = split
            counts[image.label][split] += 1
    return new


def _missing(labels: Counter[str], counts: Mapping[str, Counter[str]], share: float, split: str) -> float:
    """How many images of a group's labels the split lacks for its share, the group counted in."""
    return sum(share * (counts[label].total() + number) - counts[label][split] for label, number in labels.items())


def _place(group: Iterable[SplitImage], seed: int) -> bytes:
    """Where a group stands in the order of the seed: by its near-duplicates, else its page, else its bytes."""
    return min(hashlib.sha256(f"{seed} {image.ties()[0]}".encode()).digest() for image in group)
