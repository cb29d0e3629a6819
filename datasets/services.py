"""What changes a dataset. Verbs, one transaction each unless they say that they run in the caller's."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.text import slugify

from datasets import audit, near
from datasets.access import Right, require
from datasets.audit_models import Verb
from datasets.imaging.checks import Check
from datasets.imaging.types import ImageFacts
from datasets.models import Dataset, Image


class InvalidDataset(ValueError):
    """A dataset that cannot be made; the message says what is wrong and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a picture came from, and its rights, as the source says."""

    source: str
    source_id: str
    url: str
    url_key: str
    page_url: str
    title: str
    creator: str
    creator_url: str
    licence_code: str
    licence_version: str
    licence_url: str
    attribution: str
    tags: tuple[str, ...]
    ml_use: str
    sha1: str = ""
    published_on: date | None = None
    is_mature: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """A sound picture whose bytes lie in the store, about to become an image of a dataset."""

    label: str
    keyword: str
    facts: ImageFacts
    blob_name: str
    thumb_name: str
    origin: Origin
    optout_evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Added:
    """By sha256: images that were added, and images that were there before.

    `alike` has those that the dataset does not want, since they look like one of its images: (its id, bits apart).
    """

    added: dict[str, Image]
    existing: dict[str, Image]
    alike: dict[str, tuple[int, int]] = field(default_factory=dict)


def dataset_name(text: str) -> str:
    """The name as datasets are stored and looked up. Raises InvalidDataset."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > 120 or not name.isprintable():
        raise InvalidDataset("A dataset's name has 1 to 120 printable characters.")
    return name


class KeyTaken(InvalidDataset):
    """The `submit_key` was used for another dataset."""


class NameTaken(InvalidDataset):
    """There is a dataset of that name; the message says what to do."""


def create_dataset(name: str, *, by: User | None, submit_key: str = "") -> Dataset:
    """Makes a dataset without images; the same `submit_key` gives the same one. Raises InvalidDataset, NotAllowed.

    Its maker alone sees it, until it is shared.
    """
    require(by, Right.START)
    name = dataset_name(name)
    try:
        with transaction.atomic():
            made = Dataset.objects.filter(submit_key=submit_key).first() if submit_key else None
            if made is None and not Dataset.objects.filter(name=name).exists():
                made = get_or_create_dataset(name, by=by)
                Dataset.objects.filter(pk=made.pk).update(submit_key=submit_key or None)
                audit.record(by, Verb.STARTED, "Made the dataset", dataset=made)
    except IntegrityError:
        # The same request arrived twice at once: the other one made the dataset.
        made = Dataset.objects.filter(submit_key=submit_key).first() if submit_key else None
    if made is None:
        raise NameTaken(f"The name “{name}” is taken. Choose another one, or use the dataset that has it.")
    if made.name != name:
        raise KeyTaken(f"This key was used for the dataset “{made.name}”. Send a new key with a new request.")
    return made


def get_or_create_dataset(name: str, *, by: User | None) -> Dataset:
    """The dataset of that name, made if there is none. Raises InvalidDataset. Runs in the caller's transaction."""
    name = dataset_name(name)
    slug = slugify(name)[:130] or "dataset"
    existing = Dataset.objects.filter(name=name).first()
    if existing:
        return existing
    taken = set(Dataset.objects.filter(slug__startswith=slug).values_list("slug", flat=True))
    free = next(s for n in range(len(taken) + 1) if (s := slug if n == 0 else f"{slug}-{n + 1}") not in taken)
    dataset, _ = Dataset.objects.get_or_create(
        name=name, defaults={"slug": free, "created_by": by, "is_shared": by is None}
    )
    return dataset


def add_images(dataset: Dataset, images: Sequence[NewImage], *, job_id: int) -> Added:
    """Adds pictures whose bytes the dataset does not have yet, and flags those that look like one it has; where the
    dataset asks for it, these are left out instead.

    Runs in the caller's transaction, which holds the dataset's row. Of several with the same bytes the first is added.
    """
    if not images:
        return Added({}, {})
    wanted: dict[str, NewImage] = {}
    for image in images:
        wanted.setdefault(image.facts.sha256, image)
    # Unordered: to bring the rows in the model's order, SQLite would read all of the dataset.
    same = Image.objects.order_by().filter(dataset=dataset, sha256__in=wanted)
    existing = {image.sha256: image for image in same}
    rows = [_row(dataset, image, job_id) for sha256, image in wanted.items() if sha256 not in existing]
    alike: dict[str, tuple[int, int]] = {}
    if dataset.skip_near_duplicates and dataset.near_duplicate_bits:
        alike = near.add_unlike(dataset, rows)
        rows = [row for row in rows if row.sha256 not in alike]
    else:
        near.add_flagged(dataset, rows)
    Dataset.objects.filter(pk=dataset.pk).update(
        image_count=F("image_count") + len(rows),
        size_bytes=F("size_bytes") + sum(row.size_bytes for row in rows),
        revision=F("revision") + 1,
    )
    return Added({row.sha256: row for row in rows}, existing, alike)


def set_rules(dataset: Dataset, rules: Mapping[str, Any], *, by: User | None) -> None:
    """Changes rules, by the names of their columns. Raises NotAllowed."""
    require(by, Right.CURATE, dataset)
    with transaction.atomic():
        # A crawl may be counting images into the same row.
        Dataset.objects.filter(pk=dataset.pk).update(**rules)
        audit.record(by, Verb.RULED, "Changed the rules", dataset=dataset)


def share(dataset: Dataset, *, is_shared: bool, by: User | None) -> None:
    """Shows the dataset to everybody who signs in, or to its maker alone. Raises NotAllowed."""
    require(by, Right.CURATE, dataset)
    with transaction.atomic():
        Dataset.objects.filter(pk=dataset.pk).update(is_shared=is_shared)
        words = "Shared with everybody who signs in" if is_shared else "Made private"
        audit.record(by, Verb.SHARED, words, dataset=dataset)


def set_threshold(dataset: Dataset, check: Check, threshold: float | None, *, by: User | None) -> None:
    """Where a check flags from in the dataset; None: from its default. Thresholds of other checks stay.

    Raises NotAllowed.
    """
    require(by, Right.CURATE, dataset)
    dataset_id = dataset.pk
    with transaction.atomic():
        audit.record(by, Verb.RULED, f"Threshold of {check}: {threshold or 'default'}", dataset=dataset)
        # Several people may move thresholds at once, and all of them lie in one column.
        own = Dataset.objects.select_for_update(no_key=True).values_list("quality_thresholds", flat=True)
        kept = {name: value for name, value in own.get(pk=dataset_id).items() if name != check}
        changed = kept if threshold is None else {**kept, check.value: threshold}
        Dataset.objects.filter(pk=dataset_id).update(quality_thresholds=changed)


def _row(dataset: Dataset, image: NewImage, job_id: int) -> Image:
    facts = image.facts
    return Image(
        dataset=dataset,
        job_id=job_id,
        label=image.label,
        keyword=image.keyword,
        sha256=facts.sha256,
        blob_name=image.blob_name,
        thumb_name=image.thumb_name,
        size_bytes=facts.size_bytes,
        format=facts.format,
        mode=facts.mode,
        width_px=facts.width_px,
        height_px=facts.height_px,
        frames=facts.frames,
        phash=facts.phash,
        dhash=facts.dhash,
        optout_evidence=dict(image.optout_evidence),
        **{**_columns(image.origin), "tags": list(image.origin.tags)},
    )


def _columns(origin: Origin) -> dict[str, Any]:
    # `asdict` copies deeply, at ten times the cost.
    return {one.name: getattr(origin, one.name) for one in fields(origin)}
