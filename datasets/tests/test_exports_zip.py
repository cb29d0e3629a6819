"""Archives of any size: what zipfile reads is what was written, and what our reader reads is what zipfile reads."""

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from datasets.exports.parts import PartFile
from datasets.exports.zip_reading import ZipReader
from datasets.exports.zip_stream import ZipState, ZipWriter

GIB = 1024**3


@contextmanager
def written(path: Path) -> Iterator[ZipWriter]:
    with path.open("wb") as file, io.BytesIO() as directory:
        writer = ZipWriter(PartFile(file), directory, modified=datetime(1970, 1, 1), state=ZipState())
        yield writer
        writer.end()


def bodies(count: int) -> Mapping[str, bytes]:
    return {f"train/köln {n % 7}/{n}.jpg": b"picture %d" % n for n in range(count)}


@pytest.mark.parametrize("count", [0, 1, 0xFFFE, 0xFFFF])
def test_an_archive_holds_as_many_files_as_are_put_in(count: int, tmp_path: Path) -> None:
    with written(tmp_path / "a.zip") as writer:
        for name, body in bodies(count).items():
            writer.add(name, body)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()[:200]} == dict(
            list(bodies(count).items())[:200]
        )
        assert archive.namelist() == list(bodies(count))
    assert [entry.name for entry in ZipReader(tmp_path / "a.zip").entries()] == list(bodies(count))


def test_files_behind_four_gigabytes_are_found(tmp_path: Path) -> None:
    moment, path = datetime(2026, 1, 1), tmp_path / "a.zip"
    with path.open("wb") as file, io.BytesIO() as directory:
        begun = ZipWriter(PartFile(file), directory, modified=moment, state=ZipState())
        begun.add("first.jpg", b"first")
        # A hole of zeros takes no room and no time.
        file.truncate(5 * GIB)
        file.seek(5 * GIB)
        state = replace(begun.state, size_bytes=5 * GIB)
        writer = ZipWriter(PartFile(file, written=5 * GIB), directory, modified=moment, state=state)
        writer.add("last.jpg", b"last")
        writer.end()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("first.jpg") == b"first"
        assert archive.read("last.jpg") == b"last"
        assert archive.getinfo("last.jpg").header_offset == 5 * GIB
    reader = ZipReader(tmp_path / "a.zip")
    assert [reader.read(entry) for entry in reader.entries()] == [b"first", b"last"]


def test_a_file_is_added_from_the_disk_in_pieces(tmp_path: Path) -> None:
    body = os.urandom(3 * 1024 * 1024 + 17)
    (tmp_path / "metadata.jsonl").write_bytes(body)
    with written(tmp_path / "a.zip") as writer:
        writer.add_file("train/metadata.jsonl", tmp_path / "metadata.jsonl")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("train/metadata.jsonl") == body
    (entry,) = ZipReader(tmp_path / "a.zip").entries()
    assert ZipReader(tmp_path / "a.zip").read(entry) == body


#: Where an archive of one file is hit: magic, checksum and lengths of the file's header; its bytes; checksum and place
#: in the directory; number, size and place in the end.
PLACES = [0, 14, 18 + 4, 26, 40, -73 + 16, -73 + 42, -12, -10, -6]


@pytest.mark.parametrize("at", PLACES)
def test_a_damaged_archive_is_told(at: int, tmp_path: Path) -> None:
    with written(tmp_path / "a.zip") as writer:
        writer.add("a.jpg", b"picture" * 20)
    body = bytearray((tmp_path / "a.zip").read_bytes())
    body[at] ^= 0x7F
    (tmp_path / "a.zip").write_bytes(body)
    reader = ZipReader(tmp_path / "a.zip")
    with pytest.raises(ValueError, match=r"archive|header|damaged"):
        [reader.read(entry) for entry in reader.entries()]
