"""What people do to images that they selected in the gallery, or to the one that they look at."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from datasets import queries, review
from datasets.access import changeable_dataset
from datasets.models import Dataset, Decision, Image, Verdict
from datasets.review import InvalidDecision
from datasets.views import filters_of

#: The buttons of the gallery and of an image, and what each decides.
_VERDICTS = {"exclude": Verdict.EXCLUDED, "restore": Verdict.KEPT}

_UNDO = "“Undo” takes it back."


@require_POST
def bulk(request: HttpRequest, slug: str) -> HttpResponse:
    """Excludes or restores the ticked images, or all that match the filters of the address; back to the same view."""
    dataset = changeable_dataset(request, slug)
    try:
        decision = _decide(request, dataset, _VERDICTS.get(request.POST.get("do", ""), Verdict.EXCLUDED))
        messages.success(request, f"{decision.words}. {_UNDO}")
    except InvalidDecision as refusal:
        messages.warning(request, str(refusal))
    return redirect(f"{dataset.get_absolute_url()}?{request.GET.urlencode()}")


def _decide(request: HttpRequest, dataset: Dataset, verdict: Verdict) -> Decision:
    by = cast(User, request.user)
    if "all" in request.POST:
        return review.decide_matching(
            dataset, queries.matching(dataset, filters_of(dataset, request.GET)), verdict, by=by
        )
    ticked = {int(number) for number in request.POST.getlist("image") if number.isdecimal() and len(number) < 19}
    if not ticked:
        raise InvalidDecision("No image is selected: tick some first.")
    return review.decide_images(dataset, ticked, verdict, by=by)


@require_POST
def decide_image(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Excludes or restores one image; back to its page."""
    dataset = changeable_dataset(request, slug)
    image = get_object_or_404(Image, pk=pk, dataset=dataset)
    verdict = _VERDICTS.get(request.POST.get("do", ""), Verdict.EXCLUDED)
    review.decide_images(dataset, {image.pk}, verdict, by=cast(User, request.user))
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
