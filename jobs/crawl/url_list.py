"""Lists of image addresses as people bring them: text, CSV with a header, or JSON lines."""

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.crawl.text import clean
from jobs.crawl.urls import MAX_URL_LENGTH

COLUMNS = ("url", "label", "title", "licence", "page_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUrl:
    """One line of a list. The address is taken as it stands: a bad one ends in the ledger, not in an error."""

    url: str
    label: str
    title: str = ""
    licence: str = ""
    page_url: str = ""


class UrlListError(ValueError):
    """A list that cannot be read; the message names the line and what it takes."""


def parse_url_list(lines: Iterable[str], *, format: str = "auto", default_label: str) -> Iterator[ListedUrl]:
    """The list's lines one by one, never the whole list at once. Raises UrlListError.

    `format` is text, csv, jsonl or auto, which looks at the first line that is not blank.
    """
    stream = iter(lines)
    first = next((line for line in stream if line.strip()), "").lstrip("\ufeff")
    chosen = _guess(first) if format == "auto" else format
    if chosen not in _PARSERS:
        raise UrlListError(f"There is no list format “{format}”. Known are: {', '.join(_PARSERS)}.")
    for number, row in _PARSERS[chosen](itertools.chain([first], stream)):
        url = str(row.get("url") or "").strip()
        if not url:
            raise UrlListError(f"Line {number} of the list has no address in its column url.")
        yield ListedUrl(
            url=url.replace("\x00", "")[: MAX_URL_LENGTH + 1],
            label=clean(row.get("label"), 200) or default_label,
            title=clean(row.get("title"), 300),
            licence=clean(row.get("licence") or row.get("license"), 100),
            page_url=str(row.get("page_url") or "").strip()[:MAX_URL_LENGTH],
        )


def _guess(first: str) -> str:
    if first.lstrip().startswith("{"):
        return "jsonl"
    columns = [column.strip().strip('"').lower() for column in first.split(",")]
    return "csv" if "url" in columns else "text"


def _text(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, {"url": line}


def _csv(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(line.replace("\x00", "") for line in lines)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        if "url" not in header:
            raise UrlListError(
                f"The CSV list needs a header with the column url; also known: {', '.join(COLUMNS[1:])}."
            )
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, dict(zip(header, row, strict=False))
    except csv.Error as error:
        raise UrlListError(f"Line {reader.line_num} of the list is not CSV ({error}). Mend the line.") from None


def _jsonl(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UrlListError(f"Line {number} of the list is not a JSON object such as {{“url”: “https://…”}}.")
        yield number, row


_PARSERS: dict[str, Callable[[Iterable[str]], Iterator[tuple[int, Mapping[str, Any]]]]] = {
    "text": _text,
    "csv": _csv,
    "jsonl": _jsonl,
}
