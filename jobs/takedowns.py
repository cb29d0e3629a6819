"""Takedowns: what is asked to be left out is removed from every dataset, and never fetched or kept again."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q

from datasets import takedowns
from datasets.models import Dataset, Image
from datasets.outcomes import Reason
from datasets.services import NewImage
from datasets.takedown_models import Takedown, TakedownKind
from datasets.takedowns import NearEntries, Stored, key_of
from jobs.crawl import scopes
from jobs.crawl.text import clean
from jobs.crawl.types import Refusal
from jobs.crawl.urls import InvalidUrl, url_key
from jobs.look_models import LookThumbnail
from jobs.models import Finding

DEFAULT_DISTANCE_BITS = 6
MAX_DISTANCE_BITS = 16

_MAX_WHY_LENGTH = 1000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PHASH = re.compile(r"[0-9a-f]{16}")

#: With more hosts than this every image's address is read, else only those that name one of them.
_NARROWED_HOSTS = 20
_ROWS_AT_ONCE = 2_000


class InvalidTakedown(ValueError):
    """An entry that cannot be made; the message says what is wrong and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is to be left out: `value` in the one spelling in which it is looked up."""

    kind: TakedownKind
    value: str
    distance_bits: int | None = None

    @property
    def key(self) -> str:
        return key_of(self.kind, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it: the entries, images removed, and pictures whose files are still there."""

    entries: tuple[Takedown, ...]
    removed_images: int
    files_left: int


def parse(kind: str, text: str, *, distance_bits: int | None = None) -> Entry:
    """An entry out of what people write. Raises InvalidTakedown."""
    if kind not in TakedownKind.values:
        raise InvalidTakedown(f"“{kind}” is none of {', '.join(TakedownKind.values)}.")
    if distance_bits is not None and (kind != TakedownKind.NEAR or not 0 <= distance_bits <= MAX_DISTANCE_BITS):
        raise InvalidTakedown(f"A distance belongs to near, and lies between 0 and {MAX_DISTANCE_BITS} bits.")
    match TakedownKind(kind):
        case TakedownKind.SHA256:
            return Entry(kind=TakedownKind.SHA256, value=_digits(text, _SHA256, "A SHA-256 has 64"))
        case TakedownKind.NEAR:
            bits = DEFAULT_DISTANCE_BITS if distance_bits is None else distance_bits
            return Entry(kind=TakedownKind.NEAR, value=_digits(text, _PHASH, "A pHash has 16"), distance_bits=bits)
        case address_kind:
            return Entry(kind=address_kind, value=_address(address_kind, text))


def add(entries: Iterable[Entry], *, why: str, by: User | None) -> Report:
    """Puts entries on the list, and removes from all datasets what they name. Raises InvalidTakedown.

    Not for callers in a transaction: see `carry_out`. An entry that is on the list already keeps its reason, and is
    carried out again: what was cut off half-way is made good by doing it once more.
    """
    return carry_out(enlist(entries, why=why, by=by))


def enlist(entries: Iterable[Entry], *, why: str, by: User | None) -> list[Takedown]:
    """The entries on the list, those made now first. From its commit on nothing of it is kept. Raises InvalidTakedown.

    A picture that another entry had removed gets an entry of its own.
    """
    why = clean(why, _MAX_WHY_LENGTH)
    if not why:
        raise InvalidTakedown("Say who asked for it, and why: it is all that is left to tell later.")
    wanted = {entry.key: entry for entry in entries}
    with transaction.atomic():
        there = takedowns.listed(wanted)
        for entry_id in there.values():
            Takedown.objects.filter(pk=entry_id, parent__isnull=False).update(parent=None, why=why, created_by=by)
        new = [
            Takedown(
                kind=entry.kind,
                value=entry.value,
                key=key,
                distance_bits=entry.distance_bits,
                why=why,
                created_by=by,
            )
            for key, entry in wanted.items()
            if key not in there
        ]
        return [
            *Takedown.objects.bulk_create(new, batch_size=_ROWS_AT_ONCE),
            *Takedown.objects.in_bulk(list(there.values())).values(),
        ]


def carry_out(entries: Sequence[Takedown]) -> Report:
    """Removes from all datasets what the entries name; runs when they are committed, in transactions of its own.

    The pictures removed are put on the list by their bytes, so that they do not come back from somewhere else.
    """
    pictures = _pictures_of(entries)
    _list_pictures(pictures, entries)
    removed = _removed_everywhere(pictures)
    _count(removed, pictures)
    files_left = takedowns.discard({stored.sha256: stored for stored in removed}.values())
    _remove_tried()
    counted = Takedown.objects.in_bulk([entry.pk for entry in entries])
    return Report(entries=tuple(counted.values()), removed_images=len(removed), files_left=files_left)


def _remove_tried() -> None:
    """Removes the thumbnails of dry runs that are left out by now."""
    rows, last = LookThumbnail.objects.order_by("pk"), 0
    while piece := list(rows.filter(pk__gt=last).values_list("pk", "url", "sha256", "phash")[:_ROWS_AT_ONCE]):
        last = piece[-1][0]
        refused = left_out([(url, sha256, phash) for _, url, sha256, phash in piece])
        gone = [pk for (pk, *_), why in zip(piece, refused, strict=True) if why]
        LookThumbnail.objects.filter(pk__in=gone).delete()


def lift(takedown: Takedown) -> None:
    """Takes an entry off the list, with the pictures that it removed: they may come again, and are not restored."""
    takedown.delete()


def refusals(urls: Iterable[str]) -> dict[str, Refusal]:
    """Which of the addresses are left out, and why. One that cannot be read is not ours to judge."""
    if takedowns.is_empty():
        return {}
    # An address has a host or three, and dozens of prefixes, which few lists hold.
    has_prefixes = Takedown.objects.filter(kind=TakedownKind.PREFIX).exists()
    keys_of = {url: keys for url in urls if (keys := list(_keys_of_address(url, with_prefixes=has_prefixes)))}
    listed = takedowns.listed({key for keys in keys_of.values() for key in keys})
    if not listed:
        return {}
    entries = {url: next((listed[key] for key in keys if key in listed), None) for url, keys in keys_of.items()}
    return {url: refusal(entry_id) for url, entry_id in entries.items() if entry_id is not None}


def refusal_of(url: str) -> Refusal | None:
    """Why an address that a redirect leads to is left out; None where it is not."""
    return refusals([url]).get(url)


def of_images(images: Sequence[NewImage]) -> dict[str, Refusal]:
    """Which of the pictures that are about to be kept are left out, by bytes, looks or address: SHA-256 -> why.

    Runs in the transaction that adds them, which holds the dataset's row: see datasets.takedowns.
    """
    by_picture = takedowns.of_pictures([(image.facts.sha256, image.facts.phash) for image in images])
    found = {sha256: refusal(entry_id) for sha256, entry_id in by_picture.items()}
    by_url = refusals(image.origin.url for image in images)
    return found | {image.facts.sha256: by_url[image.origin.url] for image in images if image.origin.url in by_url}


def left_out(pictures: Sequence[tuple[str, str, int]]) -> list[Refusal | None]:
    """For pictures (address, SHA-256, pHash) why each is left out, by address, bytes or looks."""
    by_address = refusals(url for url, _, _ in pictures)
    by_picture = takedowns.of_pictures([(sha256, phash) for _, sha256, phash in pictures])
    return [
        by_address.get(url) or (refusal(by_picture[sha256]) if sha256 in by_picture else None)
        for url, sha256, _ in pictures
    ]


def refusal(entry_id: int) -> Refusal:
    return Refusal(Reason.TAKEDOWN, f"Somebody asked for it to be left out (takedown {entry_id}).")


def _digits(text: str, pattern: re.Pattern[str], has: str) -> str:
    value = text.strip().lower()
    if not pattern.fullmatch(value):
        raise InvalidTakedown(f"{has} hexadecimal digits, as the page of the image shows it.")
    return value


def _address(kind: TakedownKind, text: str) -> str:
    text = text.strip()
    try:
        if kind is TakedownKind.HOST:
            return scopes.hosts(text if "://" in text else f"http://{text}")[0]
        return scopes.address(text)
    except InvalidUrl as error:
        raise InvalidTakedown(f"“{clean(text, 100)}” cannot be used: {error}") from None


def _keys_of_address(url: str, *, with_prefixes: bool = True) -> Iterator[str]:
    """Every key under which an address may be on the list."""
    try:
        yield key_of(TakedownKind.URL, scopes.address(url))
        yield from (key_of(TakedownKind.HOST, host) for host in scopes.hosts(url))
        if with_prefixes:
            yield from (key_of(TakedownKind.PREFIX, prefix) for prefix in scopes.prefixes(url))
    except InvalidUrl:
        return


def _pictures_of(made: Sequence[Takedown]) -> dict[str, int]:
    """The pictures in any dataset that the entries name: SHA-256 -> the entry's id."""
    pictures = {entry.value: entry.pk for entry in made if entry.kind == TakedownKind.SHA256}
    others = [entry for entry in made if entry.kind != TakedownKind.SHA256]
    if others:
        for dataset_id in list(Dataset.objects.values_list("pk", flat=True)):
            takedowns.wait_for_recordings(dataset_id)
            for sha256, entry_id in _named_in(dataset_id, others):
                pictures.setdefault(sha256, entry_id)
    return pictures


def _named_in(dataset_id: int, entries: Sequence[Takedown]) -> Iterator[tuple[str, int]]:
    yield from _by_address(dataset_id, [entry for entry in entries if entry.kind == TakedownKind.URL])
    scoped = (TakedownKind.HOST, TakedownKind.PREFIX)
    yield from _by_scope(dataset_id, [entry for entry in entries if entry.kind in scoped])
    yield from _by_looks(dataset_id, [entry for entry in entries if entry.kind == TakedownKind.NEAR])


def _by_address(dataset_id: int, entries: Sequence[Takedown]) -> Iterator[tuple[str, int]]:
    """Images of these addresses, and those that an address was found to be a duplicate of."""
    for start in range(0, len(entries), _ROWS_AT_ONCE // 4):
        some = entries[start : start + _ROWS_AT_ONCE // 4]
        by_url = {url_key(f"{scheme}://{entry.value}"): entry.pk for entry in some for scheme in ("http", "https")}
        images = Image.objects.filter(dataset_id=dataset_id, url_key__in=by_url).order_by()
        for sha256, key in images.values_list("sha256", "url_key"):
            yield sha256, by_url[key]
        findings = Finding.objects.filter(image__dataset_id=dataset_id, key__in=[f"url:{key}" for key in by_url])
        for sha256, key in findings.order_by().values_list("image__sha256", "key"):
            yield sha256, by_url[key.partition(":")[2]]


def _by_scope(dataset_id: int, entries: Sequence[Takedown]) -> Iterator[tuple[str, int]]:
    if not entries:
        return
    by_key = {entry.key: entry.pk for entry in entries}
    images = Image.objects.filter(dataset_id=dataset_id).order_by()
    hosts = {entry.value.partition("/")[0] for entry in entries}
    if len(hosts) <= _NARROWED_HOSTS and not any(host.startswith("xn--") or ".xn--" in host for host in hosts):
        named = Q()
        for host in hosts:
            named |= Q(url__icontains=host)
        images = images.filter(named)
    for sha256, url in images.values_list("sha256", "url").iterator(chunk_size=_ROWS_AT_ONCE):
        entry_id = next((by_key[key] for key in _keys_of_address(url) if key in by_key), None)
        if entry_id is not None:
            yield sha256, entry_id


def _by_looks(dataset_id: int, entries: Sequence[Takedown]) -> Iterator[tuple[str, int]]:
    if not entries:
        return
    near = NearEntries()
    near.add([(entry.pk, entry.value, entry.distance_bits or 0) for entry in entries])
    images = Image.objects.filter(dataset_id=dataset_id).order_by().values_list("sha256", "phash")
    for sha256, phash in images.iterator(chunk_size=_ROWS_AT_ONCE):
        entry_id = near.match(phash)
        if entry_id is not None:
            yield sha256, entry_id


def _list_pictures(pictures: dict[str, int], entries: Sequence[Takedown]) -> None:
    """Puts the bytes of what is going to be removed on the list, under the entries that name it."""
    parents = {entry.pk: entry for entry in entries if entry.kind != TakedownKind.SHA256}
    rows = [
        Takedown(
            kind=TakedownKind.SHA256,
            value=sha256,
            key=key_of(TakedownKind.SHA256, sha256),
            why=parent.why,
            parent=parent,
            created_by_id=parent.created_by_id,
        )
        for sha256, entry_id in pictures.items()
        if (parent := parents.get(entry_id))
    ]
    Takedown.objects.bulk_create(rows, batch_size=_ROWS_AT_ONCE, ignore_conflicts=True)


def _removed_everywhere(pictures: dict[str, int]) -> list[Stored]:
    removed: list[Stored] = []
    if not pictures:
        return removed
    for dataset_id in list(Dataset.objects.values_list("pk", flat=True)):
        removed += takedowns.remove_images(dataset_id, pictures)
    return removed


def _count(removed: Sequence[Stored], pictures: dict[str, int]) -> None:
    """Writes into the list how many images each entry removed, and each picture under it."""
    per_picture = Counter(stored.sha256 for stored in removed)
    per_entry: Counter[int] = Counter()
    for sha256, number in per_picture.items():
        per_entry[pictures[sha256]] += number
    for entry_id, number in per_entry.items():
        Takedown.objects.filter(pk=entry_id).update(removed_images=F("removed_images") + number)
    for sha256, number in per_picture.items():
        Takedown.objects.filter(value=sha256, parent__isnull=False, kind=TakedownKind.SHA256).update(
            removed_images=F("removed_images") + number
        )
