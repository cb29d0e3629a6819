"""`openverse`: openly licensed pictures by the Openverse API (docs.openverse.org; anonymous or with a token)."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

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
from jobs.crawl.urls import as_listed

INFO = SourceInfo(
    name="openverse",
    title="Openverse",
    hint="Licence known for every image. Up to 240 per keyword.",
    licence_known=True,
    result_cap=240,
    is_metered=True,
)

MAX_QUERY_LENGTH = 200
_MAX_ANSWER_BYTES = 8 * 1024 * 1024
_CONNECT_TIMEOUT_S = 5.0
_MAX_SIZE = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenverseConfig:
    """Where the API is, and what it allows: without a token 20 results a page and 240 a search.

    `timeout_s` is for a whole answer. How far apart requests are is the business of `pace`.
    """

    url: str = "https://api.openverse.org/v1/"
    token: str = ""
    page_size: int = 20
    result_cap: int = 240
    user_agent: str = "PixCrawler"
    timeout_s: float = 15.0


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
        cap = self._config.result_cap
        window = self._window(int(cursor["page"]) if cursor else 1)
        if window is None:
            return Page(candidates=(), next_cursor=None)
        answer = self._get(
            {
                "q": query.keyword[:MAX_QUERY_LENGTH],
                "page": str(window.page),
                "page_size": str(window.size),
            }
        )
        results = answer.get("results")
        if not isinstance(results, list):
            raise SourceShapeChanged(
                "Openverse answered without a list of results, which its documentation promises. "
                "Its API may have changed: look for a newer PixCrawler."
            )
        start = (window.page - 1) * window.size
        candidates = [_candidate(item, start + rank) for rank, item in enumerate(results) if isinstance(item, dict)]
        page_count, count = answer.get("page_count"), answer.get("result_count")
        is_last = not results or start + window.size >= cap or (_is_count(page_count) and window.page >= page_count)
        return Page(
            candidates=tuple(candidate for candidate in candidates if candidate),
            next_cursor=None if is_last else {"page": window.page + 1},
            total=min(count, cap) if _is_count(count) else None,
        )

    def _window(self, page: int) -> "_Window | None":
        """What to ask for as page `page`, so that page × size stays within the cap; None behind the last.

        Where the cap cuts the last page, a smaller size is asked for whose pages begin at the same result.
        """
        size = max(1, self._config.page_size)
        start = (page - 1) * size
        left = self._config.result_cap - start
        if left >= size:
            return _Window(page, size)
        fitting = next((smaller for smaller in range(left, 0, -1) if start % smaller == 0), None)
        return _Window(start // fitting + 1, fitting) if fitting else None

    def _get(self, parameters: dict[str, str]) -> dict[str, Any]:
        """The answer's object. Raises a SourceError."""
        self._pace()
        try:
            with self._session.get(
                f"{self._config.url.rstrip('/')}/images/",
                params=parameters,
                timeout=(_CONNECT_TIMEOUT_S, self._config.timeout_s),
                stream=True,
                allow_redirects=False,
            ) as response:
                body = _read(response, ends_at=time.monotonic() + self._config.timeout_s)
        except (requests.Timeout, ReadTimeoutError):
            raise SourceUnavailable(
                "Openverse did not answer in time. It is tried again; if it stays so, check the network."
            ) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise SourceUnavailable(
                f"Openverse could not be reached ({type(error).__name__}). It is tried again; "
                "if it stays so, check the network and PIXCRAWLER_OPENVERSE_URL."
            ) from None
        if response.status_code != 200:
            _raise_for(response, body)
        answer = _json(body)
        if not isinstance(answer, dict):
            raise SourceShapeChanged(
                "Openverse answered with something that is no JSON object. "
                "Check that PIXCRAWLER_OPENVERSE_URL leads to an Openverse API."
            )
        return answer


@dataclass(frozen=True, slots=True)
class _Window:
    page: int
    size: int


def _read(response: requests.Response, *, ends_at: float) -> bytes:
    """The body, decoded; `ends_at` is in monotonic seconds. Raises requests.Timeout and SourceShapeChanged."""
    body = bytearray()
    # read1 gives what has come, so that the clock is looked at however slowly it comes.
    while part := response.raw.read1(64 * 1024, decode_content=True):
        body += part
        if len(body) > _MAX_ANSWER_BYTES:
            raise SourceShapeChanged(
                f"Openverse answered with more than {_MAX_ANSWER_BYTES // 2**20} MiB. "
                "Check that PIXCRAWLER_OPENVERSE_URL leads to an Openverse API."
            )
        if time.monotonic() > ends_at:
            raise requests.Timeout
    return bytes(body)


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
    if status == 404:
        raise SourceBadRequest(
            "Openverse has nothing at this address (status 404). "
            "Check that PIXCRAWLER_OPENVERSE_URL leads to an Openverse API."
        )
    raise SourceBadRequest(
        f"Openverse does not accept this search (status {status}): {_detail(body)} Change the keyword."
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _detail(body: bytes) -> str:
    """What the service says of its refusal, as a sentence."""
    answer = _json(body)
    detail = clean(answer.get("detail"), 200) if isinstance(answer, dict) else ""
    return f"{detail.rstrip('.')}." if detail else "it does not say why."


def _candidate(item: dict[str, Any], rank: int) -> Candidate | None:
    """What a result tells, or None for one without an address."""
    url = as_listed(item.get("url"))
    if not url:
        return None
    tags = item.get("tags")
    names = [clean(tag.get("name"), 60) for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return Candidate(
        url=url,
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
        width_px=_positive(item.get("width")),
        height_px=_positive(item.get("height")),
        size_bytes=_positive(item.get("filesize")),
        format_hint=clean(item.get("filetype"), 20),
        tags=tuple(name for name in names if name)[:50],
        rank=rank,
        mature=item.get("mature") is True,
    )


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _positive(value: object) -> int | None:
    """A size as JSON gives it, as far as a database takes it; None for anything else."""
    return value if _is_count(value) and 0 < value <= _MAX_SIZE else None
