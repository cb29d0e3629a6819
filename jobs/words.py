"""The words of the pages, where they can be read in one place."""

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.models import Kind, Status


@dataclass(frozen=True, slots=True)
class StatusWord:
    """How a status is shown: never by colour alone."""

    word: str
    icon: str
    css: str


STATUS_WORDS: Mapping[str, StatusWord] = {
    Status.PENDING: StatusWord("Waiting", "circle-dashed", ""),
    Status.PROCESSING: StatusWord("Running", "loader", "run"),
    Status.COMPLETED: StatusWord("Finished", "check", "ok"),
    Status.FAILED: StatusWord("Failed", "circle-x", "bad"),
    Status.CANCELLED: StatusWord("Cancelled", "x", ""),
}


@dataclass(frozen=True, slots=True)
class KindWords:
    """How pages call what a kind of job does: what is done to an image, and the first two of its numbers."""

    done: str
    found: str
    kept: str


KIND_WORDS: Mapping[str, KindWords] = {
    Kind.CRAWL: KindWords("kept", "Found", "Kept"),
    Kind.VALIDATE: KindWords("looked at", "Looked at", "Sound"),
    Kind.REPAIR: KindWords("tried", "Looked at", "Restored"),
    Kind.EXPORT: KindWords("written", "Listed", "Written"),
}

STORING_LIST = StatusWord("Storing the list", "loader", "run")
PAUSED = StatusWord("Paused", "clock", "warn")
CANCELLING = StatusWord("Cancelling", "loader", "warn")
WITH_GAPS = StatusWord("Finished with gaps", "triangle-alert", "warn")

#: Reason -> what it means for the reader, and what to do; for reasons that pages list under "Needs attention".
FAILURES: Mapping[str, str] = {
    "timeout": "The sites took too long to answer. A retry often brings them.",
    "too_slow": "The sites sent too slowly. Retry later.",
    "dns_error": "The sites' names could not be resolved. Check the worker's network, then retry.",
    "connect_error": "The sites do not accept connections. Retry later.",
    "connection_reset": "The connections broke. A retry often brings them.",
    "incomplete_body": "The downloads broke off. A retry often brings them.",
    "http_429": "The sites ask for patience. Retry later.",
    "http_5xx": "The sites have trouble of their own. Retry later.",
    "http_403": "The sites refuse. A contact in PIXCRAWLER_CONTACT helps with some.",
    "http_404": "The pictures are not there any more. A retry cannot bring them.",
    "storage_full": "The disk of the media folder is full. Free some space, then retry.",
    "storage_unavailable": "The media folder cannot be written. Check that it is mounted, then retry.",
    "internal_error": "Something unexpected broke. The chunk's page in the admin has the traceback.",
}

#: What a label that did not get all its images means, and what to do.
GAP = (
    "The sources gave {kept:,} of {wanted:,}. Add a keyword or a source for it, or accept fewer: the dataset can be "
    "used as it is."
)

OTHER_FAILURE = "A retry is unlikely to help. docs/outcomes.md explains the reason, and what to do."
