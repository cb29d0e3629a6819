"""Keys that operators entered for sources, and terms that they confirmed: what pages, the admin and the command do.

A key is read only for the code that asks the source (`stored`, by jobs.credentials). Nothing else ever shows it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from datasets import audit
from datasets.access import Right, require
from datasets.audit_models import Verb
from jobs.crawl.redaction import SHORTEST_KEY, remember
from jobs.sealing import Unreadable, resealed, seal, unseal
from jobs.source_models import SourceKey, SourceTerms

log = logging.getLogger(__name__)

LONGEST_KEY = 1_000


class InvalidKey(Exception):
    """A key cannot be taken, or there is none; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """That a key is stored, and by whom; never the key."""

    source: str
    name: str
    set_by: str
    set_at: datetime
    is_readable: bool


def checked(secret: str) -> str:
    """The key without what a clipboard puts around it, which this process hides from now on. Raises InvalidKey."""
    secret = secret.strip()
    if not SHORTEST_KEY <= len(secret) <= LONGEST_KEY or not secret.isprintable() or any(map(str.isspace, secret)):
        raise InvalidKey(
            f"A key has {SHORTEST_KEY} to {LONGEST_KEY:,} characters and no blanks. Copy it from the service's page "
            "again, without anything around it."
        )
    remember(secret)
    return secret


def set_key(source: str, name: str, secret: str, *, by: User | None) -> SourceKey:
    """Stores a key in place of the one before. Raises NotAllowed and InvalidKey."""
    require(by, Right.SOURCE_KEYS)
    secret = checked(secret)
    with transaction.atomic():
        key, _ = SourceKey.objects.update_or_create(
            source=source,
            name=name,
            defaults={"sealed": seal(secret), "set_by": by, "set_by_name": by.get_username() if by else ""},
        )
        audit.record(by, Verb.RULED, f"The key “{name}” of the source {source} was entered.")
    return key


def remove_key(source: str, name: str, *, by: User | None) -> None:
    """Takes a stored key away. Raises NotAllowed, and InvalidKey where there is none."""
    require(by, Right.SOURCE_KEYS)
    with transaction.atomic():
        if not SourceKey.objects.filter(source=source, name=name).delete()[0]:
            raise InvalidKey(f"No key “{name}” of the source {source} is stored.")
        audit.record(by, Verb.RULED, f"The key “{name}” of the source {source} was removed.")


def confirm_terms(source: str, *, terms_url: str, by: User | None) -> SourceTerms:
    """Notes that somebody confirmed a source's terms for this installation; once is enough. Raises NotAllowed."""
    require(by, Right.SOURCE_KEYS)
    with transaction.atomic():
        terms, is_new = SourceTerms.objects.get_or_create(
            source=source,
            defaults={
                "terms_url": terms_url,
                "confirmed_by": by,
                "confirmed_by_name": by.get_username() if by else "",
            },
        )
        if is_new:
            audit.record(by, Verb.RULED, f"The terms of the source {source} were confirmed ({terms_url}).")
    return terms


def withdraw_terms(source: str, *, by: User | None) -> None:
    """Turns a source off that needs its terms confirmed. Raises NotAllowed."""
    require(by, Right.SOURCE_KEYS)
    with transaction.atomic():
        if SourceTerms.objects.filter(source=source).delete()[0]:
            audit.record(by, Verb.RULED, f"The confirmation of the terms of the source {source} was withdrawn.")


def stored(source: str) -> dict[str, str]:
    """The source's keys as they were entered, by name, for whoever asks the source.

    A key that cannot be read is as good as none: the doctor and the page of sources say so.
    """
    found = {}
    for name, sealed in SourceKey.objects.filter(source=source).values_list("name", "sealed"):
        try:
            found[name] = unseal(sealed)
        except Unreadable:
            log.warning("The key “%s” of the source %s cannot be read: SECRET_KEY has changed since.", name, source)
            continue
        remember(found[name])
    return found


def states() -> list[KeyState]:
    """Every stored key, without the key."""
    return [
        KeyState(
            source=key.source,
            name=key.name,
            set_by=key.set_by_name or "the command line",
            set_at=key.set_at,
            is_readable=is_readable(key),
        )
        for key in SourceKey.objects.all()
    ]


def reseal_all() -> tuple[int, Sequence[str]]:
    """Encrypts every key anew with SECRET_KEY; gives how many, and the names of those that cannot be read."""
    done, lost = 0, []
    with transaction.atomic():
        for key in SourceKey.objects.select_for_update(no_key=True):
            try:
                sealed = resealed(key.sealed)
            except Unreadable:
                lost.append(str(key))
                continue
            # The moment at which it was entered stays.
            done += SourceKey.objects.filter(pk=key.pk).update(sealed=sealed)
    return done, lost


def confirmed() -> dict[str, SourceTerms]:
    """The confirmations of terms, by source."""
    return {terms.source: terms for terms in SourceTerms.objects.all()}


def is_readable(key: SourceKey) -> bool:
    """Whether the key can still be decrypted."""
    try:
        unseal(key.sealed)
    except Unreadable:
        return False
    return True
