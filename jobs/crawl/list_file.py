"""Lists of addresses as files: text, packed by gzip, or a Parquet table."""

import gzip
import io
import json
from collections.abc import Iterator
from typing import IO, Final

from datasets.parquet import ParquetError, ParquetReader
from jobs.crawl.url_list import COLUMNS, UrlListError, lines_of

_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"

#: What other programs call our columns, in lower case.
_ALSO_CALLED: Final = {"caption": "title", "text": "title", "license": "licence"}


def lines_of_file(file: IO[bytes]) -> Iterator[str]:
    """The list's lines, one at a time; a row of a Parquet table as a line of JSON. Raises UrlListError."""
    try:
        beginning = _beginning(file)
        if beginning == _PARQUET:
            yield from _rows(file)
        elif beginning.startswith(_GZIP):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield from _text(unpacked)
        else:
            yield from _text(file)
    except (OSError, EOFError, UnicodeDecodeError, ParquetError) as error:
        raise UrlListError(
            f"The file cannot be read ({error}). It has to be text in UTF-8, the same packed by gzip, or Parquet."
        ) from None


def _beginning(file: IO[bytes]) -> bytes:
    """The first bytes, left where they are: a pipe gives them once."""
    if isinstance(file, io.BufferedReader):
        return file.peek(4)[:4]
    beginning = file.read(4)
    file.seek(0)
    return beginning


def _text(file: IO[bytes] | gzip.GzipFile) -> Iterator[str]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig")
    try:
        yield from lines_of(text)
    finally:
        # The file stays its owner's to close.
        text.detach()


def _rows(file: IO[bytes]) -> Iterator[str]:
    table = ParquetReader(file)
    names = {name: _ours(name) for name in table.columns if _ours(name) in COLUMNS}
    if "url" not in names.values():
        raise UrlListError(f"The Parquet table has no column url. Other columns it may have: {', '.join(COLUMNS[1:])}.")
    for row in table.rows(list(names)):
        yield json.dumps({names[name]: value for name, value in row.items()}, default=str)


def _ours(name: str) -> str:
    return _ALSO_CALLED.get(name.lower(), name.lower())
