"""`folder`: pictures that lie on the server, in a folder or a ZIP file of the folders that the operator allows.

Where a ZIP file was uploaded with the job, jobs.crawl.sources.uploaded reads that instead.
"""

import os
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from datasets.outcomes import Reason
from jobs.crawl.archive import MAX_PICTURE_BYTES, PictureTooLarge, may_be_picture
from jobs.crawl.sources.base import (
    LocalSource,
    Option,
    Services,
    SourceBadRequest,
    SourceConfig,
    SourceInfo,
    SourceRefused,
    SourceUnavailable,
)
from jobs.crawl.sources.uploaded import UploadedSource
from jobs.crawl.text import clean
from jobs.crawl.types import Candidate, Cursor, Fetched, FetchFailure, Page, Query

INFO = SourceInfo(
    name="folder",
    title="Folder",
    hint="A ZIP file that you upload; or folders and ZIP files on the server, as far as the operator allows them: "
    "give paths as keywords.",
    licence_known=False,
    is_given=True,
    options=(
        Option(
            name="roots",
            kind="str",
            default="",
            meaning="Folders on every worker whose pictures may be taken, several with commas; unset: none.",
        ),
    ),
)

_PAGE: Final = 200
_SCHEME: Final = "folder:"

#: Files of a ZIP at most: their names are kept in memory while it is read.
_MOST_IN_ZIP: Final = 200_000

#: What zipfile raises for a file inside that is damaged, needs a password (RuntimeError) or an unknown method.
_BROKEN: Final = (OSError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class FolderSource:
    """Lists files by their path; the cursor is the last one that was listed. Reads them itself: nothing is fetched."""

    info = INFO

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._open: dict[Path, zipfile.ZipFile] = {}

    def page(self, query: Query, cursor: Cursor | None) -> Page:
        place = self._place_of(query.keyword)
        start, after = (int(cursor["start"]), str(cursor["after"])) if cursor else (0, "")
        try:
            # One more than a page, to know whether there is another.
            names = list(islice(self._names(place, after), _PAGE + 1))
        except OSError as error:
            raise SourceUnavailable(
                f"Folder could not read {query.keyword} ({error.strerror or error}). It is tried again; "
                "if it stays so, check that it is there and may be read on every worker."
            ) from None
        shown = names[:_PAGE]
        return Page(
            candidates=tuple(_candidate(place, name, start + rank) for rank, name in enumerate(shown)),
            next_cursor={"start": start + len(shown), "after": shown[-1]} if len(names) > _PAGE else None,
        )

    def read(self, candidate: Candidate) -> Fetched | FetchFailure:
        """The file's bytes, where it still lies below an allowed folder."""
        started = time.perf_counter()
        path, _, name = candidate.url.removeprefix(_SCHEME).partition("#")
        found = self._allowed(Path(path))
        if found is None:
            return FetchFailure(reason=Reason.BLOCKED_ADDRESS, detail=f"{path} is in no folder that is allowed.")
        try:
            body = self._in_zip(found, name) if name else _in_file(found)
        except _BROKEN as error:
            return FetchFailure(reason=Reason.HTTP_404, detail=f"The file cannot be read: {clean(str(error), 200)}.")
        if len(body) > MAX_PICTURE_BYTES:
            return FetchFailure(reason=Reason.TOO_LARGE, detail=str(PictureTooLarge()))
        return Fetched(body=body, final_url=candidate.url, seconds=time.perf_counter() - started)

    def _place_of(self, keyword: str) -> Path:
        """The folder or ZIP file that the keyword names. Raises a SourceError."""
        if not self._roots:
            raise SourceRefused(
                "Folder is off: no folder is allowed. Set PIXCRAWLER_FOLDER_ROOTS to those whose pictures may be "
                "taken, then restart the worker and retry."
            )
        # One path may lead into several of the roots: the first that has it counts.
        for given in (Path(keyword), *(root / keyword for root in self._roots)):
            found = self._allowed(given)
            if found is not None and (found.is_dir() or _is_zip(found)):
                return found
        raise SourceBadRequest(
            f"Folder finds no folder or ZIP file “{keyword}” in those of PIXCRAWLER_FOLDER_ROOTS. Check the spelling, "
            "and that it lies on every worker."
        )

    def _allowed(self, path: Path) -> Path | None:
        """Where the path really leads; None where that is in no allowed folder."""
        try:
            real = path.resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            return None
        return real if any(real.is_relative_to(root) for root in self._roots) else None

    def _names(self, place: Path, after: str) -> Iterator[str]:
        """The files below a place that may be pictures, in order, behind `after`."""
        if place.is_dir():
            yield from _below(place, tuple(after.split("/")) if after else ())
            return
        names = sorted(name for name in self._zip(place).namelist() if may_be_picture(name))
        yield from (name for name in names if name > after)

    def _zip(self, path: Path) -> zipfile.ZipFile:
        """The ZIP file, read once. Raises a SourceError."""
        if path not in self._open:
            try:
                archive = zipfile.ZipFile(path)
            except (zipfile.BadZipFile, NotImplementedError) as error:
                raise SourceBadRequest(f"Folder cannot read {path.name}: {error}. Pack it again.") from None
            if len(archive.namelist()) > _MOST_IN_ZIP:
                raise SourceBadRequest(
                    f"Folder takes ZIP files of {_MOST_IN_ZIP:,} files at most, and {path.name} has more. Unpack it."
                )
            self._open[path] = archive
        return self._open[path]

    def _in_zip(self, path: Path, name: str) -> bytes:
        with self._zip(path).open(name) as file:
            return file.read(MAX_PICTURE_BYTES + 1)


def build(config: SourceConfig, services: Services) -> LocalSource:
    if services.archive is not None:
        return UploadedSource(INFO, services.archive)
    given = (part.strip() for part in config.options.get("roots", "").split(","))
    return FolderSource([Path(part).expanduser().resolve() for part in given if part])


def _candidate(place: Path, name: str, rank: int) -> Candidate:
    url = f"{_SCHEME}{place}#{name}" if not place.is_dir() else f"{_SCHEME}{place / name}"
    return Candidate(
        url=url, source=INFO.name, source_id=clean(name, 200), title=clean(Path(name).stem, 300), rank=rank
    )


def _below(folder: Path, after: tuple[str, ...], before: str = "") -> Iterator[str]:
    """Files in order of their names, folder by folder, behind the place `after`; hidden ones are passed over."""
    with os.scandir(folder) as entries:
        found: Mapping[str, os.DirEntry[str]] = {entry.name: entry for entry in entries}
    first = after[0] if after else ""
    for name in sorted(found):
        if name < first or name.startswith("."):
            continue
        if found[name].is_dir(follow_symlinks=False):
            yield from _below(folder / name, after[1:] if name == first else (), f"{before}{name}/")
        elif may_be_picture(name) and not (name == first and len(after) == 1):
            yield f"{before}{name}"


def _is_zip(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == ".zip"


def _in_file(path: Path) -> bytes:
    """The bytes of a plain file: a pipe or a device would never end. Raises OSError."""
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is no plain file")
        return file.read(MAX_PICTURE_BYTES + 1)
