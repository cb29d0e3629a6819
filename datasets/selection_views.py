"""What people do to images that they selected in the gallery, or to the one that they look at."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from datasets import queries, relabel, review
from datasets.access import changeable_dataset
from datasets.decisions import InvalidDecision
from datasets.models import Dataset, Decision, Image, Verdict
from datasets.views import filters_of

#: The buttons of the gallery and of an image, and what each decides.
_VERDICTS = {"exclude": Verdict.EXCLUDED, "restore": Verdict.KEPT}

_UNDO = "“Undo” takes it back."


@require_POST
def bulk(request: HttpRequest, slug: str) -> HttpResponse:
    """Excludes, restores or moves the ticked images, or all that match the filters of the address; back to there."""
    dataset = changeable_dataset(request, slug)
    verb = request.POST.get("do", "")
    try:
        if verb == "move":
            label = request.POST.get("label", "")
            decision = relabel.move(dataset, _chosen(request, dataset), label, by=cast(User, request.user))
        else:
            decision = _decide(request, dataset, _verdict(verb))
        messages.success(request, f"{decision.words}. {_UNDO}")
    except InvalidDecision as refusal:
        messages.warning(request, str(refusal))
    return redirect(f"{dataset.get_absolute_url()}?{request.GET.urlencode()}")


def _verdict(verb: str) -> Verdict:
    """What a button decides. Raises InvalidDecision."""
    if verb not in _VERDICTS:
        raise InvalidDecision("Nothing was changed: the request names no button of this page. Load the page again.")
    return _VERDICTS[verb]


def _decide(request: HttpRequest, dataset: Dataset, verdict: Verdict) -> Decision:
    by = cast(User, request.user)
    if "all" in request.POST:
        return review.decide_matching(
            dataset, queries.matching(dataset, filters_of(dataset, request.GET)), verdict, by=by
        )
    return review.decide_images(dataset, _ticked(request), verdict, by=by)


def _chosen(request: HttpRequest, dataset: Dataset) -> QuerySet[Image]:
    """The ticked images, or all that match. Raises InvalidDecision."""
    if "all" in request.POST:
        return queries.matching(dataset, filters_of(dataset, request.GET))
    return Image.objects.filter(dataset=dataset, pk__in=_ticked(request))


def _ticked(request: HttpRequest) -> set[int]:
    """Raises InvalidDecision."""
    ticked = {int(number) for number in request.POST.getlist("image") if number.isdecimal() and len(number) < 19}
    if not ticked:
        raise InvalidDecision("No image is selected: tick some first.")
    return ticked


@require_POST
def decide_image(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Excludes, restores or moves one image; back to its page."""
    dataset = changeable_dataset(request, slug)
    image = get_object_or_404(Image, pk=pk, dataset=dataset)
    verb, by = request.POST.get("do", ""), cast(User, request.user)
    try:
        if verb == "move":
            only = Image.objects.filter(pk=image.pk)
            decision = relabel.move(dataset, only, request.POST.get("label", ""), by=by)
            messages.success(request, f"{decision.words}. “Undo” in the gallery takes it back.")
        else:
            review.decide_images(dataset, {image.pk}, _verdict(verb), by=by)
    except InvalidDecision as refusal:
        messages.warning(request, str(refusal))
    return redirect(image)


@require_POST
def undo(request: HttpRequest, slug: str) -> HttpResponse:
    """Takes back the last decision of whoever asks; back to the same view of the gallery."""
    dataset = changeable_dataset(request, slug)
    user = cast(User, request.user)
    decision = review.last_of(user, dataset)
    try:
        if decision is None:
            raise InvalidDecision("Nothing of yours is left to take back.")
        review.undo(decision, by=user)
        messages.success(request, f"Taken back: {decision.words}.")
    except InvalidDecision as refusal:
        messages.warning(request, str(refusal))
    return redirect(f"{dataset.get_absolute_url()}?{request.GET.urlencode()}")
