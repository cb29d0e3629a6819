"""What all decisions of people about images have in common: a row that can be taken back, and an entry of the trail."""

from collections.abc import Iterable
from itertools import islice

from django.contrib.auth.models import User

from datasets import audit
from datasets.audit_models import Verb
from datasets.models import Dataset, Decision

#: Images written in one transaction.
IMAGES_AT_ONCE = 1_000


class InvalidDecision(ValueError):
    """What cannot be decided like this; the message says why and what to do."""


def decided(dataset: Dataset, words: str, by: User | None) -> Decision:
    """Notes the decision; what it does to images is the caller's."""
    audit.record(by, Verb.DECIDED, words, dataset=dataset)
    return Decision.objects.create(dataset=dataset, words=words, made_by=by)


def in_parts(ids: Iterable[int], size: int) -> Iterable[list[int]]:
    rest = iter(ids)
    while part := list(islice(rest, size)):
        yield part
