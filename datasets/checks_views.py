"""The pages of a dataset's checks, and of the threshold of one of them."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from datasets import checkup, flags, queries, services, thresholds
from datasets.access import Right, may_change_rules, require, visible_dataset
from datasets.imaging.checks import CHECKS, DEFAULT_THRESHOLDS, Check
from datasets.models import Dataset
from datasets.thresholds import Slider


@require_GET
def checks(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = visible_dataset(request, slug)
    head = queries.head(dataset)
    found = checkup.of(dataset, excluded=head.excluded)
    may_draw = bool(found.since) and may_change_rules(request, dataset)
    context = {"dataset": dataset, "head": head, "checkup": found, "may_draw": may_draw}
    return render(request, "datasets/checks.html", context)


@require_http_methods(["GET", "POST"])
def check(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Shows what a threshold would flag, and saves one; `default` takes the dataset's own away."""
    dataset = visible_dataset(request, slug)
    chosen, slider = _with_threshold(name)
    if request.method == "POST":
        require(cast(User, request.user), Right.CURATE, dataset)
        _save(request, dataset, chosen, slider)
        return redirect("dataset-check", slug=slug, name=name)
    context = _context(request, dataset, chosen, slider)
    return render(request, "datasets/check.html", {**context, "head": queries.head(dataset)})


@require_GET
def check_preview(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """The part of the page that follows the slider."""
    dataset = visible_dataset(request, slug)
    return render(request, "datasets/_threshold.html", _context(request, dataset, *_with_threshold(name)))


def _with_threshold(name: str) -> tuple[Check, Slider]:
    if name not in DEFAULT_THRESHOLDS:
        raise Http404("There is no check of that name that has a threshold.")
    return Check(name), thresholds.slider(Check(name))


def _context(request: HttpRequest, dataset: Dataset, check: Check, slider: Slider) -> dict[str, Any]:
    saved = flags.thresholds(dataset)[check]
    asked = slider.read(request.GET.get("threshold", ""))
    threshold = saved if asked is None else asked
    return {
        "dataset": dataset,
        "check": check,
        "info": CHECKS[check],
        "slider": slider,
        "threshold": threshold,
        "saved": saved,
        "default": DEFAULT_THRESHOLDS[check],
        "is_own": check in dataset.quality_thresholds,
        "preview": thresholds.preview(dataset, check, threshold),
        "may_change": may_change_rules(request, dataset),
    }


def _save(request: HttpRequest, dataset: Dataset, check: Check, slider: Slider) -> None:
    title = CHECKS[check].title
    if "default" in request.POST:
        services.set_threshold(dataset, check, None, by=cast(User, request.user))
        messages.success(request, f"{title} flags from its default again, {DEFAULT_THRESHOLDS[check]:g}.")
        return
    threshold = slider.read(request.POST.get("threshold", ""))
    if threshold is None:
        messages.warning(request, f"Not saved: a threshold of {title} lies from {slider.least:g} to {slider.most:g}.")
        return
    services.set_threshold(dataset, check, threshold, by=cast(User, request.user))
    messages.success(request, f"Saved. {title} flags from {threshold:g} in this dataset, from now on.")
