"""`openverse`: openly licensed pictures by the Openverse API (docs.openverse.org; anonymous or with a token)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urljoin

import requests

from jobs.crawl.http_status import retry_after_s
from jobs.crawl.sources.base import (
    SourceBadRequest,
    SourceInfo,
    SourceRateLimited,
    SourceRefused,
    SourceShapeChanged,
    SourceUnavailable,
)
from jobs.crawl.text import clean, clean_link
from jobs.crawl.types import Candidate, Cursor, Page, Query

INFO = SourceInfo(
    name="openverse",
    title="Openverse",
    hint="Licence known for every image. 240 results per keyword at most.",
    licence_known=True,
    result_cap=240,
)

MAX_QUERY_LENGTH = 200
_MAX_ANSWER_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenverseConfig:
    """Where the API is, and what it allows: 20 results a page, 240 a query and 20 requests a minute without a token."""

    url: str = "https://api.openverse.org/v1/"
    token: str = ""
    page_size: int = 20
    result_cap: int = 240
    user_agent: str = "PixCrawler"
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 15.0


class OpenverseSource:
    """Pages through a search; the cursor is the page's number. `pace` returns when the next request may be sent."""

    info = INFO

    def __init__(self, config: OpenverseConfig, *, pace: Callable[[], None]) -> None:
        self._config = config
        self._pace = pace
        self._session = requests.Session()
        # Nothing of the environment: no proxy, no netrc.
        self._session.trust_env = False
        self._session.headers["User-Agent"] = config.user_agent
        if config.token:
            self._session.headers["Authorization"] = f"Bearer {config.token}"

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        number = int(cursor["page"]) if cursor else 1
        size = max(1, min(self._config.page_size, self._config.result_cap))
        if number * size > self._config.result_cap:
            return Page(candidates=(), next_cursor=None)
        answer = self._get({"q": query.keyword[:MAX_QUERY_LENGTH], "page": str(number), "page_size": str(size)})
        results = answer.get("results")
        if not isinstance(results, list):
            raise SourceShapeChanged(
                "Openverse answered without a list of results, which its documentation promises. "
                "Its API may have changed: look for a newer PixCrawler."
            )
        start = (number - 1) * size
        candidates = [_candidate(item, start + rank) for rank, item in enumerate(results) if isinstance(item, dict)]
        is_last = (
            not results or number >= _whole(answer.get("page_count")) or (number + 1) * size > self._config.result_cap
        )
        count = answer.get("result_count")
        return Page(
            candidates=tuple(candidate for candidate in candidates if candidate),
            next_cursor=None if is_last else {"page": number + 1},
            total=min(_whole(count), self._config.result_cap) if isinstance(count, int) else None,
        )

    def _get(self, parameters: dict[str, str]) -> dict[str, Any]:
        self._pace()
        timeout = (self._config.connect_timeout_s, self._config.read_timeout_s)
        try:
            with self._session.get(
                urljoin(self._config.url, "images/"),
                params=parameters,
                timeout=timeout,
                stream=True,
                allow_redirects=False,
            ) as response:
                body = response.raw.read(_MAX_ANSWER_BYTES + 1, decode_content=True)
        except (requests.RequestException, OSError) as error:
            raise SourceUnavailable(
                f"Openverse could not be reached ({type(error).__name__}). It is tried again; "
                "if it stays so, check the network and PIXCRAWLER_OPENVERSE_URL."
            ) from None
        if response.status_code != 200:
            _raise_for(response, body)
        try:
            answer = json.loads(body[:_MAX_ANSWER_BYTES])
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise SourceShapeChanged(
                "Openverse answered with something that is no JSON object. "
                "Check that PIXCRAWLER_OPENVERSE_URL leads to an Openverse API."
            )
        return answer


def _raise_for(response: requests.Response, body: bytes) -> NoReturn:
    status = response.status_code
    if status == 429:
        wait_s = retry_after_s(response.headers.get("Retry-After", ""))
        raise SourceRateLimited(
            "Openverse answered “too many requests”. Wait, or register for a token and set PIXCRAWLER_OPENVERSE_TOKEN.",
            retry_after_s=wait_s,
        )
    if status in (401, 403):
        raise SourceRefused(
            f"Openverse refused this installation (status {status}). Check PIXCRAWLER_OPENVERSE_TOKEN, and that "
            "PIXCRAWLER_OPENVERSE_PAGE_SIZE is at most 20 without a token; then restart the worker and retry."
        )
    if status >= 500:
        raise SourceUnavailable(
            f"Openverse has trouble of its own (status {status}). It is tried again; else retry later.",
            retry_after_s=retry_after_s(response.headers.get("Retry-After", "")),
        )
    if 300 <= status < 400:
        raise SourceShapeChanged(
            f"Openverse redirects (status {status}). Set PIXCRAWLER_OPENVERSE_URL to where it moved."
        )
    raise SourceBadRequest(
        f"Openverse does not accept this search (status {status}): {_detail(body)} Change the keyword."
    )


def _detail(body: bytes) -> str:
    try:
        answer = json.loads(body[:10_000])
    except (ValueError, RecursionError):
        return "it does not say why."
    detail = answer.get("detail") if isinstance(answer, dict) else None
    return clean(detail, 200) or "it does not say why."


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without an address."""
    url = item.get("url")
    if not isinstance(url, str) or not url.strip():
        return None
    tags = item.get("tags")
    names = [clean(tag.get("name"), 60) for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return Candidate(
        url=url.strip(),
        source=INFO.name,
        source_id=clean(item.get("id"), 200),
        thumb_url=clean_link(item.get("thumbnail")),
        page_url=clean_link(item.get("foreign_landing_url")),
        title=clean(item.get("title"), 300),
        creator=clean(item.get("creator"), 300),
        creator_url=clean_link(item.get("creator_url")),
        licence_code=clean(item.get("license"), 40).lower() or "unknown",
        licence_version=clean(item.get("license_version"), 20),
        licence_url=clean_link(item.get("license_url")),
        attribution=clean(item.get("attribution"), 1000),
        width_px=_whole(item.get("width")) or None,
        height_px=_whole(item.get("height")) or None,
        size_bytes=_whole(item.get("filesize")) or None,
        format_hint=clean(item.get("filetype"), 20),
        tags=tuple(name for name in names if name)[:50],
        rank=rank,
        mature=item.get("mature") is True,
    )


def _whole(value: object) -> int:
    """A count as JSON gives it; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
