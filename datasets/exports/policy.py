"""Which pictures the use that is planned lets into an export, and why the others stay out.

A rule of thumb for people who read licences, no legal advice: it knows the licences that the sources name, and takes
every licence that it does not know, and every word on machine use that it does not know, for the stricter case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from datasets.licences import known_licence


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
