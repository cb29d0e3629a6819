"""Lists of image addresses as people bring them: text, CSV with a header, or JSON lines."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jobs.crawl.text import clean, clean_link
from jobs.crawl.urls import as_listed

COLUMNS = ("url", "label", "title", "licence", "page_url")

#: Longer than any line with an address and its columns: what is longer is not a list of addresses.
_MAX_LINE_LENGTH = 64 * 1024

_DELIMITERS = ",;\t"

#: A line of the list with its number, counted from 1 as an editor shows it.
_Line = tuple[int, str]
_Row = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUrl:
    """One line of a list. The address is taken as it stands: a bad one ends in the ledger, not in an error."""

    url: str
    label: str
    title: str = ""
    licence: str = ""
    page_url: str = ""


class LineSource(Protocol):
    """An open text file."""

    def readline(self, size: int, /) -> str: ...


class UrlListError(ValueError):
    """A list that cannot be read; the message names the line and what it takes."""


def parse_url_list(lines: Iterable[str], *, format: str = "auto", default_label: str) -> Iterator[ListedUrl]:
    """The list's lines one by one, never the whole list at once. Raises UrlListError.

    `format` is text, csv, jsonl or auto, which looks at the first line that is neither blank nor a comment (#).
    """
    if format not in ("auto", *_PARSERS):
        raise UrlListError(f"There is no list format “{format}”. Known are: auto, {', '.join(_PARSERS)}.")
    numbered = _from_first_line(lines)
    first = next(numbered, None)
    if first is None:
        return
    parser = _PARSERS[_guess(first[1]) if format == "auto" else format]
    for number, row in parser(first, numbered):
        url = row.get("url")
        listed = as_listed(url if isinstance(url, str) or url is None else str(url))
        if not listed:
            raise UrlListError(
                f"Line {number} of the list has no address in its column url. Write one there, or delete the line."
            )
        yield ListedUrl(
            url=listed,
            label=clean(row.get("label"), 200) or default_label,
            title=clean(row.get("title"), 300),
            licence=clean(row.get("licence") or row.get("license"), 100),
            page_url=clean_link(row.get("page_url")),
        )


def lines_of(file: LineSource) -> Iterator[str]:
    """The file's lines; one that is too long for a list is cut, so that a file without line breaks stays small here."""
    while line := file.readline(_MAX_LINE_LENGTH + 1):
        yield line


def _from_first_line(lines: Iterable[str]) -> Iterator[_Line]:
    """Numbered lines from the first on that is neither blank nor a comment, without a byte order mark."""
    has_begun = False
    for number, line in enumerate(lines, start=1):
        if len(line) > _MAX_LINE_LENGTH:
            raise UrlListError(
                f"Line {number} of the list is longer than {_MAX_LINE_LENGTH:,} characters. Write one address a line."
            )
        text = line if has_begun else line.lstrip("\ufeff")
        has_begun = has_begun or not _is_empty(text)
        if has_begun:
            yield number, text


def _is_empty(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _guess(first: str) -> str:
    if first.lstrip().startswith("{"):
        return "jsonl"
    return "csv" if _delimiter(first) else "text"


def _delimiter(header: str) -> str | None:
    """What separates the columns of a CSV header; None where no column is called url."""
    return next((mark for mark in _DELIMITERS if "url" in _columns(header, mark)), None)


def _columns(header: str, delimiter: str) -> list[str]:
    return [column.strip().strip('"').strip().lower() for column in header.split(delimiter)]


def _text(first: _Line, rest: Iterator[_Line]) -> Iterator[_Row]:
    yield first[0], {"url": first[1]}
    for number, line in rest:
        if not _is_empty(line):
            yield number, {"url": line}


def _csv(first: _Line, rest: Iterator[_Line]) -> Iterator[_Row]:
    delimiter = _delimiter(first[1])
    if delimiter is None:
        raise UrlListError(
            f"Line {first[0]}, the header of the CSV list, has no column url. Other columns it may have: "
            f"{', '.join(COLUMNS[1:])}."
        )
    header = _columns(first[1], delimiter)
    reader = csv.reader((line.replace("\x00", "\ufffd") for _, line in rest), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield first[0] + reader.line_num, dict(zip(header, row, strict=False))
    except csv.Error as error:
        number = first[0] + reader.line_num
        raise UrlListError(f"Line {number} of the list is not CSV ({error}). Mend the line.") from None


def _jsonl(first: _Line, rest: Iterator[_Line]) -> Iterator[_Row]:
    yield first[0], _json_object(first)
    for number, line in rest:
        if line.strip():
            yield number, _json_object((number, line))


def _json_object(line: _Line) -> Mapping[str, Any]:
    try:
        row = json.loads(line[1])
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise UrlListError(f'Line {line[0]} of the list is not a JSON object such as {{"url": "https://…"}}.')
    return row


_PARSERS: dict[str, Callable[[_Line, Iterator[_Line]], Iterator[_Row]]] = {
    "text": _text,
    "csv": _csv,
    "jsonl": _jsonl,
}
