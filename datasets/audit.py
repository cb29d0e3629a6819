"""Notes who did what, in the transaction that does it."""

from django.contrib.auth.models import User
from django.db.models import QuerySet

from datasets.audit_models import AuditEntry, Verb
from datasets.models import Dataset

#: Entries on a page.
PAGE_SIZE = 50


def record(
    by: User | None, verb: Verb, words: str, *, dataset: Dataset | None = None, job_id: int | None = None
) -> None:
    """Adds an entry, such as (ann, RETRIED, "Retry asked for"). In the caller's transaction."""
    AuditEntry.objects.create(
        actor=by,
        actor_name=by.get_username() if by else "",
        verb=verb,
        dataset_name=dataset.name if dataset else "",
        job_id=job_id,
        words=words,
    )


def page(*, actor: str, verb: str, after: int | None) -> tuple[list[AuditEntry], int | None]:
    """One page of entries, newest first, and the `after` of the next page (None: this is the last)."""
    entries: QuerySet[AuditEntry] = AuditEntry.objects.order_by("-pk")
    if actor:
        entries = entries.filter(actor_name=actor)
    if verb in Verb.values:
        entries = entries.filter(verb=verb)
    if after is not None:
        entries = entries.filter(pk__lt=after)
    found = list(entries[: PAGE_SIZE + 1])
    return found[:PAGE_SIZE], found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None
