"""What the source `folder` does where a ZIP file was uploaded with the job: it reads that one, and no folder."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Final

from datasets.outcomes import Reason
from jobs.crawl.archive import Archive, ArchiveError, Entry, PictureTooLarge
from jobs.crawl.sources.base import GivenArchive, SourceBadRequest, SourceInfo, SourceUnavailable
from jobs.crawl.text import clean
from jobs.crawl.types import Candidate, Cursor, Fetched, FetchFailure, Page, Query

_PAGE: Final = 200
_SCHEME: Final = "folder:"


class UploadedSource:
    """Lists a label's pictures in the order of the archive; the cursor counts those that were listed."""

    def __init__(self, info: SourceInfo, given: GivenArchive) -> None:
        self.info = info
        self._given = given

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        entries = self._by_label.get(query.label, ())
        start = int(cursor["start"]) if cursor else 0
        shown = entries[start : start + _PAGE]
        end = start + len(shown)
        return Page(
            candidates=tuple(self._candidate(entry, start + rank) for rank, entry in enumerate(shown)),
            next_cursor={"start": end} if end < len(entries) else None,
            total=len(entries),
        )

    def read(self, candidate: Candidate) -> Fetched | FetchFailure:
        """The entry's bytes. Raises a SourceError where the whole archive cannot be read."""
        started = time.perf_counter()
        number = candidate.url.partition("#")[2].partition("/")[0]
        try:
            body = self._archive.read(int(number))
        except PictureTooLarge as error:
            return FetchFailure(reason=Reason.TOO_LARGE, detail=str(error))
        except ValueError as error:
            return FetchFailure(reason=Reason.HTTP_404, detail=clean(str(error), 300))
        except OSError as error:
            raise _out_of_reach(error) from None
        return Fetched(body=body, final_url=candidate.url, seconds=time.perf_counter() - started)

    @cached_property
    def _archive(self) -> Archive:
        """The archive, opened once. Raises a SourceError."""
        try:
            return Archive(self._given.open())
        except FileNotFoundError:
            raise SourceBadRequest(
                "The uploaded ZIP file is there no more: it is kept until some days after the job's end. Start a new "
                "crawl with it; pictures that were kept are skipped then."
            ) from None
        except OSError as error:
            raise _out_of_reach(error) from None
        except ArchiveError as error:
            raise SourceBadRequest(f"{error} Then start a new crawl with it.") from None

    @cached_property
    def _by_label(self) -> Mapping[str, Sequence[Entry]]:
        found: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self._archive.pictures:
            found[entry.folder or self._given.root_label].append(entry)
        return found

    def _candidate(self, entry: Entry, rank: int) -> Candidate:
        return Candidate(
            url=f"{_SCHEME}{self._given.name}#{entry.number}/{entry.name}",
            source=self.info.name,
            source_id=entry.name,
            title=clean(PurePosixPath(entry.name).stem, 300),
            rank=rank,
        )


def _out_of_reach(error: OSError) -> SourceUnavailable:
    return SourceUnavailable(
        f"The uploaded ZIP file could not be read ({error.strerror or error}). It is tried again; if it stays "
        "so, check that the media store is there and may be read on every worker."
    )
