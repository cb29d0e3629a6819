"""`webpage`: the pictures of a web page, or of the pages that a sitemap lists. The keyword is the page's address."""

import gzip
import io
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urljoin, urlsplit

from datasets.outcomes import RETRYABLE, Reason
from jobs.crawl import optouts
from jobs.crawl.sources.base import (
    Option,
    Services,
    SourceBadRequest,
    SourceConfig,
    SourceInfo,
    SourceRefused,
    SourceUnavailable,
)
from jobs.crawl.sources.mapping import candidate
from jobs.crawl.sources.markup import Document, document_of
from jobs.crawl.types import Candidate, Cursor, Fetched, Page, Query
from jobs.crawl.urls import InvalidUrl, normalise

_MAX_UNPACKED_BYTES: Final = 50 * 1024 * 1024

#: Sitemaps that a sitemap of sitemaps may lead to, one inside the other.
_DEEPEST: Final = 3

INFO = SourceInfo(
    name="webpage",
    title="Web page",
    hint="The pictures of a page or of a sitemap's pages: give addresses as keywords.",
    licence_known=False,
    is_given=True,
    options=(
        Option(name="max_pages", kind="int", default="100", meaning="Pages of one sitemap that are read at most."),
    ),
)


class WebPageSource:
    """Reads one page at a time; the cursor holds the addresses of those to come, and how many pictures came before."""

    info = INFO

    def __init__(self, config: SourceConfig, services: Services) -> None:
        self._read_page = services.read_page
        self._max_pages = int(config.options.get("max_pages") or 100)

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        if cursor is None:
            return self._first(query.keyword)
        address, *rest = cursor["pages"]
        return self._listed(address, self._document(address, must_be_there=False), cursor, rest)

    def _first(self, keyword: str) -> Page:
        """The page that the keyword names; of a sitemap the way to its first page."""
        try:
            address = normalise(keyword)
        except InvalidUrl as error:
            raise SourceBadRequest(
                f"Web page takes addresses as keywords, and “{keyword}” is none: {error} Write it as https://…"
            ) from None
        document = self._document(address, must_be_there=True)
        if document is None or not document.is_sitemap:
            return self._listed(address, document, {"start": 0, "is_cut_off": False}, ())
        pages = list(dict.fromkeys(self._pages_of(document, address, depth=1)))
        cursor = {"pages": pages[: self._max_pages], "start": 0, "is_cut_off": len(pages) > self._max_pages}
        return Page(candidates=(), next_cursor=cursor if pages else None)

    def _pages_of(self, sitemap: Document, address: str, *, depth: int) -> Iterator[str]:
        """The pages on the sitemap's own host, as far as they are needed."""
        found = 0
        for listed in _on_same_host(sitemap.pages, address):
            yield listed
            found += 1
        for inner in _on_same_host(sitemap.sitemaps, address) if depth < _DEEPEST else ():
            if found > self._max_pages:
                return
            document = self._document(inner, must_be_there=False)
            for listed in self._pages_of(document, address, depth=depth + 1) if document else ():
                yield listed
                found += 1

    def _listed(self, address: str, document: Document | None, cursor: Cursor, rest: Sequence[str]) -> Page:
        """What the page shows, and the way to the `rest`."""
        start = int(cursor["start"])
        pictures = () if document is None or _says_no(document) else document.pictures
        base = urljoin(address, document.base) if document else address
        found = [
            candidate(INFO, url=urljoin(base, one.url), rank=start + rank, title=one.title, page_url=address)
            for rank, one in enumerate(pictures)
        ]
        return Page(
            candidates=_once([one for one in found if one]),
            next_cursor={**cursor, "pages": list(rest), "start": start + len(pictures)} if rest else None,
            is_cut_off=not rest and cursor["is_cut_off"],
        )

    def _document(self, address: str, *, must_be_there: bool) -> Document | None:
        """What the page holds; None for one of a sitemap's pages that is not there. Raises a SourceError."""
        answer = self._read_page(address)
        if isinstance(answer, Fetched):
            return document_of(_unpacked(answer.body), kind=answer.content_type)
        said = answer.detail or answer.reason
        if Reason(answer.reason) in RETRYABLE:
            raise SourceUnavailable(f"Web page could not read {address}: {said} It is tried again; else retry later.")
        if not must_be_there:
            return None
        if Reason(answer.reason) in {Reason.HTTP_404, Reason.INVALID_URL}:
            raise SourceBadRequest(f"Web page finds nothing at {address}: {said} Check the address.")
        raise SourceRefused(f"Web page may not read {address}: {said} Choose another page.")


def build(config: SourceConfig, services: Services) -> WebPageSource:
    return WebPageSource(config, services)


def _says_no(document: Document) -> bool:
    """Whether the page asks machines, by its meta robots, to leave its pictures alone."""
    return any(optouts.robots_tag({"x-robots-tag": said}).is_opt_out for said in document.robots)


def _on_same_host(addresses: Sequence[str], page: str) -> Iterator[str]:
    """Those that lead to the page's host, in one spelling."""
    host = urlsplit(page).netloc
    for address in addresses:
        try:
            spelled = normalise(urljoin(page, address))
        except InvalidUrl:
            continue
        if urlsplit(spelled).netloc == host:
            yield spelled


def _once(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Without repeats: og:image is mostly one of the page's pictures."""
    found: dict[str, Candidate] = {}
    for one in candidates:
        found.setdefault(one.url, one)
    return tuple(found.values())


def _unpacked(body: bytes) -> bytes:
    """A sitemap may come as a file that is packed; so much of it as is allowed."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        with gzip.open(io.BytesIO(body)) as packed:
            return packed.read(_MAX_UNPACKED_BYTES)
    except (OSError, EOFError):
        return b""
