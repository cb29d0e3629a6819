"""The page on which people decide which look-alikes stay: one group at a time, by keys or by mouse."""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Prefetch, Subquery, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from datasets import duplicate_scan, queries, review
from datasets.access import changeable_dataset, may_change_rules, visible_dataset
from datasets.counting import EXACT_UP_TO, CountUpTo
from datasets.decisions import InvalidDecision
from datasets.models import Dataset, Decision, DuplicateGroup, DuplicateMember, DuplicateScan, Image, Likeness, Verdict
from datasets.review import GroupFilter

#: Groups listed below the one in hand, and decisions that can be taken back by name.
_LISTED = 10
_SHOWN_DECISIONS = 5

#: Labels, and sources, that groups can be filtered by, and the groups in which they are looked for.
_CHOICES = 200
_GROUPS_LOOKED_AT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One image of a group, with what sets it apart; `best` names the facts in which it leads."""

    member: DuplicateMember
    image: Image
    site: str
    is_suggested: bool
    is_ticked: bool
    best: frozenset[str]


@require_GET
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    """The first group that is not decided, or why there is none."""
    dataset = visible_dataset(request, slug)
    scan = review.current_scan(dataset)
    first = review.groups_of(scan, _filter(request), undecided=True).first() if scan else None
    if first is not None:
        return redirect(_address(request, dataset, first.position))
    return render(request, "datasets/duplicates.html", _context(request, dataset, scan))


@require_GET
def group(request: HttpRequest, slug: str, position: int) -> HttpResponse:
    dataset = visible_dataset(request, slug)
    scan, found = _group(dataset, position)
    listed = list(
        review.groups_of(scan, _filter(request), undecided=True)
        .filter(position__gte=position)
        .select_related("keeper")[:_LISTED]
    )
    with_images = DuplicateMember.objects.order_by("pk").select_related("image")
    prefetch_related_objects([found, *listed], Prefetch("members", queryset=with_images))
    context = _context(request, dataset, scan, newer=found.newer) | _place(request, dataset, scan, position, listed)
    context |= {
        "group": found,
        "choices": choices_of(found, dataset),
        "listed": [_line(request, dataset, row) for row in listed],
    }
    return render(request, "datasets/duplicates.html", context)


@require_POST
def decide(request: HttpRequest, slug: str, position: int) -> HttpResponse:
    """Keeps the images that are ticked, or all, and goes on to the next group."""
    dataset = changeable_dataset(request, slug)
    scan, found = _group(dataset, position)
    keep = [int(value) for value in request.POST.getlist("keep") if value.isdecimal()]
    if "all" in request.POST:
        keep = list(found.members.values_list("image_id", flat=True))
    try:
        review.decide_group(found, keep=keep, by=cast(User, request.user))
    except InvalidDecision as refusal:
        messages.warning(request, str(refusal))
        return redirect(_address(request, dataset, found.position))
    return redirect(_next(request, dataset, scan, position) or reverse("dataset-duplicates", args=[slug]))


@require_POST
def undo(request: HttpRequest, slug: str) -> HttpResponse:
    """Takes a decision back: the one that a button names, or the last of this person."""
    dataset = changeable_dataset(request, slug)
    user = cast(User, request.user)
    named = request.POST.get("decision", "")
    decision = (
        get_object_or_404(Decision, pk=named, dataset=dataset) if named.isdecimal() else review.last_of(user, dataset)
    )
    if decision is None:
        messages.warning(request, "There is nothing of yours to take back.")
        return redirect("dataset-duplicates", slug=slug)
    try:
        review.undo(decision, by=user)
        messages.success(request, f"Taken back: {decision.words}.")
    except InvalidDecision as refusal:
        messages.warning(request, str(refusal))
    scan = review.current_scan(dataset)
    image = decision.images.first()
    again = scan.groups.filter(members__image=image.image_id).first() if scan and image else None
    return redirect(_address(request, dataset, again.position) if again else reverse("dataset-duplicates", args=[slug]))


@require_POST
def take_all(request: HttpRequest, slug: str) -> HttpResponse:
    """Takes the suggestion in all groups that are not decided and whose images have one label."""
    dataset = changeable_dataset(request, slug)
    scan = review.current_scan(dataset)
    try:
        if scan is None:
            raise InvalidDecision("The dataset has not been searched for duplicates yet.")
        decision = review.take_suggestions(scan, by=cast(User, request.user))
        messages.success(request, f"{decision.words}. “Undo” takes it back.")
    except InvalidDecision as refusal:
        messages.warning(request, str(refusal))
    return redirect("dataset-duplicates", slug=slug)


@require_POST
def empty(request: HttpRequest, slug: str) -> HttpResponse:
    """Removes excluded images for good."""
    dataset = changeable_dataset(request, slug)
    removed = review.empty(dataset, by=cast(User, request.user))
    messages.success(request, f"{removed:,} excluded images were removed for good.")
    return redirect("dataset-duplicates", slug=slug)


def choices_of(found: DuplicateGroup, dataset: Dataset) -> list[Choice]:
    """The images of a group, the suggestion first, each with the facts in which it is better than another."""
    members = list(found.members.all())
    for member in members:
        member.image.dataset = dataset
    facts = [_facts(member.image) for member in members]
    is_undecided = all(not member.image.review for member in members)
    return [
        Choice(
            member=member,
            image=member.image,
            site=urlsplit(member.image.page_url or member.image.url).hostname or "",
            is_suggested=member.likeness == Likeness.KEEPER,
            is_ticked=member.likeness == Likeness.KEEPER if is_undecided else member.image.review != Verdict.EXCLUDED,
            best=frozenset(
                name
                for name, value in own.items()
                if value == max(other[name] for other in facts) and value > min(other[name] for other in facts)
            ),
        )
        for member, own in zip(members, facts, strict=True)
    ]


def _facts(image: Image) -> dict[str, float]:
    """What is compared, the more the better."""
    return {
        "size": image.width_px * image.height_px,
        "file": image.size_bytes,
        "sharpness": image.blurry_score or 0.0,
        "licence": image.licence_code not in ("", "unknown"),
    }


def _context(
    request: HttpRequest, dataset: Dataset, scan: DuplicateScan | None, *, newer: int | None = None
) -> dict[str, Any]:
    """`newer` is how many images came after the search, where that is known."""
    if newer is None:
        newer = dataset.images.filter(pk__gt=scan.last_image_id)[: EXACT_UP_TO + 1].count() if scan else 0
    suggested = _suggested(scan)
    decisions, mine = review.recent_decisions(dataset, cast(User, request.user), _SHOWN_DECISIONS)
    head, pairs = queries.head(dataset), _labels_and_sources(scan)
    return {
        "dataset": dataset,
        "head": head,
        "scan": scan,
        "may_change": may_change_rules(request, dataset),
        "filters": _filter(request),
        "query": _query(request),
        "labels": sorted({label for label, _ in pairs})[:_CHOICES],
        "sources": sorted({source for _, source in pairs})[:_CHOICES],
        "left": head.undecided,
        **suggested,
        "decisions": decisions,
        "mine": mine,
        "newer": newer,
    }


def _suggested(scan: DuplicateScan | None) -> dict[str, int]:
    """Groups whose suggestion may be taken unseen, and the images that would be excluded; one query."""
    if scan is None:
        return {"suggestible": 0, "suggestible_images": 0}
    groups = review.suggestible(scan)
    members = DuplicateMember.objects.exclude(likeness=Likeness.KEEPER).filter(group__in=groups.order_by())
    asked = {"suggestible": CountUpTo(groups), "suggestible_images": CountUpTo(members)}
    return cast(dict[str, int], DuplicateScan.objects.filter(pk=scan.pk).values(**asked).get())


def _labels_and_sources(scan: DuplicateScan | None) -> list[tuple[str, str]]:
    """What groups can be filtered by: of the first groups, since all of them may be many."""
    if scan is None:
        return []
    first = DuplicateMember.objects.order_by().filter(group__scan=scan, group__position__lte=_GROUPS_LOOKED_AT)
    return list(first.values_list("label", "source").distinct())


def _line(request: HttpRequest, dataset: Dataset, found: DuplicateGroup) -> dict[str, Any]:
    """A group in the list of those that are not decided, with what is suggested."""
    members = list(found.members.all())
    bits = [member.phash_bits for member in members if member.likeness != Likeness.KEEPER]
    return {
        "group": found,
        "labels": sorted({member.label for member in members}),
        "count": len(members),
        "bits": (min(bits, default=0), max(bits, default=0)),
        "address": _address(request, dataset, found.position),
    }


def _group(dataset: Dataset, position: int) -> tuple[DuplicateScan, Any]:
    """The group, with how many images are `newer` than its search."""
    members = DuplicateMember.objects.filter(group=OuterRef("pk"))
    newest = duplicate_scan.completed().filter(dataset=dataset).values("pk")[:1]
    groups = DuplicateGroup.objects.filter(Exists(members), scan=Subquery(newest), position=position)
    later = Image.objects.filter(dataset=dataset, pk__gt=OuterRef("scan__last_image_id"))
    found = groups.select_related("scan__dataset").annotate(newer=CountUpTo(later)).first()
    if found is None:
        raise Http404("There is no such group any more: the dataset was searched again.")
    return found.scan, found


def _place(
    request: HttpRequest, dataset: Dataset, scan: DuplicateScan, position: int, listed: list[DuplicateGroup]
) -> dict[str, Any]:
    """Where the group stands among those that are shown, and which ones lie around it; `listed` begins with it."""
    found = review.standing(scan, position, _filter(request))
    following = next((row.position for row in listed if row.position > position), None)
    skip = following or found.first
    return {
        "place": found.place,
        "total": found.total,
        "decided": found.decided,
        "back": _address(request, dataset, found.before) if found.before else "",
        "skip": _address(request, dataset, skip) if skip else "",
    }


def _next(request: HttpRequest, dataset: Dataset, scan: DuplicateScan, position: int) -> str:
    """The address of the next group that is not decided, from the start again behind the last; "": none is left."""
    left = review.groups_of(scan, _filter(request), undecided=True)
    found = left.filter(position__gt=position).first() or left.exclude(position=position).first()
    return _address(request, dataset, found.position) if found else ""


def _address(request: HttpRequest, dataset: Dataset, position: int) -> str:
    query = _query(request)
    path = reverse("duplicate-group", args=[dataset.slug, position])
    return f"{path}?{query}" if query else path


def _filter(request: HttpRequest) -> GroupFilter:
    return GroupFilter(*(request.GET.get(name, "").replace("\x00", "")[:200] for name in GroupFilter._fields))


def _query(request: HttpRequest) -> str:
    return urlencode({name: value for name, value in _filter(request)._asdict().items() if value})
