"""Manifests: one row per picture with every fact, hash, origin and right, as Parquet, CSV or JSON lines."""

import csv
import json
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final, Literal, Protocol, cast

from datasets.exports.columns import COLUMNS, Kind, flat_values
from datasets.exports.parts import PartFile
from datasets.exports.task import ALL_FORMATS, Format, Task
from datasets.exports.types import ExportImage
from datasets.parquet import ColumnType, ParquetReader, ParquetWriter
from datasets.spreadsheet import safe_cell

_ROW_GROUP: Final = 5_000
_PARQUET_TYPES: Final[dict[Kind, ColumnType]] = {
    "integer": "integer",
    "text": "text",
    "time": "text",
    "texts": "texts",
    "object": "text",
}


class Manifest(Protocol):
    """Takes one picture after the other. `file_name` is where it lies, None where the export holds no pictures."""

    def add(self, image: ExportImage, file_name: str | None) -> None: ...
    def close(self) -> None: ...


class CsvManifest:
    """Comma-separated, UTF-8; no cell of it is run by a spreadsheet. Lists and objects are JSON."""

    def __init__(self, part: PartFile, *, with_files: bool) -> None:
        self._writer = csv.DictWriter(TextOutput(part), _names(with_files))
        self._writer.writeheader()

    def add(self, image: ExportImage, file_name: str | None) -> None:
        row = _with_file(flat_values(image), file_name)
        self._writer.writerow({name: safe_cell(value) for name, value in row.items()})

    def close(self) -> None:
        pass


class JsonLinesManifest:
    """One JSON object a line, UTF-8. Objects in it are JSON text, so that every line has the same columns."""

    def __init__(self, part: PartFile, *, with_files: bool) -> None:  # noqa: ARG002 # each line says what it has
        self._part = part

    def add(self, image: ExportImage, file_name: str | None) -> None:
        self._part.write_text(
            json.dumps(_with_file({**flat_values(image), "tags": list(image.tags)}, file_name), ensure_ascii=False)
            + "\n"
        )

    def close(self) -> None:
        pass


class ParquetManifest:
    """Parquet, packed with zstd, in groups of 5,000 rows. Objects are JSON text."""

    def __init__(self, part: PartFile, *, with_files: bool) -> None:
        types = {column.name: _PARQUET_TYPES[column.kind] for column in COLUMNS}
        self._rows: list[dict[str, Any]] = []
        self._writer = ParquetWriter(
            cast(IO[bytes], part), {name: types.get(name, "text") for name in _names(with_files)}
        )

    def add(self, image: ExportImage, file_name: str | None) -> None:
        row = flat_values(image)
        self._rows.append(_with_file({**row, "tags": list(image.tags)}, file_name))
        if len(self._rows) == _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write(self._rows)
            self._rows.clear()


MANIFESTS: Final[Mapping[str, type[CsvManifest] | type[JsonLinesManifest] | type[ParquetManifest]]] = {
    "parquet": ParquetManifest,
    "csv": CsvManifest,
    "jsonl": JsonLinesManifest,
}


class TextOutput:
    """What the csv module writes to: text that becomes a part's bytes."""

    def __init__(self, part: PartFile) -> None:
        self._part = part

    def write(self, text: str) -> int:
        return self._part.write(text.encode())


def manifest_name(format: Format) -> str:
    """The name of the manifest that an export of that format holds."""
    return f"manifest.{format.manifest}"


def read_manifest(file: IO[bytes], kind: str) -> Iterator[dict[str, Any]]:
    """The rows of a manifest, one after the other. Raises ValueError for one that is broken."""
    if kind == "parquet":
        yield from ParquetReader(file).rows()
    elif kind == "jsonl":
        yield from (json.loads(line) for line in file)
    else:
        lines = (line.decode() for line in file)
        for row in csv.DictReader(lines, strict=True):
            integers = (column.name for column in COLUMNS if column.kind == "integer" and row[column.name])
            yield {**row, **{name: int(row[name]) for name in integers}}


def _names(with_files: bool) -> list[str]:
    return [*(("file_name",) if with_files else ()), *(column.name for column in COLUMNS)]


def _with_file(row: dict[str, Any], file_name: str | None) -> dict[str, Any]:
    return row if file_name is None else {"file_name": file_name, **row}


def _nothing_more(task: Task) -> None:
    """A manifest's export is its manifest, which every export has."""


def _manifest_format(name: Literal["parquet", "csv", "jsonl"], title: str, loading: str) -> Format:
    return Format(
        name=name,
        title=title,
        takes=ALL_FORMATS,
        manifest=name,
        file_names=None,
        write=_nothing_more,
        loading=loading,
    )


PARQUET: Final = _manifest_format(
    "parquet", "Parquet", 'import pyarrow.parquet\n\ntable = pyarrow.parquet.read_table("manifest.parquet")'
)
CSV: Final = _manifest_format("csv", "CSV", 'import pandas\n\ntable = pandas.read_csv("manifest.csv")')
JSONL: Final = _manifest_format(
    "jsonl", "JSON lines", 'import pandas\n\ntable = pandas.read_json("manifest.jsonl", lines=True)'
)
