"""Foreign text, cleaned at the door: what strangers wrote becomes harmless before it is stored or shown."""

import unicodedata
from urllib.parse import urlsplit

#: Characters that turn the direction of text around, so that a name reads as something else.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: object, max_length: int) -> str:
    """`text` in NFC, without control characters, lone surrogates and bidi overrides, white space collapsed, cut."""
    if not isinstance(text, str):
        return ""
    kept = "".join(
        " " if character.isspace() else character
        for character in text[: max_length * 4]
        if character.isspace() or (unicodedata.category(character) not in {"Cc", "Cs"} and character not in _BIDI)
    )
    return " ".join(unicodedata.normalize("NFC", kept).split())[:max_length].rstrip()


def clean_link(url: object) -> str:
    """A link that may stand on a page: http or https, without control characters; else ""."""
    if not isinstance(url, str) or len(url) > 2048 or url != clean(url, 2048):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.hostname else ""
