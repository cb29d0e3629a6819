"""The one place that takes keys of sources out of texts, before a text is logged, stored or shown.

A process knows the keys that it has used, and only a key that it has used can get into a text of its own: an error
that quotes an address, a service that repeats what it was sent, a traceback.
"""

from typing import Any
from urllib.parse import quote, quote_plus

#: What stands in place of a key.
HIDDEN = "•••"

#: Shorter than that a key is no secret, and taking it out would garble texts.
SHORTEST_KEY = 6

_known: dict[str, None] = {}


def remember(secret: str) -> None:
    """Has this process hide the secret from now on, as it is and as it stands in an address."""
    if len(secret) >= SHORTEST_KEY:
        _known.update(dict.fromkeys((secret, quote(secret, safe=""), quote_plus(secret))))


def redacted(text: str) -> str:
    """The text without any key that this process has used."""
    # The longest first: a key may be a part of another one.
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def redacted_deeply(value: Any) -> Any:
    """The same for every text inside of lists, tuples and dictionaries; anything else stays as it is."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: redacted_deeply(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(redacted_deeply(item) for item in value)
    return value
