"""Flags pictures that look like one of the dataset, while they are added.

Each process keeps the hashes of the datasets it works on and reads only what is new. A flag is a hint for people and
never decides what is kept; a picture added by another process a moment ago may be missed.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from datasets.duplicates import NearIndex
from datasets.models import Dataset, Image

#: Above every image's id.
_LAST = 2**63 - 1

#: Datasets whose hashes one process keeps: 40 bytes per image.
_KEPT = 4

#: Images read at once: as Python's numbers they take ten times the room that the index gives them.
_ROWS_PER_READ = 10_000


@dataclass(slots=True)
class _Known:
    index: NearIndex = field(default_factory=NearIndex)
    last_id: int = 0
    #: Holds pictures of a transaction that has not been committed: after a rollback they never were.
    is_unsure: bool = False


_known: OrderedDict[tuple[int, datetime], _Known] = OrderedDict()


def add_flagged(dataset: Dataset, images: Sequence[Image]) -> None:
    """Creates the images, with `near_duplicate_of` of those that look like one of the dataset, or else like one of them
    before it.
    """
    if not images or dataset.near_duplicate_bits == 0:
        Image.objects.bulk_create(images)
        return
    known = _hashes(dataset, before_id=_LAST)
    known.is_unsure = True
    transaction.on_commit(lambda: _confirm(known))
    matches = [known.index.nearest(one.phash, one.dhash, max_bits=dataset.near_duplicate_bits) for one in images]
    # Of what a process remembers, some may have been removed since.
    there = set(Image.objects.filter(pk__in={match[0] for match in matches if match}).values_list("pk", flat=True))
    for image, match in zip(images, matches, strict=True):
        if match and match[0] in there:
            image.near_duplicate_of_id, image.near_distance_bits = match
    Image.objects.bulk_create(images)
    _flag_among(images, max_bits=dataset.near_duplicate_bits)
    known.index.extend(*zip(*((one.pk, one.phash, one.dhash) for one in images), strict=True))
    known.last_id = max(known.last_id, *(one.pk for one in images))


def _flag_among(images: Sequence[Image], *, max_bits: int) -> None:
    """Flags those that look like none of the dataset, but like one before them among those that were just created."""
    before = NearIndex()
    flagged = []
    for image in images:
        if image.near_duplicate_of_id is None:
            match = before.nearest(image.phash, image.dhash, max_bits=max_bits)
            if match:
                image.near_duplicate_of_id, image.near_distance_bits = match
                flagged.append(image)
        before.extend([image.pk], [image.phash], [image.dhash])
    Image.objects.bulk_update(flagged, ["near_duplicate_of", "near_distance_bits"])


def add_unlike(dataset: Dataset, images: Sequence[Image]) -> dict[str, tuple[int, int]]:
    """Creates those of the images that look like none of the dataset, nor like one before them.

    Gives for each of the others, by its sha256, the id of the image that it looks like, and the distance in bits.
    """
    known = _hashes(dataset, before_id=_LAST)
    known.is_unsure = True
    transaction.on_commit(lambda: _confirm(known))
    alike: dict[str, tuple[int, int]] = {}
    for image in images:
        match = known.index.nearest(image.phash, image.dhash, max_bits=dataset.near_duplicate_bits)
        if match and Image.objects.filter(pk=match[0]).exists():
            alike[image.sha256] = match
            continue
        Image.objects.bulk_create([image])
        known.index.extend([image.pk], [image.phash], [image.dhash])
        known.last_id = max(known.last_id, image.pk)
    return alike


def warm(dataset: Dataset) -> None:
    """Reads the dataset's hashes ahead, so that nobody waits for it while the dataset's row is locked."""
    if dataset.near_duplicate_bits:
        _hashes(dataset, before_id=_LAST)


def _confirm(known: _Known) -> None:
    known.is_unsure = False


def _hashes(dataset: Dataset, *, before_id: int) -> _Known:
    key = (dataset.pk, dataset.created_at)
    if key in _known and _known[key].is_unsure:
        del _known[key]
    known = _known.setdefault(key, _Known())
    _known.move_to_end(key)
    while len(_known) > _KEPT:
        _known.popitem(last=False)
    images = Image.objects.filter(dataset=dataset, pk__lt=before_id).order_by("pk").values_list("pk", "phash", "dhash")
    while new := list(images.filter(pk__gt=known.last_id)[:_ROWS_PER_READ]):
        ids, phashes, dhashes = zip(*new, strict=True)
        known.index.extend(ids, phashes, dhashes)
        known.last_id = ids[-1]
    return known
