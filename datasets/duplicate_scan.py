"""A search for duplicates in a whole dataset: reads what pictures are compared by, and stores the groups found.

Groups count once their scan is complete, all at one moment; until then the groups of the scan before are shown. So a
search may take its time, in many short transactions, and may be killed at any point.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from numpy.typing import NDArray

from datasets import numbers
from datasets.duplicates import COMBINED_MAX_BITS
from datasets.grouping import Group, Images, Prints
from datasets.imaging.hashing import TURNS
from datasets.models import Dataset, DuplicateGroup, DuplicateMember, DuplicateScan, Image, Likeness, Verdict
from datasets.rows import update_rows

_ROWS_PER_READ = 10_000
_GROUPS_PER_DELETE = 500

#: A scan that was begun so long ago and is not complete was left behind by a job that is gone.
_ABANDONED_AFTER = timedelta(days=1)

_COMPARED = (
    "pk", "phash", "dhash", "pixel_hash", "licence_code", "width_px", "height_px", "blurry_score", "size_bytes",
)  # fmt: skip


def read_images(dataset: Dataset, *, last_id: int) -> Images:
    """What the dataset's sound images are compared by, up to an id; what people excluded is left out.

    About 100 bytes per image, and 112 more where mirrored and turned pictures count.
    """
    rows = Image.objects.order_by("pk").filter(dataset=dataset, pk__lte=last_id, damage="")
    rows = rows.exclude(review=Verdict.EXCLUDED)
    names = (*_COMPARED, "turned_hashes") if dataset.match_turned else _COMPARED
    parts = [_columns(page) for page in _pages(rows.values_list(*names))]
    ids, phashes, dhashes, pixel_hashes, licences, pixels, sharpness, sizes, *turned = (
        np.concatenate([part[column] for part in parts]) if parts else empty
        for column, empty in enumerate(_columns([]) if not parts else parts[0])
    )
    variants = [(turned[0][:, 2 * turn], turned[0][:, 2 * turn + 1]) for turn in range(len(TURNS))] if turned else []
    return Images(
        ids=ids,
        prints=Prints(phashes=phashes, dhashes=dhashes, pixel_hashes=pixel_hashes, variants=tuple(variants)),
        is_licence_known=licences,
        pixels=pixels,
        sharpness=sharpness,
        sizes_bytes=sizes,
    )


def begin(dataset: Dataset, *, job_id: int) -> DuplicateScan:
    """Starts a scan; what an earlier attempt of the same job left is removed."""
    abandoned = DuplicateScan.objects.filter(dataset=dataset, completed_at__isnull=True)
    for scan in (*abandoned.filter(job_id=job_id), *abandoned.filter(started_at__lt=Now() - _ABANDONED_AFTER)):
        _remove(scan)
    return DuplicateScan.objects.create(
        dataset=dataset, job_id=job_id, max_bits=dataset.near_duplicate_bits, with_turned=dataset.match_turned
    )


def add_groups(scan: DuplicateScan, groups: Sequence[Group]) -> dict[int, str]:
    """Stores groups; gives what is said of each image that is not the keeper, by its id. In the caller's transaction.

    Images that were removed meanwhile are left out.
    """
    numbers.changed(scan.dataset_id)
    ids = [image_id for group in groups for image_id in (group.keeper_id, *(member.id for member in group.members))]
    known = Image.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    facts = {row[0]: row for row in known.values_list("pk", "label", "review", "phash", "dhash", "source")}
    first = scan.group_count + 1
    told: dict[int, str] = {}
    rows: list[DuplicateGroup] = []
    members: list[DuplicateMember] = []
    for group in groups:
        there = [member for member in group.members if member.id in facts]
        if group.keeper_id not in facts or not there:
            continue
        in_group = [facts[group.keeper_id], *(facts[member.id] for member in there)]
        row = DuplicateGroup(
            scan=scan,
            position=first + len(rows),
            keeper_id=group.keeper_id,
            why=group.reason,
            differs_in_label=len({label for _, label, *_ in in_group}) > 1,
            decided_at=Now() if all(review for _, _, review, *_ in in_group) else None,
        )
        rows.append(row)
        members.append(_member(row, facts[group.keeper_id], Likeness.KEEPER, (0, 0)))
        for member in there:
            likeness = _likeness(member.kind, facts[group.keeper_id], facts[member.id], scan.max_bits)
            bits = (member.phash_bits, member.dhash_bits)
            members.append(_member(row, facts[member.id], likeness, bits))
            told[member.id] = _words(likeness, group.keeper_id, bits)
    DuplicateGroup.objects.bulk_create(rows)
    DuplicateMember.objects.bulk_create(members)
    _flag(members)
    scan.group_count += len(rows)
    DuplicateScan.objects.filter(pk=scan.pk).update(group_count=scan.group_count)
    return told


def complete(scan: DuplicateScan, *, image_count: int, last_id: int) -> None:
    """From now on the scan's groups count; flags of pictures that are in none are taken away.

    Runs in the caller's transaction.
    """
    numbers.changed(scan.dataset_id)
    in_scan = DuplicateMember.objects.filter(image=OuterRef("pk"), group__scan=scan)
    flagged = Image.objects.filter(dataset_id=scan.dataset_id, near_duplicate_of__isnull=False, pk__lte=last_id)
    flagged.filter(~Exists(in_scan)).update(near_duplicate_of=None, near_distance_bits=None)
    DuplicateScan.objects.filter(pk=scan.pk).update(completed_at=Now(), image_count=image_count, last_image_id=last_id)


def remove_superseded(scan: DuplicateScan) -> None:
    """Removes the complete scans before this one, in short transactions."""
    for older in DuplicateScan.objects.filter(dataset_id=scan.dataset_id, completed_at__isnull=False, pk__lt=scan.pk):
        _remove(older)


def current(dataset: Dataset) -> DuplicateScan | None:
    """The scan whose groups count."""
    return completed().filter(dataset=dataset).first()


def completed() -> QuerySet[DuplicateScan]:
    """Every search that came to its end, the newest first: of a dataset, the first one's groups count."""
    return DuplicateScan.objects.filter(completed_at__isnull=False).order_by("-completed_at", "-pk")


def _pages(rows: Any) -> Iterator[list[tuple[Any, ...]]]:
    last = 0
    while page := list(rows.filter(pk__gt=last)[:_ROWS_PER_READ]):
        last = page[-1][0]
        yield page


def _columns(page: Sequence[tuple[Any, ...]]) -> list[NDArray[Any]]:
    """The columns of Images, out of rows of _COMPARED."""
    ids, phashes, dhashes, pixel_hashes, licences, widths, heights, sharpness, sizes, *turned = (
        zip(*page, strict=True) if page else [()] * len(_COMPARED)
    )
    columns: list[NDArray[Any]] = [
        np.array(ids, np.int64),
        np.array(phashes, np.int64),
        np.array(dhashes, np.int64),
        np.array(pixel_hashes, "S32"),
        np.array([licence not in ("", "unknown") for licence in licences], np.bool_),
        np.array(widths, np.int64) * np.array(heights, np.int64),
        np.array([np.nan if score is None else score for score in sharpness], np.float64),
        np.array(sizes, np.int64),
    ]
    if turned:
        columns.append(np.stack([_turned(hashes, row) for hashes, row in zip(turned[0], page, strict=True)]))
    return columns


def _turned(hashes: bytes | None, row: tuple[Any, ...]) -> NDArray[np.int64]:
    """pHash and dHash of each turned form in turn; of a picture that no validation has turned yet, its own."""
    if hashes and len(hashes) == 16 * len(TURNS):
        return np.frombuffer(bytes(hashes), "<i8").astype(np.int64)
    return np.array([row[1], row[2]] * len(TURNS), np.int64)


def pack_turned(hashes: Sequence[tuple[int, int]]) -> bytes:
    """The turned forms' hashes as Image.turned_hashes stores them."""
    return np.array(hashes, "<i8").tobytes()


def _member(
    group: DuplicateGroup, facts: tuple[Any, ...], likeness: Likeness, bits: tuple[int, int]
) -> DuplicateMember:
    return DuplicateMember(
        group=group,
        image_id=facts[0],
        likeness=likeness,
        label=facts[1],
        source=facts[-1],
        phash_bits=bits[0],
        dhash_bits=bits[1],
    )


def _likeness(kind: str, keeper: tuple[Any, ...], member: tuple[Any, ...], max_bits: int) -> Likeness:
    if kind == "pixel":
        return Likeness.PIXELS
    phash_bits = ((keeper[3] ^ member[3]) & (2**64 - 1)).bit_count()
    dhash_bits = ((keeper[4] ^ member[4]) & (2**64 - 1)).bit_count()
    is_near = phash_bits <= max_bits and phash_bits + dhash_bits <= COMBINED_MAX_BITS
    return Likeness.NEAR if is_near else Likeness.TURNED


def _words(likeness: Likeness, keeper_id: int, bits: tuple[int, int]) -> str:
    if likeness == Likeness.PIXELS:
        return f"The same pixels as image {keeper_id}."
    turned = ", mirrored or turned" if likeness == Likeness.TURNED else ""
    return f"Looks like image {keeper_id}{turned}: {bits[0]} of 64 bits apart."


def _flag(members: Sequence[DuplicateMember]) -> None:
    """Writes on the images what they look like, for the gallery; keepers look like nothing else."""
    keepers = {member.group.position: member.image_id for member in members if member.likeness == Likeness.KEEPER}
    rows = []
    for member in members:
        is_keeper = member.likeness == Likeness.KEEPER
        values = {
            "near_duplicate_of": None if is_keeper else keepers[member.group.position],
            "near_distance_bits": None if is_keeper else member.phash_bits,
        }
        rows.append((member.image_id, values))
    update_rows(Image, ("near_duplicate_of", "near_distance_bits"), rows)


def _remove(scan: DuplicateScan) -> None:
    groups = DuplicateGroup.objects.filter(scan=scan)
    while groups.filter(pk__in=groups.order_by("pk").values("pk")[:_GROUPS_PER_DELETE]).delete()[0]:
        pass
    scan.delete()
