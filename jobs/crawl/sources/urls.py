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


class UrlListSource:
    """Reads the job's list a window at a time; the cursor is the position in the label's part of the list."""

    info = INFO

    def __init__(self, read_window: WindowReader, *, window: int = 100) -> None:
        self._read_window = read_window
        self._window = window

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        start = int(cursor["position"]) if cursor else 0
        # One more than the window, to know whether there is another page.
        lines = self._read_window(query.label, start, self._window + 1)
        shown = lines[: self._window]
        return Page(
            candidates=tuple(_candidate(line, start + index) for index, line in enumerate(shown)),
            next_cursor={"position": start + len(shown)} if len(lines) > len(shown) else None,
        )


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
