"""Who may change what of a dataset."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest

from datasets.models import Dataset


def may_change_rules(request: HttpRequest, dataset: Dataset) -> bool:
    """Who made the dataset, and operators."""
    user = cast(User, request.user)
    return user == dataset.created_by or user.has_perm("datasets.change_dataset")
