"""Addresses of pictures: which are accepted, and when two are the same."""

import hashlib
import re
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from datasets.outcomes import Reason

MAX_URL_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}

_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_SAFE = "!#$%&'()*+,/:;=?@[]~"


class InvalidUrl(ValueError):
    """An address that is not fetched: `reason` is its code, the message says what is wrong with it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def normalise(url: str) -> str:
    """The address in one spelling: lower-case scheme and host, IDNA, no default port, no fragment.

    Nothing that could mean another resource is changed: path, query and their order stay. Raises InvalidUrl.
    """
    url = url.strip()
    if not url or len(url) > MAX_URL_LENGTH or _CONTROL.search(url):
        raise InvalidUrl(
            Reason.INVALID_URL, f"An address has 1 to {MAX_URL_LENGTH} characters, and no blanks or control characters."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidUrl(Reason.INVALID_URL, "The address cannot be read: its host or port is malformed.") from None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        if scheme:
            raise InvalidUrl(Reason.BLOCKED_SCHEME, f"Only http and https are fetched, not {scheme[:20]}.")
        raise InvalidUrl(Reason.INVALID_URL, "The address has no scheme: it begins with http:// or https://.")
    if "@" in parts.netloc:
        raise InvalidUrl(
            Reason.INVALID_URL, "The address holds a user name or password; such addresses are not fetched."
        )
    host = _host(parts)
    netloc = host if port in (None, DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    path = quote(parts.path or "/", safe=_SAFE)
    return urlunsplit((scheme, netloc, path, quote(parts.query, safe=_SAFE), ""))


def url_key(url: str) -> str:
    """32 hexadecimal characters that are the same for two spellings of one address; never raises."""
    try:
        spelled = normalise(url)
    except InvalidUrl:
        spelled = url
    return hashlib.sha256(spelled.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    if not host:
        raise InvalidUrl(Reason.INVALID_URL, "The address names no host.")
    if ":" in host:
        return f"[{host}]"
    try:
        return host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
    except UnicodeError:
        raise InvalidUrl(Reason.INVALID_URL, "The address names a host that cannot exist.") from None
