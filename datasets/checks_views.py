"""The page of a dataset's checks."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from datasets import queries
from datasets.models import Dataset


@require_GET
def checks(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    return render(request, "datasets/checks.html", {"dataset": dataset, "head": queries.head(dataset)})
