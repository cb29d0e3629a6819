"""Groups of pictures that are the same to a person, and which of each group to keep, with the reason in words.

Groups are made by single linkage with a guard against chaining: of all pictures that are linked, the best is the
keeper, and what does not look like the keeper itself is split off and grouped by the same rule. That is the same as
going through all pictures from the best to the worst, each one not yet taken taking all others that look like it; so
the outcome does not depend on the order in which pictures come.

Adding pictures to groups: ask `touched_components` which components the new ones reach, then `group` the pictures of
those together with the new ones. All other groups stay as they are, and the whole is what grouping everything anew
would give.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datasets.multi_index import Pairs, first_of_equals, pairs_between, pairs_within

#: More pairs than this are not kept in memory: sorting takes 72 bytes for each.
MAX_KEPT_PAIRS = 6_000_000

_CHUNK = 100_000


@dataclass(frozen=True, kw_only=True)
class Prints:
    """What pictures are compared by, as arrays of one length.

    Hashes are signed 64-bit integers, as stored. `pixel_hashes` are the hashes of the decoded pixels, empty where
    unknown. `variants` are the pHashes and dHashes of the same pictures mirrored or turned, where those count as the
    same; each is compared with the others as they are.
    """

    phashes: NDArray[np.int64]
    dhashes: NDArray[np.int64]
    pixel_hashes: NDArray[np.bytes_]
    variants: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...] = ()

    def __post_init__(self) -> None:
        lengths = [len(hashes) for hashes in self._columns()]
        if len(set(lengths)) > 1:
            raise ValueError(f"The arrays of hashes differ in length: {lengths}.")

    def __len__(self) -> int:
        return len(self.phashes)

    def _columns(self) -> list[NDArray[np.generic]]:
        return [self.phashes, self.dhashes, self.pixel_hashes, *(hashes for pair in self.variants for hashes in pair)]

    def taken(self, positions: NDArray[np.int64]) -> "Prints":
        return Prints(
            phashes=self.phashes[positions],
            dhashes=self.dhashes[positions],
            pixel_hashes=self.pixel_hashes[positions],
            variants=tuple((phashes[positions], dhashes[positions]) for phashes, dhashes in self.variants),
        )


@dataclass(frozen=True, kw_only=True)
class Images:
    """What decides between pictures, as arrays of one length; `sharpness` is NaN where it was not measured."""

    ids: NDArray[np.int64]
    prints: Prints
    is_licence_known: NDArray[np.bool_]
    pixels: NDArray[np.int64]
    sharpness: NDArray[np.float64]
    sizes_bytes: NDArray[np.int64]

    def __post_init__(self) -> None:
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"The arrays differ in length: {lengths}.")

    def __len__(self) -> int:
        return len(self.ids)

    def ranking(self) -> NDArray[np.int64]:
        """Positions from the one to keep first: known licence, pixels, sharpness, bytes, then the first seen."""
        # lexsort puts NaN last, and its last key counts first.
        return np.lexsort((self.ids, -self.sizes_bytes, -self.sharpness, -self.pixels, ~self.is_licence_known))


@dataclass(frozen=True, kw_only=True)
class Member:
    """A picture of a group that is not its keeper: "pixel" shows the same pixels; distances are to the keeper."""

    id: int
    kind: Literal["pixel", "near"]
    phash_bits: int
    dhash_bits: int


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pictures that are the same to a person: the keeper, the others from the best to the worst, and why the keeper."""

    keeper_id: int
    members: tuple[Member, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """What became of each picture, as arrays beside those of `images`.

    `keepers` are positions, a picture's own where it is alone or a keeper. `component_ids` are the lowest ids of all
    pictures that are linked, over any number of others.
    """

    images: Images
    keepers: NDArray[np.int64]
    phash_bits: NDArray[np.uint8]
    dhash_bits: NDArray[np.uint8]
    component_ids: NDArray[np.int64]

    def groups(self) -> Iterator[Group]:
        """Groups of two and more, one at a time, by the rank of their keepers."""
        ranking = self.images.ranking()
        rank = np.empty(len(ranking), np.int64)
        rank[ranking] = np.arange(len(ranking))
        taken = np.flatnonzero(self.keepers != np.arange(len(self.keepers)))
        taken = taken[np.lexsort((rank[taken], rank[self.keepers[taken]]))]
        starts = np.flatnonzero(np.diff(self.keepers[taken], prepend=-1))
        for start, end in pairwise([*starts.tolist(), len(taken)]):
            yield self._group(taken[start:end])

    def _group(self, others: NDArray[np.int64]) -> Group:
        keeper = int(self.keepers[others[0]])
        return Group(
            keeper_id=int(self.images.ids[keeper]),
            members=tuple(self._member(int(position), keeper) for position in others),
            reason=_reason(self.images, keeper, int(others[0])),
        )

    def _member(self, position: int, keeper: int) -> Member:
        pixel_hash = self.images.prints.pixel_hashes[position]
        is_same = bool(pixel_hash) and pixel_hash == self.images.prints.pixel_hashes[keeper]
        return Member(
            id=int(self.images.ids[position]),
            kind="pixel" if is_same else "near",
            phash_bits=int(self.phash_bits[position]),
            dhash_bits=int(self.dhash_bits[position]),
        )


def _reason(images: Images, keeper: int, second: int) -> str:
    """Why the keeper comes before the second best."""
    if images.is_licence_known[keeper] != images.is_licence_known[second]:
        return "known licence: the next best has none"
    if images.pixels[keeper] != images.pixels[second]:
        return f"more pixels: {images.pixels[keeper]:,} against {images.pixels[second]:,}"
    sharpness, other = float(images.sharpness[keeper]), float(images.sharpness[second])
    if np.isnan(sharpness) != np.isnan(other):
        return f"measured sharpness: {sharpness:.6g} against none"
    if not np.isnan(sharpness) and sharpness != other:
        return f"sharper: {sharpness:.6g} against {other:.6g}"
    if images.sizes_bytes[keeper] != images.sizes_bytes[second]:
        return f"more bytes: {images.sizes_bytes[keeper]:,} against {images.sizes_bytes[second]:,}"
    return f"seen first: image {images.ids[keeper]} before image {images.ids[second]}"


def group(images: Images, *, max_bits: int, max_kept_pairs: int = MAX_KEPT_PAIRS) -> Grouping:
    """Groups pictures that show the same pixels or look alike (datasets.duplicates) within `max_bits` of pHash.

    Pictures with the same pixels count by the hashes of the best of them, so that they are never split. Memory: about
    400 bytes per picture and at most 0.5 GB for pairs; with more than `max_kept_pairs` of them every keeper is
    compared with all pictures that are left instead.
    """
    # From here on a position is a rank: the lower of two is the better one.
    ranking = images.ranking()
    prints = _with_equal_hashes(images.prints.taken(ranking))
    firsts = first_of_equals(prints.phashes, prints.dhashes)
    distinct = np.flatnonzero(firsts == np.arange(len(firsts)))
    taking = _taking(prints.taken(distinct), max_bits, max_kept_pairs)
    place = np.searchsorted(distinct, firsts)
    keepers = np.empty(len(images), np.int64)
    keepers[ranking] = ranking[distinct[taking.keepers[place]]]
    unranked = np.empty(len(images), np.int64)
    unranked[ranking] = place
    lowest = np.full(len(distinct), np.iinfo(np.int64).max)
    np.minimum.at(lowest, taking.components[place], images.ids[ranking])
    return Grouping(
        images=images,
        keepers=keepers,
        phash_bits=taking.phash_bits[unranked],
        dhash_bits=taking.dhash_bits[unranked],
        component_ids=lowest[taking.components[unranked]],
    )


def touched_components(
    new: Prints, known: Prints, component_ids: NDArray[np.int64], *, max_bits: int
) -> NDArray[np.int64]:
    """The components, by their lowest ids, whose pictures must be grouped again because new ones are linked to them.

    `component_ids` stand beside `known`. Compares the new pictures with those known, not the known among themselves.
    """
    is_touched = np.isin(known.pixel_hashes, new.pixel_hashes[new.pixel_hashes != b""])
    distinct = np.unique(first_of_equals(new.phashes, new.dhashes))
    comparisons = [((new.phashes[distinct], new.dhashes[distinct]), (known.phashes, known.dhashes))]
    comparisons += [(variant, (known.phashes, known.dhashes)) for variant in new.variants]
    comparisons += [((new.phashes, new.dhashes), variant) for variant in known.variants]
    for asking, asked in comparisons:
        for pairs in pairs_between(*asking, *asked, max_bits=max_bits):
            is_touched[pairs.right] = True
    return np.unique(component_ids[is_touched])


def _with_equal_hashes(prints: Prints) -> Prints:
    """The same, but pictures with the same pixels all have the hashes of the first of them."""
    sources = np.arange(len(prints))
    known = np.flatnonzero(prints.pixel_hashes != b"")
    _, first, which = np.unique(prints.pixel_hashes[known], return_index=True, return_inverse=True)
    sources[known] = known[first[which]]
    return prints.taken(sources)


@dataclass(frozen=True, kw_only=True)
class _Taking:
    """Who took whom, as positions, at which distances; and the roots of the components."""

    keepers: NDArray[np.int64]
    phash_bits: NDArray[np.uint8]
    dhash_bits: NDArray[np.uint8]
    components: NDArray[np.int64]


def _taking(prints: Prints, max_bits: int, max_kept_pairs: int) -> _Taking:
    """Lets each picture that is not taken take all others that look like it, from the first to the last."""
    components = np.arange(len(prints))
    is_linked = np.zeros(len(prints), np.bool_)
    kept: list[Pairs] = []
    count = 0
    for pairs in _links(prints, max_bits):
        components = _merged(components, pairs)
        is_linked[pairs.left] = is_linked[pairs.right] = True
        count += len(pairs)
        if count <= max_kept_pairs:
            kept.append(pairs)
        else:
            kept.clear()
    keepers, (phash_bits, dhash_bits) = np.arange(len(prints)), np.zeros((2, len(prints)), np.uint8)
    takings = _by_pairs(kept, len(prints)) if count <= max_kept_pairs else _by_comparing(prints, is_linked, max_bits)
    for pairs in takings:
        keepers[pairs.right] = pairs.left
        phash_bits[pairs.right], dhash_bits[pairs.right] = pairs.phash_bits, pairs.dhash_bits
    return _Taking(keepers=keepers, phash_bits=phash_bits, dhash_bits=dhash_bits, components=components)


def _links(prints: Prints, max_bits: int) -> Iterator[Pairs]:
    """Pairs that look alike as they are or in a variant, left < right."""
    yield from pairs_within(prints.phashes, prints.dhashes, max_bits=max_bits)
    for variant in prints.variants:
        for pairs in pairs_between(*variant, prints.phashes, prints.dhashes, max_bits=max_bits):
            # Symmetric pictures look like themselves mirrored.
            two = pairs.left != pairs.right
            one, other = np.minimum(pairs.left, pairs.right), np.maximum(pairs.left, pairs.right)
            yield replace(pairs, left=one, right=other).taken(two)


def _merged(roots: NDArray[np.int64], pairs: Pairs) -> NDArray[np.int64]:
    """The root of each picture's component, its lowest position, after the pairs have joined some of them."""
    left, right = roots[pairs.left], roots[pairs.right]
    while (apart := left != right).any():
        left, right = left[apart], right[apart]
        np.minimum.at(roots, np.maximum(left, right), np.minimum(left, right))
        while (further := roots[roots] != roots).any():
            roots[further] = roots[roots[further]]
        left, right = roots[left], roots[right]
    return roots


def _by_pairs(kept: list[Pairs], count: int) -> Iterator[Pairs]:
    if not kept:
        return
    pairs = Pairs.joined(kept)
    kept.clear()
    # A pair may be alike in several variants: the closest counts.
    pairs = pairs.taken(np.lexsort((pairs.phash_bits, pairs.phash_bits + pairs.dhash_bits, pairs.right, pairs.left)))
    is_taken = bytearray(count)
    for start in range(0, len(pairs), _CHUNK):
        chunk = pairs.taken(np.arange(start, min(start + _CHUNK, len(pairs))))
        taking = []
        for number, (left, right) in enumerate(zip(chunk.left.tolist(), chunk.right.tolist(), strict=True)):
            if not is_taken[left] and not is_taken[right]:
                is_taken[right] = True
                taking.append(number)
        yield chunk.taken(np.array(taking, np.int64))


def _by_comparing(prints: Prints, is_linked: NDArray[np.bool_], max_bits: int) -> Iterator[Pairs]:
    left = np.flatnonzero(is_linked)
    while left.size:
        keeper, left = left[:1], left[1:]
        taken = _alike(prints, keeper, left, max_bits)
        yield taken
        left = np.setdiff1d(left, taken.right, assume_unique=True)


def _alike(prints: Prints, keeper: NDArray[np.int64], others: NDArray[np.int64], max_bits: int) -> Pairs:
    """Those of the others that look like the keeper, as they are or in a variant, at their closest."""
    plain = (prints.phashes, prints.dhashes)
    ways = [(plain, plain), *((variant, plain) for variant in prints.variants)]
    ways += [(plain, variant) for variant in prints.variants]
    found = []
    for asking, asked in ways:
        hashes = [column[keeper] for column in asking] + [column[others] for column in asked]
        pairs = Pairs.joined([*pairs_between(*hashes, max_bits=max_bits)])
        found.append(replace(pairs, left=keeper[pairs.left], right=others[pairs.right]))
    pairs = Pairs.joined(found)
    pairs = pairs.taken(np.lexsort((pairs.phash_bits, pairs.phash_bits + pairs.dhash_bits, pairs.right)))
    return pairs.taken(np.unique(pairs.right, return_index=True)[1])
