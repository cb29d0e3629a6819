"""From what a service says of a picture to a Candidate: every field is looked at, and none is believed."""

import html
import re
from collections.abc import Iterable
from datetime import date
from typing import Any, Final, TypeGuard

from datasets.licences import Statement, credit_line, normalise
from jobs.crawl.sources.base import SourceInfo
from jobs.crawl.text import clean, clean_link
from jobs.crawl.types import Candidate
from jobs.crawl.urls import as_listed

_MAX_SIZE: Final = 2**31 - 1
_MAX_TAGS: Final = 50
_SHA1 = re.compile(r"[0-9a-f]{40}")
_TAG = re.compile(r"<[^<>]*>")


def candidate(
    info: SourceInfo,
    *,
    url: object,
    rank: int,
    source_id: object = "",
    thumb_url: object = "",
    page_url: object = "",
    title: object = "",
    creator: object = "",
    creator_url: object = "",
    licence: Statement | None = None,
    attribution: object = "",
    width_px: object = None,
    height_px: object = None,
    size_bytes: object = None,
    format_hint: object = "",
    tags: Iterable[object] = (),
    mature: object = False,
    ml_use: str | None = None,
    sha1: object = "",
    published_on: str = "",
    report_url: object = "",
) -> Candidate | None:
    """A candidate of values as they came, or None for one without an address.

    What a value is not (a width that is no number, a link that leads nowhere) is left out, not made up. Where the
    service gives no line of credit, one is made of title, creator and licence.
    """
    address = as_listed(url)
    if not address:
        return None
    licence = licence or Statement()
    titled, made_by = clean(title, 300), clean(creator, 300)
    name = clean(source_id if isinstance(source_id, str) else str(source_id) if is_count(source_id) else "", 200)
    given_sha1 = sha1.lower() if isinstance(sha1, str) else ""
    return Candidate(
        url=address,
        source=info.name,
        source_id=name,
        thumb_url=clean_link(thumb_url),
        page_url=clean_link(page_url),
        title=titled,
        creator=made_by,
        creator_url=clean_link(creator_url),
        licence_code=licence.code,
        licence_version=licence.version,
        licence_url=licence.url,
        attribution=clean(attribution, 1000) or credit_line(title=titled, creator=made_by, statement=licence),
        width_px=positive(width_px),
        height_px=positive(height_px),
        size_bytes=positive(size_bytes),
        format_hint=clean(format_hint, 20),
        tags=tuple(tag for given in tags if (tag := clean(given, 60)))[:_MAX_TAGS],
        rank=rank,
        mature=mature is True,
        ml_use=ml_use or info.ml_use,
        sha1=given_sha1 if _SHA1.fullmatch(given_sha1) else "",
        published_on=published_on,
        report_url=clean_link(report_url),
    )


def stated_licence(code: object = "", *, version: object = "", url: object = "") -> Statement:
    """The licence that a service states by these values, as they came."""
    return normalise(clean(code, 200), version=clean(version, 20), url=clean_link(url))


def items(value: object) -> list[dict[str, Any]]:
    """The objects of a list, whatever else is in it; [] for anything but a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def count_of(value: object) -> int | None:
    """A number of results or pages, also where it comes as digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    return value if is_count(value) else None


def positive(value: object) -> int | None:
    """A size as JSON gives it, or as digits, as far as a database takes it; None for anything else."""
    count = count_of(value)
    return count if count is not None and 0 < count <= _MAX_SIZE else None


def day(value: object) -> str:
    """The day of a date as services write it (2012-09-25, 2012-09-25T16:23:02Z, 2012:09:25 …); "" where it is none."""
    found = re.match(r"(\d{4})[-:/](\d{2})[-:/](\d{2})(?!\d)", value.strip()) if isinstance(value, str) else None
    if not found:
        return ""
    try:
        return date(int(found[1]), int(found[2]), int(found[3])).isoformat()
    except ValueError:
        return ""


def without_tags(value: object) -> str:
    """The text of a piece of HTML, such as the names of Wikimedia Commons; "" for anything but text."""
    if not isinstance(value, str):
        return ""
    return " ".join(html.unescape(_TAG.sub(" ", value[:20_000])).split())


def first_link(value: object) -> str:
    """The address of the first link in a piece of HTML; "" where there is none."""
    found = re.search(r"""href\s*=\s*["']([^"']+)""", value[:20_000]) if isinstance(value, str) else None
    address = html.unescape(found[1]) if found else ""
    return clean_link(f"https:{address}" if address.startswith("//") else address)
