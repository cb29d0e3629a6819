"""What only one format of export has, checked by the rules of its readers. Each check yields sentences, problems."""

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, groupby, islice, zip_longest
from pathlib import Path
from typing import IO, Any, Final, Protocol

from datasets.exports.archive import COMPANIONS
from datasets.exports.coco import annotations_name
from datasets.exports.imagefolder import METADATA
from datasets.exports.labels import folder_names
from datasets.exports.types import SPLITS, ExportFacts
from datasets.exports.webdataset import PICTURE, key_of
from datasets.exports.yolo import FOLDERS
from datasets.exports.zip_reading import ZipEntry, ZipReader
from datasets.parquet import ParquetReader

_LIST: Final = re.compile(r'"(\w+)": \[')


class Examined(Protocol):
    """An export under examination, as datasets.exports.verify opens it."""

    folder: Path
    facts: ExportFacts
    class_numbers: dict[str, int]

    def rows(self, split: str = "") -> Iterator[dict[str, Any]]: ...
    def picture(self, row: dict[str, Any], body: bytes) -> Iterator[str]: ...


def _manifest(examined: Examined) -> Iterator[str]:
    """A manifest alone has nothing more to check."""
    return iter(())


def _imagefolder(examined: Examined) -> Iterator[str]:
    folders = folder_names(examined.facts.labels)
    archive = _archive(examined, "imagefolder")
    texts = {f"{split}/{METADATA}": split for split in _splits(examined)}
    yield from _wrong_members(examined, archive, texts, lambda row: f"{row['split']}/{folders[row['label']]}")
    for entry in _texts(archive, texts):
        split = texts[entry.name]
        with archive.open(entry) as lines:
            for row, line in zip_longest(examined.rows(split), lines):
                said = json.loads(line) if line else {}
                if (
                    not row
                    or f"{split}/{said.get('file_name')}" != row["file_name"]
                    or said.get("label") != row["label"]
                ):
                    yield f"{entry.name} does not name the pictures of its split in their order."
                    break


def _yolo(examined: Examined) -> Iterator[str]:
    folders = folder_names(examined.facts.labels)
    archive = _archive(examined, "yolo-cls")
    yield from _wrong_members(examined, archive, {}, lambda row: f"{FOLDERS[row['split']]}/{folders[row['label']]}")


def _coco(examined: Examined) -> Iterator[str]:
    archive = _archive(examined, "coco")
    texts = {annotations_name(split): split for split in _splits(examined)}
    yield from _wrong_members(examined, archive, texts, lambda row: f"images/{row['split']}")
    for entry in _texts(archive, texts):
        for section, key, expected in (
            ("images", "id", lambda row: (row["file_name"].rpartition("/")[2], row["width_px"], row["height_px"])),
            ("annotations", "image_id", lambda row: (examined.class_numbers[row["label"]] + 1,)),
        ):
            with archive.open(entry) as file:
                items = _coco_items(file, section)
                for row, item in zip_longest(examined.rows(texts[entry.name]), items):
                    if not row or not item or item[key] != row["id"] or _coco_facts(item) != expected(row):
                        yield f"{entry.name} does not have the {section} of its split in their order."
                        break


def _coco_facts(item: Mapping[str, Any]) -> tuple[Any, ...]:
    if "category_id" in item:
        return (item["category_id"],)
    return item["file_name"], item["width"], item["height"]


def _coco_items(file: IO[bytes], wanted: str) -> Iterator[dict[str, Any]]:
    """The items of a list in a file that has one a line. Raises ValueError for a file that is not so."""
    section, line = "", ""
    for line in io.TextIOWrapper(file, encoding="utf-8"):
        text = line.strip().removesuffix(",")
        if begun := _LIST.match(text):
            section = begun.group(1)
        elif text.startswith("]"):
            section = ""
        elif section == wanted:
            yield json.loads(text)
        elif section:
            json.loads(text)
    if line.strip() != "]}":
        raise ValueError("a list of annotations ends in the middle")


def _archive(examined: Examined, suffix: str) -> ZipReader:
    return ZipReader(examined.folder / f"{examined.facts.file_stem}-{suffix}.zip")


def _splits(examined: Examined) -> list[str]:
    """The splits that have pictures."""
    found = {row["split"] for row in examined.rows()}
    return [split for split in SPLITS if split in found]


def _texts(archive: ZipReader, names: Iterable[str]) -> list[ZipEntry]:
    """The entries of those names, which stand before all pictures."""
    wanted = set(names)
    return [entry for entry in islice(archive.entries(), len(COMPANIONS) + len(wanted)) if entry.name in wanted]


def _wrong_members(
    examined: Examined, archive: ZipReader, texts: Iterable[str], folder_of: Callable[[dict[str, Any]], str]
) -> Iterator[str]:
    """Whether the archive has its companions, its texts and the manifest's pictures, in this order and alone."""
    names = ((name, None) for name in (*COMPANIONS, *texts))
    pictures = ((row["file_name"], row) for row in examined.rows())
    for (name, row), entry in zip_longest(chain(names, pictures), archive.entries(), fillvalue=("", None)):
        if not isinstance(entry, ZipEntry) or entry.name != name:
            found = entry.name if isinstance(entry, ZipEntry) else "nothing"
            yield f"The archive has {found} where {name or 'its end'} belongs."
            return
        if row is not None:
            if name.rpartition("/")[0] != folder_of(row):
                yield f"{name} is not in the folder of its split and label."
            yield from examined.picture(row, archive.read(entry))


def _webdataset(examined: Examined) -> Iterator[str]:
    for split in SPLITS:
        for shard, rows in groupby(examined.rows(split), lambda row: row["file_name"].partition("/")[0]):
            yield from _wrong_shard(examined, shard, rows)


def _wrong_shard(examined: Examined, shard: str, rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    side = examined.folder / (shard.removesuffix(".tar") + ".parquet")
    with side.open("rb") as table, tarfile.open(examined.folder / shard, mode="r|") as tar:
        side_rows = ParquetReader(table).rows(["key", "sha256"])
        for row, side_row, sample in zip_longest(rows, side_rows, _samples(tar)):
            if not row or not side_row or not sample or sample.keys() != {"cls", PICTURE, "json", "key"}:
                yield f"{shard} or its Parquet does not have the pictures that belong to it."
                return
            key = key_of(row["id"]).encode()
            if sample["key"] != key or side_row != {"key": key.decode(), "sha256": row["sha256"]}:
                yield f"{shard} has the picture {sample['key'].decode()} where {key.decode()} belongs."
                return
            said = (int(sample["cls"]), json.loads(sample["json"])["id"])
            if said != (examined.class_numbers[row["label"]], row["id"]):
                yield f"{shard} says of the picture {key.decode()} what is not so."
            yield from examined.picture(row, sample[PICTURE])


def _samples(tar: tarfile.TarFile) -> Iterator[dict[str, bytes]]:
    """The files of a shard that share a key, by what follows its first dot, and the key."""
    for key, members in groupby(tar, lambda member: member.name.partition(".")[0]):
        sample = {"key": key.encode()}
        for member in members:
            file = tar.extractfile(member)
            sample[member.name.partition(".")[2]] = file.read() if file else b""
        yield sample


CHECKS: Final[Mapping[str, Callable[[Any], Iterator[str]]]] = {
    "imagefolder": _imagefolder,
    "webdataset": _webdataset,
    "parquet": _manifest,
    "csv": _manifest,
    "jsonl": _manifest,
    "coco": _coco,
    "yolo-cls": _yolo,
}
