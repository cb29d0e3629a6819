"""Which page to ask for next, where a service numbers its pages and gives only so many results."""

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.crawl.types import Candidate, Cursor, Page


@dataclass(frozen=True, slots=True)
class Window:
    """Page `page` (from 1) of `size` results; its first result is number `start` (from 0)."""

    page: int
    size: int

    @property
    def start(self) -> int:
        return (self.page - 1) * self.size

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumbers:
    """Pages of a fixed size, no deeper than `cap` results (None: no cap). The cursor is {"page": number}.

    Where the cap cuts the last page, a smaller size is asked for whose pages begin at the same result; `least_size` is
    the smallest that the service takes.
    """

    size: int
    cap: int | None
    least_size: int = 1

    def at(self, cursor: Cursor | None) -> Window | None:
        """What to ask for; None behind the last page."""
        page = int(cursor["page"]) if cursor else 1
        size = max(self.least_size, self.size)
        window = Window(page, size)
        if self.cap is None or window.end <= self.cap:
            return window
        left = self.cap - window.start
        sizes = range(min(left, size), self.least_size - 1, -1)
        fitting = next((smaller for smaller in sizes if window.start % smaller == 0), None)
        return Window(window.start // fitting + 1, fitting) if fitting else None

    def deliverable(self, count: int | None) -> int | None:
        """How many of `count` results can be had; None where the service does not count."""
        return count if count is None or self.cap is None else min(count, self.cap)

    def after(self, window: Window, cursor: Cursor | None, *, is_end: bool) -> tuple[Cursor | None, bool]:
        """The next cursor, and whether the list is cut off here. `is_end`: the service has no more than this page."""
        is_cut = window.size < max(self.least_size, self.size)
        at_cap = self.cap is not None and (is_cut or window.end + self.least_size > self.cap)
        if is_end or at_cap:
            return None, at_cap and not is_end
        return {"page": (int(cursor["page"]) if cursor else 1) + 1}, False

    def page(
        self,
        window: Window,
        cursor: Cursor | None,
        candidates: Iterable[Candidate | None],
        *,
        total: int | None,
        is_end: bool,
    ) -> Page:
        """What was found in the window, `total` as the service counts; results without an address are left out."""
        next_cursor, is_cut_off = self.after(
            window, cursor, is_end=is_end or (total is not None and window.end >= total)
        )
        return Page(
            candidates=tuple(one for one in candidates if one),
            next_cursor=next_cursor,
            total=self.deliverable(total),
            is_cut_off=is_cut_off,
        )
