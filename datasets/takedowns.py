"""The list of what is left out for good: quick look-ups for crawls, and the removal of what datasets hold already.

Whoever adds to the list and whoever adds images to a dataset meet at the dataset's row: an entry is committed before
`wait_for_recordings` takes that row, and a recording looks at the list while it holds it. So an image is either there
when the list's new entry looks for it, or never comes.
"""

import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from django.db import transaction
from django.db.models import Count, F, Max

from datasets import blobs
from datasets.blobs import BlobError
from datasets.duplicates import NearIndex
from datasets.imaging import hashing
from datasets.models import Dataset, Image
from datasets.takedown_models import Takedown, TakedownKind

log = logging.getLogger(__name__)

#: So many keys go into one query, and so many images into one transaction that holds a dataset's row.
_KEYS_PER_QUERY = 500
_IMAGES_PER_REMOVAL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The files of one picture."""

    sha256: str
    blob_name: str
    thumb_name: str


def key_of(kind: TakedownKind, text: str) -> str:
    """What an entry is looked up by: a picture's SHA-256 itself, for all else 32 hexadecimal digits."""
    return text if kind is TakedownKind.SHA256 else hashlib.sha256(f"{kind}:{text}".encode()).hexdigest()[:32]


def listed(keys: Iterable[str]) -> dict[str, int]:
    """Which of the keys are on the list, with the entry's id."""
    found: dict[str, int] = {}
    for some in _in_parts(keys, _KEYS_PER_QUERY):
        found.update(Takedown.objects.filter(key__in=some).order_by().values_list("key", "pk"))
    return found


def is_empty() -> bool:
    """Whether nothing is on the list: most installations are never asked to leave anything out."""
    return not Takedown.objects.exists()


def of_pictures(pictures: Collection[tuple[str, int]]) -> dict[str, int]:
    """Which pictures (SHA-256, pHash) are left out, by their bytes or their looks: SHA-256 -> the entry's id."""
    if not pictures or is_empty():
        return {}
    found = listed(sha256 for sha256, _ in pictures)
    near = _near_entries()
    for sha256, phash in pictures:
        entry_id = near.match(phash) if sha256 not in found else None
        if entry_id is not None:
            found[sha256] = entry_id
    return found


def wait_for_recordings(dataset_id: int) -> None:
    """Returns when no recording into the dataset is under way that has not seen what is on the list by now."""
    with transaction.atomic():
        list(Dataset.objects.select_for_update(no_key=True).filter(pk=dataset_id))


def remove_images(dataset_id: int, sha256s: Iterable[str]) -> list[Stored]:
    """Removes the dataset's images with these bytes, and brings its totals up to date; their files stay for now.

    Findings that named them name none from then on.
    """
    removed: list[Stored] = []
    for some in _in_parts(sha256s, _IMAGES_PER_REMOVAL):
        with transaction.atomic():
            dataset = Dataset.objects.select_for_update(no_key=True).filter(pk=dataset_id).first()
            if dataset is None:
                return removed
            images = list(Image.objects.filter(dataset=dataset, sha256__in=some).order_by())
            Image.objects.filter(pk__in=[image.pk for image in images]).delete()
            Dataset.objects.filter(pk=dataset_id).update(
                image_count=F("image_count") - len(images),
                size_bytes=F("size_bytes") - sum(image.size_bytes for image in images),
                revision=F("revision") + 1,
            )
        removed += [Stored(sha256=i.sha256, blob_name=i.blob_name, thumb_name=i.thumb_name) for i in images]
    return removed


def discard(pictures: Iterable[Stored]) -> int:
    """Deletes the files of pictures that no dataset has; gives the number of pictures whose files could not be."""
    left = 0
    for picture in pictures:
        if Image.objects.filter(sha256=picture.sha256).exists():
            continue
        try:
            blobs.delete(picture.blob_name)
            blobs.delete(picture.thumb_name)
        except BlobError as error:
            left += 1
            log.warning("The files of a picture that is to be left out are still there: %s", error)
    return left


@dataclass(slots=True)
class NearEntries:
    """Entries for look-alikes, compared all at once. The pHash alone decides: nobody gives more than that."""

    _by_distance: dict[int, NearIndex] = field(default_factory=dict)

    def add(self, entries: Sequence[tuple[int, str, int]]) -> None:
        """Each an id, a pHash in hexadecimal digits, and the distance in bits."""
        for distance_bits in {distance for _, _, distance in entries}:
            chosen = [(pk, hashing.from_hex(value)) for pk, value, distance in entries if distance == distance_bits]
            ids, phashes = zip(*chosen, strict=True)
            index = self._by_distance.setdefault(distance_bits, NearIndex())
            # The second hash is the same everywhere, so that it takes no part.
            index.extend(ids, phashes, [0] * len(ids))

    def match(self, phash: int) -> int | None:
        """The id of an entry that the picture looks like."""
        for distance_bits, index in self._by_distance.items():
            if found := index.nearest(phash, 0, max_bits=distance_bits):
                return found[0]
        return None


@dataclass(slots=True)
class _NearList:
    """The process's copy of the look-alikes on the list, and by what it is known to be the newest."""

    entries: NearEntries = field(default_factory=NearEntries)
    state: tuple[int, int | None, datetime | None] = (0, None, None)


_near_list = _NearList()


def _near_entries() -> NearEntries:
    entries = Takedown.objects.filter(kind=TakedownKind.NEAR).order_by()
    now = entries.aggregate(n=Count("pk"), last=Max("pk"), at=Max("created_at"))
    state = (now["n"], now["last"], now["at"])
    if state != _near_list.state:
        fresh = NearEntries()
        fresh.add([(pk, value, bits or 0) for pk, value, bits in entries.values_list("pk", "value", "distance_bits")])
        _near_list.entries, _near_list.state = fresh, state
    return _near_list.entries


def _in_parts(values: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
