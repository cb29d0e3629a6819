"""Past a service's cap: what one search does not give, its parts do.

First the whole query is read. Where its list was cut off by the cap, it is read again in the parts that the source's
own filters cut it into, and a part that is cut off too in its own parts. All of that stands in the cursor, so whoever
goes on from a written place is in the same part: {"path": [numbers of the parts, outermost first], "cursor": the
source's own}. A cursor of the whole query is the source's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.crawl.sources.base import SlicedSource, Source
from jobs.crawl.types import Cursor, Page, Query, Slice


def page_of(source: Source, query: Query, cursor: Cursor | None) -> Page:
    """The page at the cursor, with a next cursor that leads through the parts as well. Raises a SourceError."""
    if not isinstance(source, SlicedSource):
        return source.page(query, cursor)
    path, inner = _place(cursor)
    part = slice_at(source, query, path)
    page = source.page(replace(query, slice=part), inner)
    # What a part has is not what the keyword has.
    total = None if path else page.total
    return replace(page, next_cursor=_next(source, query, path, part, page), total=total)


def slice_at(source: SlicedSource, query: Query, path: Sequence[int]) -> Slice | None:
    """The part that the path leads to; None: the whole query. A path that leads nowhere ends at its last part."""
    part: Slice | None = None
    for number in path:
        parts = source.slices(replace(query, slice=part))
        if number >= len(parts):
            break
        part = parts[number]
    return part


def is_in_parts(cursor: Cursor | None) -> bool:
    """Whether the place lies behind the whole query's own list."""
    return bool(_place(cursor)[0])


def _place(cursor: Cursor | None) -> tuple[list[int], Cursor | None]:
    if cursor is None or "path" not in cursor:
        return [], cursor
    place: Mapping[str, Any] = cursor
    return list(place["path"]), place["cursor"]


def _next(source: SlicedSource, query: Query, path: list[int], part: Slice | None, page: Page) -> Cursor | None:
    if page.next_cursor is not None:
        return {"path": path, "cursor": page.next_cursor} if path else page.next_cursor
    if page.is_cut_off and source.slices(replace(query, slice=part)):
        return {"path": [*path, 0], "cursor": None}
    while path:
        *above, number = path
        siblings = source.slices(replace(query, slice=slice_at(source, query, above)))
        if number + 1 < len(siblings):
            return {"path": [*above, number + 1], "cursor": None}
        path = above
    return None
