"""Foreign text, cleaned at the door: what strangers wrote becomes harmless before it is stored or shown."""

import unicodedata

from jobs.crawl.urls import BIDI, InvalidUrl, normalise

#: Far more than any field holds: what lies behind is not even looked at.
_LOOKED_AT = 4


def clean(text: object, max_length: int) -> str:
    """`text` in NFC, without control characters, lone surrogates and bidi overrides, white space collapsed, cut.

    Anything but text is "".
    """
    if not isinstance(text, str):
        return ""
    text = text[: max_length * _LOOKED_AT]
    if text.isascii() and text.isprintable():
        # Nothing to clean, as in nearly every line of a long list.
        return " ".join(text.split())[:max_length].rstrip()
    kept = "".join(_harmless(character) for character in text)
    return " ".join(unicodedata.normalize("NFC", kept).split())[:max_length].rstrip()


def clean_link(url: object) -> str:
    """A link that may stand on a page, as it was given: http or https, and nothing hidden in it; else ""."""
    if not isinstance(url, str):
        return ""
    url = url.strip()
    try:
        normalise(url)
    except InvalidUrl:
        return ""
    return url if BIDI.isdisjoint(url) else ""


def _harmless(character: str) -> str:
    if character.isspace():
        return " "
    return "" if character in BIDI or unicodedata.category(character) in {"Cc", "Cs"} else character
