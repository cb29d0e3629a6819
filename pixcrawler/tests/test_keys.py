"""The page of all keys tells every key that a template has, and no other."""

import re
from pathlib import Path

from django.conf import settings

from pixcrawler.keys import KEYS

#: Keys that scripts handle, without an element of their own; digits are written by a loop.
_OF_SCRIPTS = {"Arrows", "Space", "Shift Arrows", "1–9"}


def keys_of_templates() -> set[str]:
    folder = Path(settings.BASE_DIR, "templates")
    found = {key for path in folder.rglob("*.html") for key in re.findall(r'data-key="([^"]+)"', path.read_text())}
    return {key for key in found if "{" not in key}


def test_every_key_is_told_and_every_key_told_exists() -> None:
    told = {key for keys in KEYS.values() for key, _ in keys}
    # Enter opens a focused link by itself.
    assert told - _OF_SCRIPTS - {"Enter"} == keys_of_templates() - {"Enter"}
    assert "Enter" in told
