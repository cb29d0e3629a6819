"""Which pictures the use that is planned lets into an export, and why the others stay out.

A rule of thumb for people who read licences, no legal advice: it knows the licences that the sources name, and takes
every licence that it does not know, and every word on machine use that it does not know, for the stricter case.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """What a licence lets people do with a picture. `name` is what people call it."""

    name: str
    commercial: bool
    changes: bool
    path: str
    attribution: bool = True

    def url(self, version: str) -> str:
        """The licence's own page, or "" where the version is not known."""
        return f"https://creativecommons.org/{self.path}/{version}/" if version else ""


def _creative_commons(code: str) -> Licence:
    terms = code.split("-")
    return Licence(
        name=f"CC {code.upper()}",
        commercial="nc" not in terms,
        changes="nd" not in terms,
        path=f"licenses/{code}",
    )


#: The licences that are known, by the codes that sources use (Openverse's for Creative Commons).
LICENCES: Final[Mapping[str, Licence]] = {
    **{code: _creative_commons(code) for code in ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")},
    "cc0": Licence(name="CC0", commercial=True, changes=True, attribution=False, path="publicdomain/zero"),
    "pdm": Licence(
        name="Public Domain Mark", commercial=True, changes=True, attribution=False, path="publicdomain/mark"
    ),
    "sampling+": Licence(name="CC Sampling Plus", commercial=False, changes=True, path="licenses/sampling+"),
    "nc-sampling+": Licence(name="CC NC Sampling Plus", commercial=False, changes=True, path="licenses/nc-sampling+"),
}

_ONLY_VERSIONS = {"cc0": "1.0", "pdm": "1.0", "sampling+": "1.0", "nc-sampling+": "1.0"}
_ALIASES = {"publicdomain": "pdm", "public-domain": "pdm", "pd": "pdm", "zero": "cc0", "0": "cc0"}
_VERSION = re.compile(r"[-\s]+v?(\d(?:\.\d)?)(?:[-\s][a-z]{2,3})?$")


class Rights(Protocol):
    """What the policy looks at: an image of the dataset, or of an export."""

    @property
    def licence_code(self) -> str: ...
    @property
    def ml_use(self) -> str: ...


class Obstacle(StrEnum):
    """Why a picture stays out."""

    LICENCE_UNKNOWN = "licence_unknown"
    NO_COMMERCIAL_USE = "no_commercial_use"
    NO_CHANGES = "no_changes"
    ML_RESTRICTED = "ml_restricted"


#: What each obstacle says to people, and how to have such pictures all the same.
SENTENCES: Final[Mapping[Obstacle, str]] = {
    Obstacle.LICENCE_UNKNOWN: "Nobody says under which licence it may be used. To have such pictures, allow unknown "
    "licences for this export; you then answer for their rights.",
    Obstacle.NO_COMMERCIAL_USE: "Its licence forbids commercial use. It goes into an export that is not for commerce.",
    Obstacle.NO_CHANGES: "Its licence forbids to pass on changed copies. It goes into an export that changes nothing.",
    Obstacle.ML_RESTRICTED: "Its source, site or file reserves machine learning. To have such pictures, allow "
    "restricted ones for this export, or say that no model is trained on it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the pictures are for, as their user says, and the two exceptions that somebody may take on themselves."""

    commercial_use: bool
    changes: bool
    ml_training: bool
    allow_unknown_licence: bool = False
    allow_ml_restricted: bool = False

    def obstacle(self, rights: Rights) -> Obstacle | None:
        """Why the picture stays out of the export, or None when it goes in."""
        licence = known_licence(rights.licence_code)
        if licence is None and not self.allow_unknown_licence:
            return Obstacle.LICENCE_UNKNOWN
        if licence is not None and self.commercial_use and not licence.commercial:
            return Obstacle.NO_COMMERCIAL_USE
        if licence is not None and self.changes and not licence.changes:
            return Obstacle.NO_CHANGES
        if self.ml_training and not self.allow_ml_restricted and rights.ml_use not in {"allowed", "unknown"}:
            return Obstacle.ML_RESTRICTED
        return None

    def sentences(self) -> tuple[str, ...]:
        """The policy as people read it in the files of an export."""
        return (
            "Commercial use: " + ("yes" if self.commercial_use else "no"),
            "Changed copies are passed on: " + ("yes" if self.changes else "no"),
            "Models are trained on it: " + ("yes" if self.ml_training else "no"),
            "Pictures of unknown licence: "
            + ("allowed by the person who exported" if self.allow_unknown_licence else "left out"),
            "Pictures whose machine use is restricted: "
            + (
                "allowed by the person who exported" if self.allow_ml_restricted or not self.ml_training else "left out"
            ),
        )


def known_licence(code: str) -> Licence | None:
    """The licence of a code such as "by-sa", "cc-by-4.0" or "CC BY-NC 2.0", or None where it is not known."""
    return LICENCES.get(licence_key(code))


def licence_key(code: str) -> str:
    """The code as LICENCES has it: lower case, without "CC" and without a version."""
    text = re.sub(r"[\s_]+", "-", _VERSION.sub("", code.strip().lower()))
    for prefix in ("cc-by", "cc-0", "cc-zero", "cc-pdm", "cc-sampling", "cc-nc-sampling"):
        if text.startswith(prefix):
            text = text.removeprefix("cc-")
    return _ALIASES.get(text, text)


def licence_name(code: str, version: str) -> str:
    """What people call the licence, with its version: "CC BY-SA 4.0"; the code itself where it is not known."""
    licence = known_licence(code)
    if licence is None:
        return "unknown licence" if code in {"", "unknown"} else code
    return f"{licence.name} {version}".strip()


def licence_url(code: str, version: str) -> str:
    """The page of a known licence, or ""."""
    licence = known_licence(code)
    return licence.url(_ONLY_VERSIONS.get(licence_key(code), version)) if licence else ""
