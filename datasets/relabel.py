"""Images move to another label, many at one stroke; every move is a decision, and can be taken back.

An image's label is that of the last move that stands, else the one it was kept under.
"""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from datasets import numbers
from datasets.access import Right, require
from datasets.counting import number_of
from datasets.decisions import IMAGES_AT_ONCE, InvalidDecision, decided, in_parts
from datasets.models import Dataset, Decision, DuplicateGroup, DuplicateMember, Image
from datasets.move_models import MovedImage

_LONGEST = Image._meta.get_field("label").max_length or 0


def label_of(text: str) -> str:
    """The label that somebody wrote, with single spaces. Raises InvalidDecision."""
    label = " ".join(text.split())
    if not label:
        raise InvalidDecision("Nothing was moved: write the label that the images should have.")
    if len(label) > _LONGEST or not label.isprintable():
        raise InvalidDecision(f"Nothing was moved: a label has at most {_LONGEST} printable characters.")
    return label


def move(dataset: Dataset, images: QuerySet[Image], text: str, *, by: User | None) -> Decision:
    """Gives these images of the dataset that label; one decision, many transactions.

    Raises InvalidDecision, NotAllowed.
    """
    require(by, Right.CURATE, dataset)
    label = label_of(text)
    others = images.filter(dataset=dataset).exclude(label=label)
    image_ids = list(others.order_by("pk").values_list("pk", flat=True))
    if not image_ids:
        raise InvalidDecision(f"Nothing was moved: all of them are labelled {label} already, or are gone.")
    # The trail keeps the words as they are; a decision has room for the longest label and the longest number.
    decision = decided(dataset, f"Moved {number_of(len(image_ids), 'image')} to {label}"[:200], by)
    for part in in_parts(image_ids, IMAGES_AT_ONCE):
        with transaction.atomic():
            numbers.changed(dataset.pk)
            there = Image.objects.select_for_update(no_key=True).filter(pk__in=part).order_by("pk")
            MovedImage.objects.bulk_create(
                MovedImage(decision=decision, image_id=pk, label_before=before, label_after=label)
                for pk, before in there.values_list("pk", "label")
            )
            Image.objects.filter(pk__in=part).update(label=label)
            _settle_groups(part)
    return decision


def renew(image_ids: Collection[int]) -> None:
    """Reads the images' labels again from the moves that stand. In the caller's transaction."""
    moves = MovedImage.objects.filter(image=OuterRef("pk"))
    standing = moves.filter(decision__undone_at__isnull=True).order_by("-pk").values("label_after")[:1]
    first = moves.order_by("pk").values("label_before")[:1]
    Image.objects.filter(pk__in=image_ids).update(label=Coalesce(Subquery(standing), Subquery(first), F("label")))
    _settle_groups(image_ids)


def _settle_groups(image_ids: Collection[int]) -> None:
    """Groups of look-alikes know the labels of their images, and whether they differ."""
    labels = Image.objects.filter(pk=OuterRef("image")).values("label")
    DuplicateMember.objects.filter(image__in=image_ids).update(label=Subquery(labels))
    touched = DuplicateGroup.objects.filter(members__image__in=image_ids).values("pk")
    groups = DuplicateGroup.objects.filter(pk__in=touched).annotate(labels=Count("members__label", distinct=True))
    for differs, pks in ((True, groups.filter(labels__gt=1)), (False, groups.filter(labels__lte=1))):
        chosen = list(pks.values_list("pk", flat=True))
        DuplicateGroup.objects.filter(pk__in=chosen).update(differs_in_label=differs)
