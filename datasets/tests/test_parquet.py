"""Tables come back as they were written, and damage is told in words of our own."""

import io
from contextlib import closing
from typing import Any

import pytest

from datasets.parquet import ParquetError, ParquetReader, ParquetWriter

ROWS: list[dict[str, Any]] = [{"id": 1, "label": "wren", "tags": ["a", "b"]}, {"id": 2, "label": None, "tags": []}]


def written(rows: int) -> bytes:
    file = io.BytesIO()
    with closing(ParquetWriter(file, {"id": "integer", "label": "text", "tags": "texts"})) as writer:
        for _ in range(0, rows, len(ROWS)):
            writer.write(ROWS)
    return file.getvalue()


def test_a_table_comes_back_whole_and_by_columns() -> None:
    reader = ParquetReader(io.BytesIO(written(4_000)))
    assert reader.columns == ["id", "label", "tags"]
    assert list(reader.rows()) == ROWS * 2_000
    assert list(reader.rows(["label", "colour"])) == [{"label": "wren"}, {"label": None}] * 2_000


@pytest.mark.parametrize("kept", [0, 3, -1, -9])
def test_a_table_without_its_end_is_none(kept: int) -> None:
    with pytest.raises(ParquetError):
        ParquetReader(io.BytesIO(written(2)[:kept]))


def test_a_table_damaged_inside_is_told_while_it_is_read() -> None:
    whole = written(2)
    reader = ParquetReader(io.BytesIO(whole[:4] + b"\xff" * 200 + whole[204:]))
    with pytest.raises((ParquetError, OSError)):
        list(reader.rows())
