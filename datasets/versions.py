"""Freezes a dataset into a numbered version, tells what a policy would leave out of it, and compares two versions.

Only this module writes the rows of datasets.version_models.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from datasets import duplicate_scan, numbers
from datasets.exports.policy import SENTENCES, Policy
from datasets.exports.splits import SplitImage, assign
from datasets.exports.types import SPLITS, ExportFacts, ExportImage, Rows
from datasets.flags import shown_images
from datasets.models import Dataset, DuplicateMember, Image, Verdict
from datasets.version_models import DatasetVersion, SplitAssignment, VersionImage

_BATCH = 1_000

#: Why an image stays out of a version, besides the obstacles of a policy.
EXCLUDED: Final = "Somebody excluded it in the gallery or the duplicates review. Restore it there to have it."
DAMAGED: Final = "A validation found its file damaged. Fetch it again on the page of checks, or leave it out."
STRADDLES: Final = (
    "It looks like, or shares a page with, images of more than one split, so it would give the answer away."
)

#: What people and checks said of an image, as a version keeps it.
_SCORES = (
    "dark_score", "light_score", "low_information_score", "blurry_score", "odd_aspect_ratio_score", "uniform_score",
)  # fmt: skip


class NothingLeft(Exception):
    """No image is left to be frozen; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """By what a version is chosen: what its pictures are for, and how they are split (`shares` add up to 1)."""

    policy: Policy
    seed: int
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a policy lets in; `left_out` has the sentence and the number of each reason, the largest first.

    `since` are words for what changed since the images were counted, "": nothing did.
    """

    image_count: int
    size_bytes: int
    left_out: tuple[tuple[str, int], ...]
    since: str = ""

    @property
    def left_out_count(self) -> int:
        return sum(number for _, number in self.left_out)


def preview(dataset: Dataset, policy: Policy) -> Preview:
    """What would go into a version; of a large dataset by the numbers that are kept of it (datasets.numbers).

    Near-duplicates that straddle splits are known only once it is frozen.
    """
    seen = numbers.of(dataset)
    counted = seen.numbers
    out = Counter({EXCLUDED: counted.excluded, DAMAGED: counted.damaged})
    return _preview(policy, out, counted.sound, since=seen.since)


def count(dataset: Dataset, policy: Policy) -> Preview:
    """The same, counted now whatever the size of the dataset."""
    out = Counter[str]()
    all_images = Image.objects.order_by().filter(dataset=dataset)
    out[EXCLUDED] = all_images.exclude(review="").filter(review=Verdict.EXCLUDED).count()
    out[DAMAGED] = shown_images(dataset).exclude(damage="").count()
    sound = _sound(dataset).values_list("licence_code", "ml_use").annotate(n=Count("pk"), size=Sum("size_bytes"))
    return _preview(policy, out, sound)


def _preview(
    policy: Policy, out: Counter[str], sound: Iterable[tuple[str, str, int, int]], *, since: str = ""
) -> Preview:
    """`out` are images that no policy lets in, `sound` the others: licence, machine use, images, bytes."""
    image_count = size_bytes = 0
    for licence, ml_use, images, bytes_of_them in sound:
        obstacle = policy.obstacle(_Rights(licence, ml_use))
        if obstacle is None:
            image_count += images
            size_bytes += bytes_of_them
        else:
            out[SENTENCES[obstacle]] += images
    left_out = tuple((sentence, number) for sentence, number in out.most_common() if number)
    return Preview(image_count=image_count, size_bytes=size_bytes, left_out=left_out, since=since)


@dataclass(frozen=True, slots=True)
class _Rights:
    licence_code: str
    ml_use: str


def _sound(dataset: Dataset) -> QuerySet[Image]:
    """The images that nobody excluded and no validation found damaged, in no order."""
    return shown_images(dataset).filter(damage="")


def freeze(dataset_id: int, choice: Choice, *, by: User | None) -> DatasetVersion:
    """A version of the dataset as it is now, or the newest one where it says the same. In the caller's transaction.

    The dataset's row is locked meanwhile: nothing comes into it or is split by somebody else. Raises NothingLeft.
    """
    dataset = Dataset.objects.select_for_update().get(pk=dataset_id)
    splits, straddling = _assign(dataset, choice)
    newest = dataset.versions.first()
    before = transaction.savepoint()
    version = _write(dataset, choice, splits, straddling, number=newest.number + 1 if newest else 1, by=by)
    if newest is not None and _says_the_same(newest, version):
        transaction.savepoint_rollback(before)
        return newest
    transaction.savepoint_commit(before)
    return version


def _says_the_same(one: DatasetVersion, other: DatasetVersion) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in ("digest", "name", "policy", "left_out"))


def _assign(dataset: Dataset, choice: Choice) -> tuple[dict[int, str], int]:
    """The split of every image that may go in, and how many would straddle splits; new splits are stored."""
    groups = _groups(dataset)
    images = []
    for row in _sound(dataset).order_by("pk").values_list(*_SPLIT_COLUMNS, named=True).iterator(chunk_size=_BATCH):
        if choice.policy.obstacle(row) is None:
            images.append(
                SplitImage(
                    id=row.pk, sha256=row.sha256, label=row.label, group=groups.get(row.pk), page_url=row.page_url
                )
            )
    stored = dict(SplitAssignment.objects.filter(image__dataset=dataset).values_list("image_id", "split"))
    found = assign(images, stored=stored, seed=choice.seed, shares=choice.shares)
    rows = (SplitAssignment(image_id=image_id, split=split) for image_id, split in sorted(found.new.items()))
    while batch := list(islice(rows, _BATCH)):
        SplitAssignment.objects.bulk_create(batch)
    going_in = {image.id for image in images}
    known = {image_id: split for image_id, split in stored.items() if image_id in going_in}
    return {**known, **found.new}, len(found.left_out)


_SPLIT_COLUMNS = ("pk", "sha256", "label", "page_url", "licence_code", "ml_use")


def _groups(dataset: Dataset) -> dict[int, int]:
    """The group of near-duplicates of each image that is in one: the least id of those that are tied to it.

    Groups of the current search for duplicates, and what was seen to look alike while it was crawled.
    """
    pairs: list[tuple[int, int]] = []
    scan = duplicate_scan.current(dataset)
    if scan is not None:
        first: dict[int, int] = {}
        members = DuplicateMember.objects.filter(group__scan=scan).order_by().values_list("group_id", "image_id")
        for group_id, image_id in members.iterator(chunk_size=_BATCH):
            pairs.append((image_id, first.setdefault(group_id, image_id)))
    alike = _sound(dataset).filter(near_duplicate_of__isnull=False).values_list("pk", "near_duplicate_of_id")
    pairs += [(one, other) for one, other in alike.iterator(chunk_size=_BATCH) if other is not None]
    return _least_of_tied(pairs)


def _least_of_tied(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    parents: dict[int, int] = {}

    def root(node: int) -> int:
        while parents.setdefault(node, node) != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for one, other in pairs:
        least, most = sorted((root(one), root(other)))
        parents[most] = least
    return {node: root(node) for node in list(parents)}


def _write(
    dataset: Dataset, choice: Choice, splits: Mapping[int, str], straddling: int, *, number: int, by: User | None
) -> DatasetVersion:
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=number,
        name=dataset.name,
        created_by=by,
        created_at=timezone.now().replace(microsecond=0),
        policy=asdict(choice.policy),
        seed=choice.seed,
        shares=dict(choice.shares),
        labels=[],
        counts={},
        image_count=1,
        size_bytes=0,
        digest="",
    )
    counts = {split: Counter[str]() for split in SPLITS}
    digest, size_bytes = hashlib.sha256(), 0
    images = _sound(dataset).order_by("pk").iterator(chunk_size=_BATCH)
    while batch := list(islice(images, _BATCH)):
        rows = [_row(version, image, splits[image.pk]) for image in batch if image.pk in splits]
        for row in rows:
            counts[row.split][row.label] += 1
            digest.update(_line(row))
        size_bytes += sum(image.size_bytes for image in batch if image.pk in splits)
        VersionImage.objects.bulk_create(rows)
    image_count = sum(counter.total() for counter in counts.values())
    left_out = _left_out(dataset, choice.policy, straddling)
    if not image_count:
        reasons = " ".join(f"{count:,}: {sentence}" for sentence, count in left_out.items())
        raise NothingLeft(f"No image is left to export. {reasons or 'The dataset is empty: crawl something into it.'}")
    facts = {
        "labels": sorted(set().union(*counts.values())),
        "counts": {split: dict(sorted(counter.items())) for split, counter in counts.items()},
        "left_out": left_out,
        "image_count": image_count,
        "size_bytes": size_bytes,
        "digest": digest.hexdigest(),
    }
    DatasetVersion.objects.filter(pk=version.pk).update(**facts)
    version.refresh_from_db()
    return version


def _left_out(dataset: Dataset, policy: Policy, straddling: int) -> dict[str, int]:
    found = dict(count(dataset, policy).left_out)
    return {**found, **({STRADDLES: straddling} if straddling else {})}


def _row(version: DatasetVersion, image: Image, split: str) -> VersionImage:
    scores = {name: score for name in _SCORES if (score := getattr(image, name)) is not None}
    said = {"review": image.review, "checked_level": image.checked_level, **scores}
    return VersionImage(
        version=version,
        image_id=image.pk,
        sha256=image.sha256,
        label=image.label,
        split=split,
        near_duplicate_of=image.near_duplicate_of_id,
        near_distance_bits=image.near_distance_bits,
        decisions={name: value for name, value in said.items() if value != ""},
    )


def _line(row: VersionImage) -> bytes:
    told = [row.image_id, row.sha256, row.label, row.split, row.near_duplicate_of, row.near_distance_bits]
    return (json.dumps([*told, row.decisions], sort_keys=True) + "\n").encode()


def facts_of(version: DatasetVersion) -> ExportFacts:
    """What a writer of exports is told of the version."""
    return ExportFacts(
        dataset=version.name,
        slug=version.dataset.slug,
        version=version.number,
        created_at=version.created_at,
        labels=tuple(version.labels),
        counts=version.counts,
        policy=Policy(**version.policy),
        left_out=version.left_out,
    )


def rows_of(version: DatasetVersion) -> Rows:
    """The images of the version as exports want them, read in batches; an image that was removed since is left out."""

    def rows(after_id: int) -> Iterator[ExportImage]:
        while batch := list(version.images.filter(image_id__gt=after_id).order_by("image_id")[:_BATCH]):
            images = Image.objects.in_bulk([row.image_id for row in batch])
            for row in batch:
                image = images.get(row.image_id)
                if image is not None and image.sha256 == row.sha256:
                    yield _export_image(row, image)
            after_id = batch[-1].image_id

    return rows


_COPIED = (
    "keyword", "created_at", "size_bytes", "format", "mode", "width_px", "height_px", "frames", "phash", "dhash",
    "source", "url", "source_id", "page_url", "title", "creator", "creator_url", "licence_code", "licence_version",
    "licence_url", "attribution", "ml_use", "optout_evidence",
)  # fmt: skip


def _export_image(row: VersionImage, image: Image) -> ExportImage:
    copied: dict[str, Any] = {name: getattr(image, name) for name in _COPIED}
    return ExportImage(
        id=image.pk,
        sha256=row.sha256,
        label=row.label,
        split=row.split,
        near_duplicate_of=row.near_duplicate_of,
        near_distance_bits=row.near_distance_bits,
        decisions=row.decisions,
        tags=tuple(image.tags),
        **copied,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What sets a later version apart from an earlier one: numbers of images, and the first ids of each kind."""

    added: int
    removed: int
    relabelled: int
    moved: int
    first_added: tuple[int, ...]
    first_removed: tuple[int, ...]
    first_relabelled: tuple[int, ...]

    @property
    def is_nothing(self) -> bool:
        return not (self.added or self.removed or self.relabelled or self.moved)


_SHOWN_IDS = 24


def difference(earlier: DatasetVersion, later: DatasetVersion) -> Difference:
    """Counted by the database; an image is relabelled or moved when both versions have it under other words."""
    both = later.images.filter(Q(image_id__in=earlier.images.values("image_id")))
    added = later.images.exclude(image_id__in=earlier.images.values("image_id"))
    removed = earlier.images.exclude(image_id__in=later.images.values("image_id"))
    before = {
        column: dict(earlier.images.values_list("image_id", column).iterator(chunk_size=_BATCH))
        for column in ("label", "split")
    }
    relabelled, moved = [], 0
    for image_id, label, split in both.values_list("image_id", "label", "split").iterator(chunk_size=_BATCH):
        if before["label"][image_id] != label:
            relabelled.append(image_id)
        moved += before["split"][image_id] != split
    return Difference(
        added=added.count(),
        removed=removed.count(),
        relabelled=len(relabelled),
        moved=moved,
        first_added=tuple(added.values_list("image_id", flat=True)[:_SHOWN_IDS]),
        first_removed=tuple(removed.values_list("image_id", flat=True)[:_SHOWN_IDS]),
        first_relabelled=tuple(relabelled[:_SHOWN_IDS]),
    )
