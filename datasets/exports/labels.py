"""The folder names of labels: safe on every file system, unique, and the same whatever other labels there are.

A label of lower-case ASCII letters, digits, blanks, "_" and "-" is its own folder. Any other gets the words of it that
are safe and twelve digits of its SHA-256: "Köln" becomes "koln-…". So does a label with a word that readers of
image folders take for a split: `datasets` would put train/test tube/1.jpg into the split "test".
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_SAFE: Final = re.compile(r"[a-z0-9](?:[a-z0-9 _-]*[a-z0-9])?")
_HASHED: Final = re.compile(r".*-[0-9a-f]{12}")
_LONGEST: Final = 60
#: Words that Hugging Face `datasets` takes for splits (datasets.data_files.SPLIT_KEYWORDS).
_SPLIT_WORDS: Final = {
    "train",
    "training",
    "validation",
    "valid",
    "dev",
    "val",
    "test",
    "testing",
    "eval",
    "evaluation",
}
#: File names that Windows keeps for devices.
_DEVICES: Final = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def folder_name(label: str) -> str:
    """The name of a label's folder in an export."""
    if _is_safe(label):
        return label
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    words = [word for word in re.findall(r"[a-z0-9]+", plain) if not _split_words(word)]
    stem = "-".join(words)[:_LONGEST].strip("-") or "label"
    return f"{stem}-{hashlib.sha256(label.encode()).hexdigest()[:12]}"


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """The folder of each label."""
    return {label: folder_name(label) for label in labels}


def _is_safe(label: str) -> bool:
    return (
        len(label) <= _LONGEST
        and _SAFE.fullmatch(label) is not None
        and _HASHED.fullmatch(label) is None
        and label not in _DEVICES
        and not _split_words(label)
    )


def _split_words(text: str) -> set[str]:
    """The words in a text that are names of splits; digits separate words, as they do for `datasets`."""
    return _SPLIT_WORDS & set(re.split(r"[^a-z]+", text))
