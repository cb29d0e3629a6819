"""What people decide of images: to keep them or to leave them out. Every stroke is a row, and can be taken back.

An image's `review` is the verdict of the last decision about it that stands. Excluded images stay on disk until
somebody empties them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now

from datasets import audit, duplicate_scan, numbers, relabel, takedowns
from datasets.access import Right, require
from datasets.audit_models import Verb
from datasets.counting import EXACT_UP_TO, number_of
from datasets.decisions import IMAGES_AT_ONCE, InvalidDecision, decided, in_parts
from datasets.models import (
    Dataset,
    DecidedImage,
    Decision,
    DuplicateGroup,
    DuplicateMember,
    DuplicateScan,
    Image,
    Likeness,
    Verdict,
)

#: Groups decided in one transaction.
_GROUPS = 200


def decide_group(group: DuplicateGroup, *, keep: Collection[int], by: User | None) -> Decision:
    """Keeps these images of the group and excludes the others. Raises InvalidDecision, NotAllowed."""
    require(by, Right.CURATE, group.scan.dataset)
    with transaction.atomic():
        members = set(group.members.values_list("image_id", flat=True))
        kept = members & set(keep)
        if not kept:
            raise InvalidDecision("Keep at least one image of the group: tick it, or keep all.")
        excluded = members - kept
        words = f"Group {group.position}: kept {len(kept)}, excluded {len(excluded)}"
        decision = decided(group.scan.dataset, words, by)
        _judge(decision, {**dict.fromkeys(kept, Verdict.KEPT), **dict.fromkeys(excluded, Verdict.EXCLUDED)})
    return decision


def suggestible(scan: DuplicateScan) -> QuerySet[DuplicateGroup]:
    """The undecided groups whose suggestion may be taken unseen: all their images have one label, and a keeper."""
    return scan.groups.filter(decided_at__isnull=True, differs_in_label=False, keeper__isnull=False)


def take_suggestions(scan: DuplicateScan, *, by: User | None) -> Decision:
    """Keeps the suggested image of every undecided group and excludes the others; one decision, many transactions.

    Raises InvalidDecision where there is nothing to take, and NotAllowed.
    """
    require(by, Right.CURATE, scan.dataset)
    groups = list(suggestible(scan).values_list("pk", flat=True))
    if not groups:
        raise InvalidDecision("No group is left whose suggestion could be taken: decide the others by eye.")
    words = f"Took the suggestion in {len(groups):,} groups"
    decision = decided(scan.dataset, words, by)
    for part in in_parts(groups, _GROUPS):
        members = DuplicateMember.objects.filter(group__in=part).values_list("image_id", "likeness")
        with transaction.atomic():
            _judge(
                decision,
                {
                    image_id: Verdict.KEPT if likeness == Likeness.KEEPER else Verdict.EXCLUDED
                    for image_id, likeness in members
                },
            )
    return decision


def decide_images(dataset: Dataset, image_ids: Collection[int], verdict: Verdict, *, by: User | None) -> Decision:
    """One verdict for images of the dataset. Raises InvalidDecision, NotAllowed."""
    require(by, Right.CURATE, dataset)
    there = list(Image.objects.filter(dataset=dataset, pk__in=image_ids).values_list("pk", flat=True))
    if not there:
        raise InvalidDecision("These images are not in the dataset any more.")
    with transaction.atomic():
        words = f"{verdict.label} {number_of(len(there), 'image')}"
        decision = decided(dataset, words, by)
        _judge(decision, dict.fromkeys(there, verdict))
    return decision


def decide_matching(dataset: Dataset, images: QuerySet[Image], verdict: Verdict, *, by: User | None) -> Decision:
    """One verdict for all of these images of the dataset; one decision, many transactions.

    Raises InvalidDecision, NotAllowed.
    """
    require(by, Right.CURATE, dataset)
    image_ids = list(images.order_by("pk").values_list("pk", flat=True))
    if not image_ids:
        raise InvalidDecision("No image matches any more: nothing was changed.")
    words = f"{verdict.label} {number_of(len(image_ids), 'image')} that matched"
    decision = decided(dataset, words, by)
    for part in in_parts(image_ids, IMAGES_AT_ONCE):
        with transaction.atomic():
            _judge(decision, dict.fromkeys(part, verdict))
    return decision


def undo(decision: Decision, *, by: User | None) -> None:
    """Takes a decision back: what stood before it stands again.

    Raises InvalidDecision when it is undone already, and NotAllowed.
    """
    require(by, Right.CURATE, decision.dataset)
    with transaction.atomic():
        standing = Decision.objects.filter(pk=decision.pk, undone_at__isnull=True)
        if not standing.update(undone_at=Now(), undone_by=by):
            raise InvalidDecision("Somebody has taken this decision back already.")
        audit.record(by, Verb.TOOK_BACK, f"Took back: {decision.words}", dataset=decision.dataset)
        numbers.changed(decision.dataset_id)
        images = list(decision.images.order_by("pk").values_list("image_id", flat=True))
        for part in in_parts(images, IMAGES_AT_ONCE):
            _renew(part)
        moved = list(decision.moves.order_by("pk").values_list("image_id", flat=True))
        for part in in_parts(moved, IMAGES_AT_ONCE):
            relabel.renew(part)


def last_of(user: User, dataset: Dataset) -> Decision | None:
    """The newest decision of the user that stands: what an undo takes back."""
    return Decision.objects.filter(dataset=dataset, made_by=user, undone_at__isnull=True).order_by("-pk").first()


def recent_decisions(dataset: Dataset, user: User, limit: int) -> tuple[list[Decision], Decision | None]:
    """The newest decisions, and what an undo of the user takes back; one query."""
    decisions = Decision.objects.filter(dataset=dataset).order_by("-pk")
    standing = decisions.filter(made_by=user, undone_at__isnull=True)
    # Each within a query of its own, so that both go along the index.
    chosen = Q(pk__in=decisions.values("pk")[:limit]) | Q(pk__in=standing.values("pk")[:1])
    found = list(Decision.objects.order_by("-pk").filter(chosen).select_related("made_by", "undone_by"))
    mine = next((one for one in found if one.made_by_id == user.pk and one.undone_at is None), None)
    return found[:limit], mine


def empty(dataset: Dataset, *, by: User | None) -> int:
    """Removes the excluded images for good, their files too where no dataset has them; gives how many.

    Raises NotAllowed.
    """
    require(by, Right.EMPTY, dataset)
    removed = 0
    excluded = Image.objects.order_by("pk").filter(dataset=dataset, review=Verdict.EXCLUDED)
    while sha256s := list(excluded.values_list("sha256", flat=True)[:IMAGES_AT_ONCE]):
        gone = takedowns.remove_images(dataset.pk, sha256s)
        takedowns.discard(gone)
        removed += len(gone)
    audit.record(by, Verb.DELETED, f"Removed {removed:,} excluded images for good", dataset=dataset)
    return removed


def _judge(decision: Decision, verdicts: Mapping[int, Verdict]) -> None:
    """Notes verdicts and applies them. In the caller's transaction."""
    numbers.changed(decision.dataset_id)
    # In the order of their ids, as everybody locks them.
    there = Image.objects.select_for_update(no_key=True).filter(pk__in=verdicts).order_by("pk")
    ids = list(there.values_list("pk", flat=True))
    DecidedImage.objects.bulk_create(
        DecidedImage(decision=decision, image_id=image_id, verdict=verdicts[image_id]) for image_id in ids
    )
    for verdict in Verdict:
        chosen = [image_id for image_id in ids if verdicts[image_id] == verdict]
        Image.objects.filter(pk__in=chosen).update(review=verdict)
    _settle_groups(ids)


def _renew(image_ids: Collection[int]) -> None:
    """Reads the images' verdicts again from the decisions that stand."""
    standing = DecidedImage.objects.filter(image=OuterRef("pk"), decision__undone_at__isnull=True).order_by("-pk")
    Image.objects.filter(pk__in=image_ids).update(review=Coalesce(Subquery(standing.values("verdict")[:1]), Value("")))
    _settle_groups(image_ids)


def _settle_groups(image_ids: Collection[int]) -> None:
    """A group is decided when all its images are."""
    touched = DuplicateGroup.objects.filter(members__image__in=image_ids).values("pk")
    open_members = DuplicateMember.objects.filter(group=OuterRef("pk"), image__review="")
    groups = DuplicateGroup.objects.filter(pk__in=touched)
    groups.filter(Exists(open_members)).update(decided_at=None)
    groups.filter(~Exists(open_members), decided_at__isnull=True).update(decided_at=Now())


class GroupFilter(NamedTuple):
    """Groups that have an image with this label and one from this source; "": any."""

    label: str = ""
    source: str = ""


def groups_of(
    scan: DuplicateScan, wanted: GroupFilter = GroupFilter(), *, undecided: bool = False
) -> QuerySet[DuplicateGroup]:
    """The scan's groups that the filter lets through, in order."""
    groups = scan.groups.order_by("position")
    of_group = DuplicateMember.objects.filter(group=OuterRef("pk"))
    if wanted.label:
        groups = groups.filter(Exists(of_group.filter(label=wanted.label)))
    if wanted.source:
        groups = groups.filter(Exists(of_group.filter(source=wanted.source)))
    return groups.filter(decided_at__isnull=True) if undecided else groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a group stands among those that a filter lets through; numbers end above EXACT_UP_TO.

    `before` is the position of the group before it, `first` that of the first other one that is not decided, of those
    that were counted; None: there is none.
    """

    place: int
    total: int
    decided: int
    before: int | None
    first: int | None


def standing(scan: DuplicateScan, position: int, wanted: GroupFilter) -> Standing:
    """All of it in one pass, since a filter looks at the images of every group; one query."""
    groups = groups_of(scan, wanted)
    if position > EXACT_UP_TO:
        # Positions have no gaps: only here more groups may lie before it than are counted.
        behind = groups.filter(position__lt=position).order_by("-position").values("position")
        groups = groups.filter(position__gte=Coalesce(Subquery(behind[EXACT_UP_TO : EXACT_UP_TO + 1]), 0))
    found = groups[: 2 * EXACT_UP_TO + 1].aggregate(
        place=Count("pk", filter=Q(position__lte=position)),
        total=Count("pk"),
        decided=Count("decided_at"),
        before=Max("position", filter=Q(position__lt=position)),
        first=Min("position", filter=Q(decided_at__isnull=True) & ~Q(position=position)),
    )
    return Standing(**found)


def current_scan(dataset: Dataset) -> DuplicateScan | None:
    """The search whose groups people decide on."""
    return duplicate_scan.current(dataset)
