"""Who may change what of a dataset."""

from typing import cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from datasets.models import Dataset


def may_change_rules(request: HttpRequest, dataset: Dataset) -> bool:
    """Who made the dataset, and operators."""
    user = cast(User, request.user)
    return user == dataset.created_by or user.has_perm("datasets.change_dataset")


def changeable_dataset(request: HttpRequest, slug: str) -> Dataset:
    """The dataset, for somebody who may change it. Raises Http404 and PermissionDenied."""
    dataset = get_object_or_404(Dataset, slug=slug)
    if not may_change_rules(request, dataset):
        raise PermissionDenied
    return dataset
