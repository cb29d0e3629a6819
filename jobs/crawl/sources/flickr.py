"""`flickr`: photographs that people share, by the Flickr API (key needed; www.flickr.com/services/api)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from datasets.licences import LicenceClass, Statement, codes_of
from jobs.crawl.filters import Filter, Filters
from jobs.crawl.sources.base import EVERY, Credential, Services, SourceConfig, SourceInfo
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate, count_of, items, stated_licence
from jobs.crawl.sources.paging import PageNumbers
from jobs.crawl.types import Candidate, Cursor, Page, Query, Slice

#: Flickr opened in that year.
_FIRST_YEAR: Final = 2004
_MOST_A_PAGE: Final = 500

#: Flickr's numbers of licences, with what they stand for and the version.
_LICENCES: Final[Mapping[str, tuple[str, str]]] = {
    "0": ("all rights reserved", ""),
    "1": ("by-nc-sa", "2.0"),
    "2": ("by-nc", "2.0"),
    "3": ("by-nc-nd", "2.0"),
    "4": ("by", "2.0"),
    "5": ("by-sa", "2.0"),
    "6": ("by-nd", "2.0"),
    "7": ("no known copyright restrictions", ""),
    "8": ("united states government work", ""),
    "9": ("cc0", "1.0"),
    "10": ("pdm", "1.0"),
    "11": ("by", "4.0"),
    "12": ("by-sa", "4.0"),
    "13": ("by-nd", "4.0"),
    "14": ("by-nc", "4.0"),
    "15": ("by-nc-sa", "4.0"),
    "16": ("by-nc-nd", "4.0"),
}

#: Sizes that a result may have, the largest first.
_SIZES: Final = ("o", "k", "h", "l", "c", "z", "m")
_EXTRAS: Final = ",".join(
    ["license", "date_upload", "owner_name", "o_dims", "tags", "url_t", *(f"url_{size}" for size in _SIZES)]
)

#: Its own numbers of errors: a key that does not hold, and trouble that may pass.
_BAD_KEY: Final = frozenset({100, 98, 99})
_TROUBLE: Final = frozenset({0, 10, 105, 106, 201})

INFO = SourceInfo(
    name="flickr",
    title="Flickr",
    hint="Photographs with licence and date; commercial use of the API needs Flickr's permission.",
    licence_known=True,
    date_known=True,
    url="https://api.flickr.com/services/rest/",
    credentials=(Credential(name="key", title="API key", where="https://www.flickr.com/services/apps/create/"),),
    applies={Filter.LICENCE: EVERY, Filter.SAFE_SEARCH: EVERY, Filter.DATE: EVERY},
    page_size=250,
    result_cap=4_000,
    requests_per_minute=60,
    is_metered=True,
)


class FlickrSource:
    """Pages through a search; the cursor is the page's number."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._key = config.credentials.get("key", "")
        self._today = services.today
        self._talk = Conversation(INFO, config, services)
        self._pages = PageNumbers(size=min(config.page_size, _MOST_A_PAGE), cap=config.result_cap)

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        window = self._pages.at(cursor)
        if window is None:
            return Page(candidates=(), next_cursor=None)
        answer = self._talk.json(
            "",
            {
                "method": "flickr.photos.search",
                "api_key": self._key,
                "format": "json",
                "nojsoncallback": "1",
                "text": query.keyword,
                "sort": "relevance",
                "media": "photos",
                "extras": _EXTRAS,
                "per_page": str(window.size),
                "page": str(window.page),
                **_narrowed(query),
            },
        )
        if answer.get("stat") == "fail":
            self._raise_failure(answer)
        photos = answer.get("photos")
        if not isinstance(photos, dict) or not isinstance(photos.get("photo"), list):
            raise self._talk.shape_changed("without a list of photos")
        found = [_candidate(item, window.start + rank) for rank, item in enumerate(items(photos["photo"]))]
        total = count_of(photos.get("total"))
        return self._pages.page(window, cursor, found, total=total, is_end=not photos["photo"])

    def slices(self, query: Query) -> Sequence[Slice]:
        """By year of the upload, each of them by month, each of those by day."""
        if query.slice is None:
            years = range(_FIRST_YEAR, self._today().year + 1)
            spans = [(date(year, 1, 1), date(year, 12, 31), f"{year}") for year in years]
        else:
            first, last = (
                date.fromisoformat(query.slice.values["first"]),
                date.fromisoformat(query.slice.values["last"]),
            )
            spans = _months(first.year) if (last - first).days > 31 else _days(first, last)
        asked = [
            (max(first, query.filters.after or first), min(last, query.filters.before or last), words)
            for first, last, words in spans
        ]
        return [
            Slice(words=f"uploaded {words}", values={"first": first.isoformat(), "last": last.isoformat()})
            for first, last, words in asked
            if first <= last
        ]

    def _raise_failure(self, answer: Mapping[str, Any]) -> None:
        """What Flickr says with status 200. Raises a SourceError."""
        code, said = count_of(answer.get("code")), str(answer.get("message") or "")
        if code in _BAD_KEY:
            raise self._talk.refused(said)
        if code in _TROUBLE:
            raise self._talk.unavailable(f"has trouble of its own (error {code})")
        raise self._talk.bad_request(said)


def build(config: SourceConfig, services: Services) -> FlickrSource:
    return FlickrSource(config, services)


def _narrowed(query: Query) -> dict[str, str]:
    """The filters and the slice in the words of the API."""
    filters: Filters = query.filters
    first, last = filters.after, filters.before
    if query.slice is not None:
        first, last = (date.fromisoformat(query.slice.values[name]) for name in ("first", "last"))
    allowed = codes_of(filters.licence)
    numbers = [number for number, stated in _LICENCES.items() if stated_licence(stated[0]).code in allowed]
    asked = {
        # 1: safe alone; 3: everything.
        "safe_search": "1" if filters.safe_search else "3",
        "license": "" if filters.licence is LicenceClass.ANY else ",".join(numbers),
        "min_upload_date": _seconds(first) if first else "",
        "max_upload_date": _seconds(last + timedelta(days=1), -1) if last else "",
    }
    return {name: value for name, value in asked.items() if value}


def _seconds(day: date, more_s: int = 0) -> str:
    """The beginning of a day in UTC, in seconds since 1970, and so many more."""
    return str(int(datetime.combine(day, time(), UTC).timestamp()) + more_s)


def _months(year: int) -> list[tuple[date, date, str]]:
    firsts = [date(year, month, 1) for month in range(1, 13)]
    lasts = [*(first - timedelta(days=1) for first in firsts[1:]), date(year, 12, 31)]
    return [(first, last, f"{first:%Y-%m}") for first, last in zip(firsts, lasts, strict=True)]


def _days(first: date, last: date) -> list[tuple[date, date, str]]:
    """The days of a span; none of a single day, which cannot be cut."""
    count = (last - first).days + 1
    days = [first + timedelta(days=n) for n in range(count)] if count > 1 else []
    return [(day, day, day.isoformat()) for day in days]


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one of which Flickr gives no size."""
    size = next((size for size in _SIZES if item.get(f"url_{size}")), "")
    owner, number = item.get("owner"), item.get("id")
    has_page = isinstance(owner, str) and isinstance(number, str) and number.isalnum()
    return candidate(
        INFO,
        url=item.get(f"url_{size}"),
        rank=rank,
        source_id=number,
        thumb_url=item.get("url_t"),
        page_url=f"https://www.flickr.com/photos/{owner}/{number}" if has_page else "",
        title=item.get("title"),
        creator=item.get("ownername"),
        creator_url=f"https://www.flickr.com/photos/{owner}" if has_page else "",
        licence=_licence(item.get("license")),
        width_px=item.get(f"width_{size}") or (item.get("o_width") if size == "o" else None),
        height_px=item.get(f"height_{size}") or (item.get("o_height") if size == "o" else None),
        format_hint=item.get("originalformat") if size == "o" else "jpg",
        tags=item["tags"].split() if isinstance(item.get("tags"), str) else (),
        published_on=_uploaded_on(item.get("dateupload")),
    )


def _licence(number: object) -> Statement:
    """A licence comes as digits or as a number."""
    stated, version = _LICENCES.get(str(number), ("", ""))
    return stated_licence(stated, version=version)


def _uploaded_on(seconds: object) -> str:
    """The day of a time in seconds since 1970, or ""."""
    count = count_of(seconds)
    return datetime.fromtimestamp(count, UTC).date().isoformat() if count is not None and count < 2**33 else ""
