"""What an HTTP answer means for a picture."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from datasets.outcomes import Reason

_OWN = {
    401: Reason.HTTP_401,
    403: Reason.HTTP_403,
    404: Reason.HTTP_404,
    410: Reason.HTTP_410,
    429: Reason.HTTP_429,
}


def is_redirect(status: int) -> bool:
    """Whether the answer sends us elsewhere; 304 is one of these numbers, but says something else."""
    return 300 <= status < 400 and status != 304


def reason(status: int, size_bytes: int) -> tuple[Reason | None, str]:
    """None for a body under 200; else the reason and a sentence."""
    if status != 200:
        return _reason_of(status), f"The host answered with status {status}."
    if size_bytes == 0:
        return Reason.EMPTY_BODY, "The host answered with an empty body."
    return None, ""


def retry_after_s(value: str) -> float | None:
    """The seconds of a Retry-After header, which holds seconds or a date; None where it holds neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _reason_of(status: int) -> Reason:
    if status in _OWN:
        return _OWN[status]
    if 400 <= status < 500:
        return Reason.HTTP_4XX
    if 500 <= status < 600:
        return Reason.HTTP_5XX
    return Reason.HTTP_UNEXPECTED
