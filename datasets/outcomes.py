"""The closed list of outcomes and reasons: what can become of a candidate, and why.

`outcome_of` is the only place that says which outcome a reason leads to; docs/outcomes.md explains each to people.
Plain Python (no Django), so that the crawl and imaging stages may name reasons too.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """Every candidate that a chunk took ends in exactly one of these."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    FAILED = "failed"
    SKIPPED = "skipped"


#: Of what has a reason. Named one by one, so that what was kept is passed over along an index.
NOT_KEPT = tuple(outcome.value for outcome in Outcome if outcome is not Outcome.KEPT)


class Reason(StrEnum):
    """Why a candidate was not kept."""

    # policy
    INVALID_URL = "invalid_url"
    BLOCKED_SCHEME = "blocked_scheme"
    BLOCKED_PORT = "blocked_port"
    BLOCKED_ADDRESS = "blocked_address"
    BLOCKED_DOMAIN = "blocked_domain"
    ROBOTS_DISALLOWED = "robots_disallowed"
    OPTOUT_HEADER = "optout_header"
    TAKEDOWN = "takedown"
    LICENSE_NOT_ALLOWED = "license_not_allowed"
    # network
    DNS_ERROR = "dns_error"
    CONNECT_ERROR = "connect_error"
    TIMEOUT = "timeout"
    TOO_SLOW = "too_slow"
    TLS_ERROR = "tls_error"
    CONNECTION_RESET = "connection_reset"
    INCOMPLETE_BODY = "incomplete_body"
    PROTOCOL_ERROR = "protocol_error"
    HEADERS_TOO_LARGE = "headers_too_large"
    BAD_CONTENT_ENCODING = "bad_content_encoding"
    # http
    HTTP_401 = "http_401"
    HTTP_403 = "http_403"
    HTTP_404 = "http_404"
    HTTP_410 = "http_410"
    HTTP_429 = "http_429"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    HTTP_UNEXPECTED = "http_unexpected"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BAD_REDIRECT = "bad_redirect"
    EMPTY_BODY = "empty_body"
    # size and format
    TOO_LARGE = "too_large"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    # decode
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    DECOMPRESSION_BOMB = "decompression_bomb"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_MANY_FRAMES = "too_many_frames"
    METADATA_TOO_LARGE = "metadata_too_large"
    DECODER_TIMEOUT = "decoder_timeout"
    DECODER_CRASHED = "decoder_crashed"
    # rules of the dataset
    TOO_SMALL = "too_small"
    BAD_ASPECT = "bad_aspect"
    BLANK = "blank"
    FORMAT_NOT_ALLOWED = "format_not_allowed"
    ORIENTATION_NOT_ALLOWED = "orientation_not_allowed"
    DATE_NOT_ALLOWED = "date_not_allowed"
    MATURE = "mature"
    # already there
    ALREADY_IN_DATASET = "already_in_dataset"
    DUPLICATE_URL = "duplicate_url"
    DUPLICATE_EXACT = "duplicate_exact"
    DUPLICATE_NEAR = "duplicate_near"
    # validation of what the dataset holds
    BLOB_MISSING = "blob_missing"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    SIZE_MISMATCH = "size_mismatch"
    FORMAT_MISMATCH = "format_mismatch"
    DIMENSIONS_MISMATCH = "dimensions_mismatch"
    # system
    STORAGE_FULL = "storage_full"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    QUOTA_EXCEEDED = "quota_exceeded"
    CANCELLED = "cancelled"
    INTERNAL_ERROR = "internal_error"


_DUPLICATE = {Reason.DUPLICATE_URL, Reason.DUPLICATE_EXACT, Reason.DUPLICATE_NEAR}
_SKIPPED = {Reason.ALREADY_IN_DATASET, Reason.CANCELLED}
_FAILED = {
    Reason.DNS_ERROR,
    Reason.CONNECT_ERROR,
    Reason.TIMEOUT,
    Reason.TOO_SLOW,
    Reason.TLS_ERROR,
    Reason.CONNECTION_RESET,
    Reason.INCOMPLETE_BODY,
    Reason.PROTOCOL_ERROR,
    Reason.HEADERS_TOO_LARGE,
    Reason.BAD_CONTENT_ENCODING,
    Reason.HTTP_401,
    Reason.HTTP_403,
    Reason.HTTP_404,
    Reason.HTTP_410,
    Reason.HTTP_429,
    Reason.HTTP_4XX,
    Reason.HTTP_5XX,
    Reason.HTTP_UNEXPECTED,
    Reason.TOO_MANY_REDIRECTS,
    Reason.BAD_REDIRECT,
    Reason.EMPTY_BODY,
    Reason.BLOB_MISSING,
    Reason.STORAGE_FULL,
    Reason.STORAGE_UNAVAILABLE,
    Reason.QUOTA_EXCEEDED,
    Reason.INTERNAL_ERROR,
}

#: Reasons that may be gone at the next attempt; only these are tried again.
RETRYABLE: frozenset[Reason] = frozenset(
    {
        Reason.DNS_ERROR,
        Reason.CONNECT_ERROR,
        Reason.TIMEOUT,
        Reason.TOO_SLOW,
        Reason.CONNECTION_RESET,
        Reason.INCOMPLETE_BODY,
        Reason.HTTP_429,
        Reason.HTTP_5XX,
        Reason.STORAGE_FULL,
        Reason.STORAGE_UNAVAILABLE,
        Reason.INTERNAL_ERROR,
    }
)


def outcome_of(reason: Reason | None) -> Outcome:
    """The outcome that a reason leads to; no reason means that the candidate was kept."""
    if reason is None:
        return Outcome.KEPT
    if reason in _DUPLICATE:
        return Outcome.DUPLICATE
    if reason in _SKIPPED:
        return Outcome.SKIPPED
    if reason in _FAILED:
        return Outcome.FAILED
    return Outcome.REJECTED
