"""What travels between the stages of a crawl: plain, frozen, and free of any framework.

discover -> Candidate -> fetch -> Fetched | FetchFailure -> inspect -> store -> record
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from datasets.outcomes import Reason
from jobs.crawl.filters import Filters

#: A place in a source's result list. Only the source that made it reads it; it must survive JSON.
Cursor = Mapping[str, Any]


#: What a site and a file said of machine use when a picture was fetched: jobs.crawl.admission.
Evidence = dict[str, Any]


class Refusal(NamedTuple):
    """Why something is not fetched or not kept; `detail` is a sentence for people."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of what a source has for a query, cut out by the source's own filters.

    `words` name it to people ("licence by-sa"); `values` are the source's own business.
    """

    words: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What one chunk searches a source for; `slice` is None for all there is."""

    keyword: str
    label: str
    filters: Filters = field(default_factory=Filters)
    slice: Slice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One image that a source lists, with everything the source says of it.

    Text fields are what a stranger wrote, cleaned by `jobs.crawl.text`; an unknown fact is "" or None, never a guess.
    `published_on` is a day (YYYY-MM-DD); `sha1` is of the original file, 40 hex digits. `mature` is True only where
    the source says so. `report_url` is an address that the source wants to be asked when the picture was fetched.
    It has to survive JSON.
    """

    url: str
    source: str
    source_id: str = ""
    thumb_url: str = ""
    page_url: str = ""
    title: str = ""
    creator: str = ""
    creator_url: str = ""
    licence_code: str = "unknown"
    licence_version: str = ""
    licence_url: str = ""
    attribution: str = ""
    width_px: int | None = None
    height_px: int | None = None
    size_bytes: int | None = None
    format_hint: str = ""
    tags: tuple[str, ...] = ()
    rank: int = 0
    mature: bool = False
    ml_use: str = "unknown"
    sha1: str = ""
    published_on: str = ""
    report_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a source's answer.

    `next_cursor` is None at the end of the list; `total` is how many results the source says it has, as far
    as it can deliver them (its cap applied), or None where it does not tell. `is_cut_off`: the list ends here because
    of the service's cap, and there is more behind it.
    """

    candidates: tuple[Candidate, ...]
    next_cursor: Cursor | None
    total: int | None = None
    is_cut_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The bytes of one candidate, as they came."""

    body: bytes = field(repr=False)
    final_url: str
    content_type: str = ""
    seconds: float = 0.0
    attempts: int = 1
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailure:
    """Why a candidate has no bytes: `reason` is a code of datasets.outcomes.Reason, `detail` a sentence for people."""

    reason: str
    detail: str = ""
    seconds: float = 0.0
    attempts: int = 1
