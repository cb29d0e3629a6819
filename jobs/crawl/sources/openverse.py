"""`openverse`: openly licensed pictures by the Openverse API (docs.openverse.org; anonymous, or with credentials)."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets.licences import LicenceClass, codes_of
from jobs.crawl.filters import Filter, Filters, Orientation, PictureFormat
from jobs.crawl.redaction import remember
from jobs.crawl.sources.base import EVERY, Credential, Services, SourceConfig, SourceInfo
from jobs.crawl.sources.http import Conversation
from jobs.crawl.sources.mapping import candidate, count_of, items, stated_licence
from jobs.crawl.sources.paging import PageNumbers
from jobs.crawl.types import Candidate, Cursor, Page, Query, Slice

_EXTENSIONS = {PictureFormat.JPEG: "jpg,jpeg", PictureFormat.TIFF: "tif,tiff"}
_RATIOS = {Orientation.LANDSCAPE: "wide", Orientation.PORTRAIT: "tall", Orientation.SQUARE: "square"}
_LICENCE_TYPES = {LicenceClass.COMMERCIAL: "commercial", LicenceClass.MODIFY: "modification"}
_LICENCES = ("by", "by-sa", "by-nc-sa", "by-nc-nd", "by-nc", "by-nd", "cc0", "pdm", "sampling+", "nc-sampling+")
_SIZES = ("large", "medium", "small")

INFO = SourceInfo(
    name="openverse",
    title="Openverse",
    hint="Licence known for every image.",
    licence_known=True,
    mature_known=True,
    url="https://api.openverse.org/v1/",
    credentials=(
        Credential(name="token", title="access token", is_required=False),
        Credential(
            name="client_id",
            title="client id, for tokens that are fetched as needed",
            where="https://api.openverse.org/v1/#tag/auth",
            is_required=False,
        ),
        Credential(name="client_secret", title="client secret that belongs to it", is_required=False),
    ),
    applies={
        Filter.LICENCE: EVERY,
        Filter.FORMAT: EVERY,
        Filter.ORIENTATION: EVERY,
        Filter.SAFE_SEARCH: EVERY,
    },
    page_size=20,
    result_cap=240,
    requests_per_minute=20,
    is_metered=True,
    refusal_hint="that PIXCRAWLER_OPENVERSE_PAGE_SIZE is at most 20 without a token",
)

MAX_QUERY_LENGTH = 200


class OpenverseSource:
    """Pages through a search; the cursor is the page's number."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._config = config
        self._talk = Conversation(INFO, config, services)
        self._pages = PageNumbers(size=config.page_size, cap=config.result_cap)
        self._token = config.credentials.get("token", "")

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        window = self._pages.at(cursor)
        if window is None:
            return Page(candidates=(), next_cursor=None)
        answer = self._talk.json(
            "images/",
            {
                "q": query.keyword[:MAX_QUERY_LENGTH],
                "page": str(window.page),
                "page_size": str(window.size),
                **_narrowed(query.filters),
                **(query.slice.values if query.slice else {}),
            },
            headers=self._authorization(),
        )
        results = answer.get("results")
        if not isinstance(results, list):
            raise self._talk.shape_changed("without a list of results")
        listed = [_candidate(item, window.start + rank) for rank, item in enumerate(results) if isinstance(item, dict)]
        count, page_count = count_of(answer.get("result_count")), count_of(answer.get("page_count"))
        is_end = not results or (count is None and page_count is not None and window.page >= page_count)
        return self._pages.page(window, cursor, listed, total=count, is_end=is_end)

    def slices(self, query: Query) -> Sequence[Slice]:
        """By licence, each of them by size, each of those by shape."""
        values = dict(query.slice.values) if query.slice else {}
        if "license" not in values:
            allowed = codes_of(query.filters.licence)
            return [
                Slice(words=f"licence {name}", values={"license": name})
                for name in _LICENCES
                if stated_licence(name).code in allowed
            ]
        if "size" not in values:
            return [_part(query, f"size {size}", size=size) for size in _SIZES]
        if "aspect_ratio" not in values and query.filters.orientation is Orientation.ANY:
            return [_part(query, f"shape {ratio}", aspect_ratio=ratio) for ratio in _RATIOS.values()]
        return ()

    def _authorization(self) -> Mapping[str, str]:
        """The header that names us; a token is fetched once where the operator gave a client's id and secret."""
        given = self._config.credentials
        if not self._token and given.get("client_id") and given.get("client_secret"):
            answer = self._talk.post_form(
                "auth_tokens/token/",
                {
                    "client_id": given["client_id"],
                    "client_secret": given["client_secret"],
                    "grant_type": "client_credentials",
                },
            )
            token = answer.get("access_token")
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise self._talk.shape_changed("without an access token")
            remember(token)
            self._token = token
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}


def build(config: SourceConfig, services: Services) -> OpenverseSource:
    return OpenverseSource(config, services)


def _narrowed(filters: Filters) -> dict[str, str]:
    """The filters in the words of the API; safe search is its default."""
    asked = {
        "extension": _EXTENSIONS.get(filters.format, filters.format.value)
        if filters.format is not PictureFormat.ANY
        else "",
        "aspect_ratio": _RATIOS.get(filters.orientation, ""),
        "license_type": _LICENCE_TYPES.get(filters.licence, ""),
        "license": "cc0,pdm" if filters.licence is LicenceClass.PUBLIC_DOMAIN else "",
        "mature": "" if filters.safe_search else "true",
    }
    return {name: value for name, value in asked.items() if value}


def _part(query: Query, words: str, **values: str) -> Slice:
    given = query.slice or Slice(words="", values={})
    return Slice(words=f"{given.words}, {words}", values={**given.values, **values})


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without an address."""
    return candidate(
        INFO,
        url=item.get("url"),
        rank=rank,
        source_id=item.get("id"),
        thumb_url=item.get("thumbnail"),
        page_url=item.get("foreign_landing_url"),
        title=item.get("title"),
        creator=item.get("creator"),
        creator_url=item.get("creator_url"),
        licence=stated_licence(item.get("license"), version=item.get("license_version"), url=item.get("license_url")),
        attribution=item.get("attribution"),
        width_px=item.get("width"),
        height_px=item.get("height"),
        size_bytes=item.get("filesize"),
        format_hint=item.get("filetype"),
        tags=[tag.get("name") for tag in items(item.get("tags"))],
        mature=item.get("mature"),
    )
