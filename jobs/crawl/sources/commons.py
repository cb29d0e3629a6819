"""`commons`: free pictures of Wikimedia Commons by the MediaWiki API (no key; www.mediawiki.org/wiki/API:Search)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from datasets.licences import Statement
from jobs.crawl.filters import Filter, Filters, PictureFormat
from jobs.crawl.hostgate import PUBLISHED_LIMITS
from jobs.crawl.sources.base import EVERY, Services, SourceConfig, SourceInfo
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate, day, first_link, is_count, items, stated_licence, without_tags
from jobs.crawl.types import Candidate, Cursor, Page, Query, Slice

_PICTURE_HOST: Final = "upload.wikimedia.org"

#: Results of one page at most: thumbnails are made for 50 files a call.
_MOST_A_PAGE: Final = 50

#: One of the widths that Wikimedia keeps thumbnails of.
_THUMB_WIDTH_PX: Final = "500"

_FORMATS: Final = ("jpeg", "png", "tiff", "gif", "webp")
_WIDTHS: Final = ("<800", "800,1600", "1600,3200", ">3200")

INFO = SourceInfo(
    name="commons",
    title="Wikimedia Commons",
    hint="Free pictures, the licence known for each. Slow and polite: two downloads at a time.",
    licence_known=True,
    date_known=True,
    url="https://commons.wikimedia.org/w/api.php",
    applies={Filter.FORMAT: frozenset(_FORMATS), Filter.MIN_SIZE: EVERY},
    page_size=50,
    result_cap=10_000,
    requests_per_minute=60,
    host_limits={_PICTURE_HOST: PUBLISHED_LIMITS[_PICTURE_HOST]},
    is_metered=True,
)


class CommonsSource:
    """Pages through a search; the cursor is what the service wants to be given again, and the number of the result."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._talk = Conversation(INFO, config, services)
        self._size = min(config.page_size, _MOST_A_PAGE)
        self._cap = config.result_cap or 10_000

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        start = int(cursor["start"]) if cursor else 0
        size = min(self._size, self._cap - start)
        if size <= 0:
            return Page(candidates=(), next_cursor=None)
        asked = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "maxlag": "5",
            "generator": "search",
            "gsrsearch": " ".join(["filetype:bitmap", *_words(query), query.keyword]),
            "gsrnamespace": "6",
            "gsrlimit": str(size),
            "gsroffset": str(start),
            "prop": "imageinfo",
            "iiprop": "url|size|mime|sha1|user|timestamp|extmetadata",
            "iiurlwidth": _THUMB_WIDTH_PX,
        }
        answer = self._talk.json("", asked | (dict(cursor["continue"]) if cursor else {}))
        self._raise_what_is_wrong(answer)
        found = [_candidate(item, start + rank) for rank, item in enumerate(_in_order(answer))]
        goes_on = {
            name: str(value) for name, value in _object(answer.get("continue")).items() if isinstance(value, (str, int))
        }
        # Without a new offset it goes on with the same results.
        offset = int(goes_on["gsroffset"]) if goes_on.get("gsroffset", "").isdecimal() else start
        is_cut_off = bool(goes_on) and offset >= self._cap
        return Page(
            candidates=tuple(one for one in found if one),
            next_cursor={"start": offset, "continue": goes_on} if goes_on and not is_cut_off else None,
            is_cut_off=is_cut_off,
        )

    def slices(self, query: Query) -> Sequence[Slice]:
        """By format, each of them by width."""
        given = query.slice or Slice(words="", values={})
        if "filemime" not in given.values:
            wanted = query.filters.format
            formats = _FORMATS if wanted is PictureFormat.ANY else ()
            return [Slice(words=f"format {name}", values={"filemime": name}) for name in formats] or _by_width(given)
        return _by_width(given)

    def _raise_what_is_wrong(self, answer: Mapping[str, Any]) -> None:
        """Errors come with status 200. Raises a SourceError."""
        error = answer.get("error")
        if isinstance(error, dict):
            code, said = str(error.get("code")), str(error.get("info") or error.get("code"))
            if code == "ratelimited":
                raise self._talk.rate_limited()
            if code in {"maxlag", "readonly"} or code.startswith("internal_api_error"):
                raise self._talk.unavailable(f"is busy ({code})")
            if code in {"readapidenied", "blocked", "autoblocked", "permissiondenied"}:
                raise self._talk.refused(said)
            raise self._talk.bad_request(said)
        # A search without results has no "query", but says that it is complete.
        if not isinstance(_object(answer.get("query")).get("pages", []), (list, dict)):
            raise self._talk.shape_changed("with a list of pages that is none")
        if not {"query", "batchcomplete", "continue"} & answer.keys():
            raise self._talk.shape_changed("without a list of pages")


def build(config: SourceConfig, services: Services) -> CommonsSource:
    return CommonsSource(config, services)


def _words(query: Query) -> list[str]:
    """The filters, and the slice, in words of the search."""
    filters: Filters = query.filters
    part = query.slice.values if query.slice else {}
    asked = {
        "filemime": part.get("filemime", "" if filters.format is PictureFormat.ANY else filters.format.value),
        "filew": f">{filters.min_width_px - 1}" if filters.min_width_px > 1 else "",
        "fileh": f">{filters.min_height_px - 1}" if filters.min_height_px > 1 else "",
    }
    words = [f"{name}:{value}" for name, value in asked.items() if value]
    return [*words, *([f"filew:{part['filew']}"] if "filew" in part else [])]


def _by_width(given: Slice) -> list[Slice]:
    """Parts of a slice by width in pixels; none of one that has a width already."""
    if "filew" in given.values:
        return []
    before = f"{given.words}, " if given.words else ""
    return [Slice(words=f"{before}width {width}", values={**given.values, "filew": width}) for width in _WIDTHS]


def _in_order(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The results by their place in the search; older versions of the API give them as an object in no order."""
    pages = _object(answer.get("query")).get("pages", [])
    listed = items(list(pages.values()) if isinstance(pages, dict) else pages)
    if all(is_count(item.get("index")) for item in listed):
        listed.sort(key=lambda item: int(item["index"]))
    return listed


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without a file."""
    info = next(iter(items(item.get("imageinfo"))), {})
    told = {
        name: value.get("value") for name, value in _object(info.get("extmetadata")).items() if isinstance(value, dict)
    }
    name = item.get("title")
    file_name = name.removeprefix("File:").rpartition(".")[0] if isinstance(name, str) else ""
    return candidate(
        INFO,
        url=info.get("url"),
        rank=rank,
        source_id=item.get("pageid"),
        thumb_url=info.get("thumburl"),
        page_url=info.get("descriptionurl"),
        title=without_tags(told.get("ObjectName")) or file_name,
        creator=without_tags(told.get("Artist")) or info.get("user"),
        creator_url=first_link(told.get("Artist")),
        licence=_licence(told),
        attribution=without_tags(told.get("Attribution")),
        width_px=info.get("width"),
        height_px=info.get("height"),
        size_bytes=info.get("size"),
        format_hint=str(info.get("mime") or "").removeprefix("image/"),
        tags=without_tags(told.get("Categories")).split("|"),
        sha1=info.get("sha1"),
        published_on=day(info.get("timestamp")),
    )


def _licence(told: Mapping[str, Any]) -> Statement:
    """By its code, else by its short name; the address of its text may be missing."""
    url = without_tags(told.get("LicenseUrl"))
    by_code = stated_licence(without_tags(told.get("License")), url=url)
    by_name = stated_licence(without_tags(told.get("LicenseShortName")), url=url)
    return by_code if by_code.code != Statement().code else by_name


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
