"""Addresses of pictures: which are accepted, and when two are the same."""

import hashlib
import ipaddress
import re
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import idna

from datasets.outcomes import Reason

MAX_URL_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}

#: Control characters, halves of surrogate pairs, and the mark that stands where text was damaged before it came here.
_DAMAGED = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
#: Characters that turn the direction of text around, so that an address or a name reads as something else.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_BRACKETED = re.compile(r"\[[^\[\]]*\](:\d*)?")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_SAFE = "!$%&'()*+,/:;=?@[]~"

#: Escaped or not, these mean the same (RFC 3986, 2.3). The dot is left out: escaped, it may keep a path from being cut.
_SAME_UNESCAPED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~")


class InvalidUrl(ValueError):
    """An address that is not fetched: `reason` is its code, the message says what is wrong with it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def normalise(url: str) -> str:
    """The address in one spelling: lower-case scheme and host, IDNA, no default port, no fragment, escaped.

    Nothing that could mean another resource is changed: path, query and their order stay. Raises InvalidUrl.
    """
    url = url.strip()
    if not url or len(url) > MAX_URL_LENGTH or _DAMAGED.search(url):
        raise InvalidUrl(
            Reason.INVALID_URL, f"An address has 1 to {MAX_URL_LENGTH:,} characters, and no control or damaged ones."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidUrl(Reason.INVALID_URL, "The address cannot be read: its host or port is malformed.") from None
    _check_scheme(parts.scheme)
    if "@" in parts.netloc:
        raise InvalidUrl(
            Reason.INVALID_URL, "The address holds a user name or password; such addresses are not fetched."
        )
    if port == 0:
        raise InvalidUrl(Reason.BLOCKED_PORT, "Nothing listens on port 0.")
    host = _host(parts)
    netloc = host if port in (None, DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    spelled = urlunsplit((parts.scheme, netloc, _escaped(parts.path) or "/", _escaped(parts.query), ""))
    if len(spelled) > MAX_URL_LENGTH:
        raise InvalidUrl(
            Reason.INVALID_URL, f"The address is longer than {MAX_URL_LENGTH:,} characters once it is escaped."
        )
    return spelled


# Asked for several times on a candidate's way, by whoever names it.
@lru_cache(maxsize=4096)
def url_key(url: str) -> str:
    """32 hexadecimal characters that are the same for two spellings of one address; never raises."""
    try:
        spelled = normalise(url)
    except InvalidUrl:
        spelled = url
    return hashlib.sha256(spelled.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def host_and_port(url: str) -> tuple[str, int]:
    """Where a normalised address leads; an IPv6 host stays in its brackets."""
    parts = urlsplit(url)
    host, _, port = parts.netloc.rpartition(":") if parts.port else (parts.netloc, "", "")
    return host, int(port) if port else DEFAULT_PORTS[parts.scheme]


def host_and_parents(host: str) -> tuple[str, ...]:
    """a.example.org -> a.example.org, example.org, org. An address stands for itself."""
    if host.startswith("[") or host.rpartition(".")[2].isdigit():
        return (host,)
    labels = host.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels)))


def as_listed(url: object) -> str:
    """An address as a stranger wrote it, fit to be stored and shown: what no database takes stays visible as U+FFFD.

    So a bad address remains a bad address, to be named in the ledger; anything but text is "". Characters that turn
    text around are escaped, as they are in the request anyway.
    """
    if not isinstance(url, str):
        return ""
    cut = _DAMAGED.sub("\ufffd", url.strip()[: MAX_URL_LENGTH + 1])
    return cut if BIDI.isdisjoint(cut) else "".join(quote(mark) if mark in BIDI else mark for mark in cut)


def _check_scheme(scheme: str) -> None:
    if not scheme:
        raise InvalidUrl(Reason.INVALID_URL, "The address has no scheme: it begins with http:// or https://.")
    if scheme not in DEFAULT_PORTS:
        raise InvalidUrl(Reason.BLOCKED_SCHEME, f"Only http and https are fetched, not {scheme[:20]}.")


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").removesuffix(".")
    try:
        if "[" in parts.netloc:
            if not _BRACKETED.fullmatch(parts.netloc):
                raise ValueError(parts.netloc)
            return f"[{_ipv6(host)}]"
        if not host.isascii():
            host = idna.encode(host, uts46=True).decode("ascii")
    except ValueError:
        host = ""
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise InvalidUrl(Reason.INVALID_URL, "The address names no host, or one that cannot exist.")
    return host


def _ipv6(host: str) -> ipaddress.IPv6Address:
    """Raises ValueError, also for a zone: it names a network card of this machine."""
    if "%" in host:
        raise ValueError(host)
    return ipaddress.IPv6Address(host)


def _escaped(text: str) -> str:
    return quote(_ESCAPE.sub(_one_escape, text), safe=_SAFE)


def _one_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _SAME_UNESCAPED else match[0].upper()
