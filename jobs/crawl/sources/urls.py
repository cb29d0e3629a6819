"""`urls`: a list of image addresses that came with the job."""

from jobs.crawl.sources.base import Services, SourceConfig, SourceInfo, WindowReader
from jobs.crawl.sources.mapping import stated_licence
from jobs.crawl.types import Candidate, Cursor, Page, Query
from jobs.crawl.url_list import ListedUrl

INFO = SourceInfo(
    name="urls",
    title="List of URLs",
    hint="Paste addresses or upload a file.",
    licence_known=False,
    needs_keyword=False,
    is_given=True,
)


#: Lines of a page. Cursors of strands that are under way count on it.
PAGE = 100


class UrlListSource:
    """Reads the job's list a page at a time.

    The cursor is {"position": the line of the label's part of the list, from 0}, and for one of several readers (see
    `strand_cursor`) "step", the lines from one of its pages to the next.
    """

    info = INFO

    def __init__(self, read_window: WindowReader, *, page_size: int = PAGE) -> None:
        self._read_window = read_window
        self._page_size = page_size

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        place = cursor or {"position": 0}
        start = int(place["position"])
        end = start + int(place.get("step", self._page_size))
        lines = self._read_window(query.label, start, self._page_size)
        has_more = len(lines) == self._page_size and bool(self._read_window(query.label, end, 1))
        return Page(
            candidates=tuple(_candidate(line, start + index) for index, line in enumerate(lines)),
            next_cursor={**place, "position": end} if has_more else None,
        )


def strand_cursor(strand: int, *, of: int) -> Cursor | None:
    """Where one of several readers begins, who read the list together: each takes every `of`-th page."""
    return {"position": strand * PAGE, "step": of * PAGE} if of > 1 else None


def build(config: SourceConfig, services: Services) -> UrlListSource:  # noqa: ARG001 - nothing to set
    return UrlListSource(services.read_list)


def _candidate(line: ListedUrl, rank: int) -> Candidate:
    licence = stated_licence(line.licence)
    return Candidate(
        url=line.url,
        source=INFO.name,
        title=line.title,
        licence_code=licence.code,
        licence_version=licence.version,
        licence_url=licence.url,
        page_url=line.page_url,
        rank=rank,
    )
