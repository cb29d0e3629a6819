"""Who may see a dataset, and who may do what: every door (pages, admin, commands, API) asks here.

A dataset belongs to whoever made it, who sees and curates it; others see it once it is shared. Everything else takes a
right, which people have by the groups of datasets.people. The command line (`by=None`) is the machine's operator.
"""

from enum import StrEnum
from typing import Final, cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from datasets.models import Dataset


class Right(StrEnum):
    """What people may be allowed, by the names of Django's permissions."""

    START = "jobs.add_job"
    STEER = "jobs.change_job"
    CURATE = "datasets.change_dataset"
    EMPTY = "datasets.delete_image"
    SEE_ALL = "datasets.see_all_datasets"
    AUDIT = "datasets.view_auditentry"
    SOURCE_KEYS = "jobs.change_sourcekey"


#: What a right lets people do, for the sentence that refuses it.
_WORDS: Final = {
    Right.START: "start jobs",
    Right.STEER: "retry, cancel or change jobs",
    Right.CURATE: "change or decide anything in this dataset",
    Right.EMPTY: "remove images for good",
    Right.SEE_ALL: "see datasets that are not shared",
    Right.AUDIT: "read who did what",
    Right.SOURCE_KEYS: "enter keys of sources or confirm their terms",
}

#: What whoever made a dataset may do to it without any right.
_OWNERS: Final = frozenset({Right.CURATE, Right.EMPTY})

#: What the group “administrator” has, and “operator” has not.
_ADMINISTRATORS: Final = frozenset({Right.SEE_ALL, Right.AUDIT, Right.SOURCE_KEYS})


class NotAllowed(PermissionDenied):
    """Somebody may not do this; the message says what they may ask for."""

    def __init__(self, right: Right) -> None:
        self.message = (
            f"Your account may look, but not {_WORDS[right]}. Ask an administrator to put it into the group "
            f"“{'administrator' if right in _ADMINISTRATORS else 'operator'}”."
        )
        super().__init__(self.message)


def shared_or_own(user: User | int, path: str = "") -> Q:
    """Datasets that anybody like `user` (or the user of that id) sees, reached by `path` such as "dataset__"."""
    return Q(**{f"{path}is_shared": True}) | Q(**{f"{path}created_by": user})


def seen_by(user: User, path: str = "") -> Q:
    """Datasets that the user sees, reached by `path`."""
    return Q() if user.has_perm(Right.SEE_ALL) else shared_or_own(user, path)


def visible_datasets(request: HttpRequest) -> QuerySet[Dataset]:
    """The datasets that whoever asks sees, in no order."""
    return Dataset.objects.order_by().filter(seen_by(cast(User, request.user)))


def visible_dataset(request: HttpRequest, slug: str) -> Dataset:
    """The dataset; Http404 where there is none, and where whoever asks does not see it: that it is there is told to
    nobody else."""
    return get_object_or_404(visible_datasets(request), slug=slug)


def may(by: User | None, right: Right, dataset: Dataset | None = None) -> bool:
    """Whether somebody has the right, on this dataset where one is named."""
    if by is None:
        return True
    if dataset is not None and not (dataset.is_shared or dataset.created_by_id == by.pk or by.has_perm(Right.SEE_ALL)):
        return False
    is_owner = dataset is not None and dataset.created_by_id == by.pk
    return (is_owner and right in _OWNERS) or by.has_perm(right)


def require(by: User | None, right: Right, dataset: Dataset | None = None) -> None:
    """Raises NotAllowed."""
    if not may(by, right, dataset):
        raise NotAllowed(right)


def may_change_rules(request: HttpRequest, dataset: Dataset) -> bool:
    """Who made the dataset, and operators."""
    return may(cast(User, request.user), Right.CURATE, dataset)


def changeable_dataset(request: HttpRequest, slug: str) -> Dataset:
    """The dataset, for somebody who may change it. Raises Http404 and NotAllowed."""
    dataset = visible_dataset(request, slug)
    require(cast(User, request.user), Right.CURATE, dataset)
    return dataset
