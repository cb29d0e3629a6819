"""Tables of rows in Parquet files, written and read by pyarrow.

pyarrow takes some 30 MiB of a process, and every process knows of the formats that exports and lists may have. So it
is loaded by its name, as Django loads the backends that settings name, and only where there is such a file in hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, Final, Literal

ColumnType = Literal["integer", "text", "texts"]

#: Rows of a table in memory at once while it is read.
_ROWS: Final = 1_000


class ParquetError(ValueError):
    """The file is no Parquet table, or a damaged one."""


class ParquetWriter:
    """Writes a table, packed with zstd, into a file that stays its owner's to close."""

    def __init__(self, file: IO[bytes], columns: Mapping[str, ColumnType]) -> None:
        self._arrow = import_module("pyarrow")
        types = {
            "integer": self._arrow.int64(),
            "text": self._arrow.string(),
            "texts": self._arrow.list_(self._arrow.string()),
        }
        self._schema = self._arrow.schema([(name, types[type]) for name, type in columns.items()])
        self._writer = import_module("pyarrow.parquet").ParquetWriter(file, self._schema, compression="zstd")

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the rows, as a group of the file."""
        self._writer.write_table(self._arrow.Table.from_pylist(rows, schema=self._schema))

    def close(self) -> None:
        """Writes what makes the file whole."""
        self._writer.close()


class ParquetReader:
    """Reads a table a part at a time; `columns` are their names, in the file's order.

    Raises ParquetError, and OSError as reading files does.
    """

    def __init__(self, file: IO[bytes]) -> None:
        with _damage_told():
            self._file = import_module("pyarrow.parquet").ParquetFile(file)
        self.columns: list[str] = self._file.schema_arrow.names

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """One row after the other, with the columns asked for as far as the file has them, or with all."""
        with _damage_told():
            for batch in self._file.iter_batches(batch_size=_ROWS, columns=columns):
                yield from batch.to_pylist()


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except import_module("pyarrow").ArrowException as error:
        raise ParquetError(str(error)) from None
