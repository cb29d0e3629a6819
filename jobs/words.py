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

#: Reason of a failed download -> what it means and what to do, for "Needs attention". A test demands all that fail.
FAILURES: Mapping[str, str] = {
    "timeout": "The sites took too long to answer. A retry often brings them.",
    "too_slow": "The sites sent too slowly. Retry later.",
    "dns_error": "The sites' names could not be resolved. Check the worker's network, then retry.",
    "connect_error": "The sites do not accept connections. Retry later.",
    "connection_reset": "The connections broke. A retry often brings them.",
    "incomplete_body": "The downloads broke off. A retry often brings them.",
    "tls_error": "The sites' certificates are not valid, so nothing was asked. A retry helps once they are.",
    "protocol_error": "The sites answered something that is not HTTP. Leave them; other sources give other pictures.",
    "headers_too_large": "The sites sent far too many headers. Leave them; a retry would get the same.",
    "bad_content_encoding": "The downloads could not be unpacked. Leave them; a retry would get the same.",
    "http_401": "The sites want a password. Leave them, or list addresses that are open to everybody.",
    "http_403": "The sites refuse. A contact in PIXCRAWLER_CONTACT helps with some.",
    "http_404": "The pictures are not there any more. A retry cannot bring them.",
    "http_410": "The sites took the pictures away for good. A retry cannot bring them.",
    "http_429": "The sites ask for patience. Retry later.",
    "http_4xx": "The sites take the requests for wrong. The addresses may be out of date; a retry would get the same.",
    "http_5xx": "The sites have trouble of their own. Retry later.",
    "http_unexpected": "The sites gave answers that mean nothing for a picture. Open an address to see what it is now.",
    "too_many_redirects": "The sites lead in circles. Open an address to see where it ends; a retry would not.",
    "bad_redirect": "The sites lead to places that are no addresses. Leave them; a retry would get the same.",
    "empty_body": "The sites sent nothing. Leave them; a retry would most likely get the same.",
    "blob_missing": "The files are not in the media folder. Fetch them again on the dataset's page of checks.",
    "quota_exceeded": "The size that the dataset may have is reached. Make room or raise it, then retry.",
    "storage_full": "The disk of the media folder is full. Free some space, then retry.",
    "storage_unavailable": "The media folder cannot be written. Check that it is mounted, then retry.",
    "internal_error": "Something unexpected broke. The chunk's page in the admin has the traceback.",
}

#: What a validation or a repair found of an image -> what it means and what to do; others are told by FAILURES.
DAMAGES: Mapping[str, str] = {
    "checksum_mismatch": "The stored bytes are not those that were kept. Fetch them again on the page of checks.",
    "size_mismatch": "The files are not as long as when they were kept. Fetch them again on the page of checks.",
    "format_mismatch": "The files are of another format than their rows say. Fetch them again, or exclude them.",
    "dimensions_mismatch": "The pictures are of another size than their rows say. Fetch them again, or exclude them.",
    "truncated": "The files end in the middle of the picture. Fetch them again, or exclude them.",
    "corrupt": "The pictures cannot be decoded. Fetch them again, or exclude them.",
    "decoder_timeout": "The pictures take too long to decode. Exclude them: training would wait for them too.",
    "decoder_crashed": "The pictures break the decoder. Exclude them: they would break other programs too.",
    "duplicate_near": "The pictures look like others of the dataset. Decide on the page of duplicates which to keep.",
    "duplicate_exact": "The pictures have the same pixels as others. Decide on the page of duplicates which to keep.",
}

#: What a label that did not get all its images means, and what to do.
GAP = (
    "The sources gave {kept:,} of {wanted:,}. Add a keyword or a source for it, or accept fewer: the dataset can be "
    "used as it is."
)


#: How pages call what was wrong with a source's last answer; each is another thing, and is mended in another way.
SOURCE_TROUBLE: Mapping[str, str] = {
    "captcha": "asks for a captcha",
    "shape_changed": "changed its shape",
    "rate_limited": "asks for patience",
    "refused": "refuses this installation",
    "unavailable": "does not answer",
}


def meaning(reason: str) -> str:
    """What a reason on a job's page means and what to do; where no more is to be said, where it is explained."""
    return FAILURES.get(reason) or DAMAGES.get(reason) or "docs/outcomes.md says what it means; nothing has to be done."
