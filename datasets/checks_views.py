"""The page that tells what validations found in a dataset."""

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from datasets import queries
from datasets.models import Dataset, ValidationLevel

#: Damaged images that are listed by name.
_LISTED = 20


@require_GET
def checks(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    damaged = dataset.images.exclude(damage="").order_by("pk")
    levels = dict(dataset.images.order_by().values_list("checked_level").annotate(n=Count("pk")))
    context = {
        "dataset": dataset,
        "head": queries.head(dataset),
        "levels": [(level.label, levels.get(level.value, 0)) for level in ValidationLevel],
        "unchecked": levels.get("", 0),
        "reasons": damaged.order_by().values_list("damage").annotate(n=Count("pk")).order_by("-n", "damage"),
        "damaged": damaged[:_LISTED],
    }
    return render(request, "datasets/checks.html", context)
