"""What only one format of export has, checked by the rules of its readers. Each check yields sentences, problems."""

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby, zip_longest
from pathlib import Path
from typing import IO, Any, Final, Protocol

import pyarrow.parquet as pq

from datasets.exports.archive import COMPANIONS
from datasets.exports.coco import annotations_name
from datasets.exports.imagefolder import METADATA
from datasets.exports.labels import folder_names
from datasets.exports.types import SPLITS, ExportFacts
from datasets.exports.webdataset import PICTURE, key_of
from datasets.exports.yolo import FOLDERS

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
    with _archive(examined, "imagefolder") as archive:
        texts = {f"{split}/{METADATA}" for split in SPLITS if any(examined.rows(split))}
        yield from _wrong_members(examined, archive, texts, lambda row: f"{row['split']}/{folders[row['label']]}")
        for split in (text.partition("/")[0] for text in texts):
            with archive.open(f"{split}/{METADATA}") as lines:
                for row, line in zip_longest(examined.rows(split), lines):
                    said = json.loads(line) if line else {}
                    if (
                        not row
                        or f"{split}/{said.get('file_name')}" != row["file_name"]
                        or said.get("label") != row["label"]
                    ):
                        yield f"{split}/{METADATA} does not name the pictures of its split in their order."
                        break


def _yolo(examined: Examined) -> Iterator[str]:
    folders = folder_names(examined.facts.labels)
    with _archive(examined, "yolo-cls") as archive:
        yield from _wrong_members(
            examined, archive, set(), lambda row: f"{FOLDERS[row['split']]}/{folders[row['label']]}"
        )


def _coco(examined: Examined) -> Iterator[str]:
    with _archive(examined, "coco") as archive:
        splits = [split for split in SPLITS if any(examined.rows(split))]
        texts = {annotations_name(split) for split in splits}
        yield from _wrong_members(examined, archive, texts, lambda row: f"images/{row['split']}")
        for split in splits:
            for section, key, expected in (
                ("images", "id", lambda row: (row["file_name"].rpartition("/")[2], row["width_px"], row["height_px"])),
                ("annotations", "image_id", lambda row: (examined.class_numbers[row["label"]] + 1,)),
            ):
                with archive.open(annotations_name(split)) as file:
                    items = _coco_items(file, section)
                    for row, item in zip_longest(examined.rows(split), items):
                        if not row or not item or item[key] != row["id"] or _coco_facts(item) != expected(row):
                            yield f"{annotations_name(split)} does not have the {section} of its split in their order."
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


def _archive(examined: Examined, suffix: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(examined.folder / f"{examined.facts.file_stem}-{suffix}.zip")


def _wrong_members(
    examined: Examined, archive: zipfile.ZipFile, texts: set[str], folder_of: Callable[[dict[str, Any]], str]
) -> Iterator[str]:
    """Pictures of the manifest that the archive lacks or has elsewhere, and members that nothing names."""
    expected = 0
    for row in examined.rows():
        expected += 1
        if row["file_name"].rpartition("/")[0] != folder_of(row):
            yield f"{row['file_name']} is not in the folder of its split and label."
        try:
            body = archive.read(row["file_name"])
        except KeyError:
            yield f"{row['file_name']} is not in the archive."
            continue
        except zipfile.BadZipFile as error:
            yield f"{row['file_name']} cannot be read: {error}."
            continue
        yield from examined.picture(row, body)
    named = expected + len(texts) + len(COMPANIONS)
    if len(archive.infolist()) != named or not all(name in archive.NameToInfo for name in (*texts, *COMPANIONS)):
        yield f"The archive has {len(archive.infolist())} files, not the {named} that belong to it."


def _webdataset(examined: Examined) -> Iterator[str]:
    for split in SPLITS:
        for shard, rows in groupby(examined.rows(split), lambda row: row["file_name"].partition("/")[0]):
            yield from _wrong_shard(examined, shard, rows)


def _wrong_shard(examined: Examined, shard: str, rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    side = examined.folder / (shard.removesuffix(".tar") + ".parquet")
    keys = pq.read_table(side, columns=["key", "sha256"]).to_pylist()
    with tarfile.open(examined.folder / shard, mode="r|") as tar:
        for row, side_row, sample in zip_longest(rows, keys, _samples(tar)):
            if not row or not side_row or not sample or sample.keys() != {"cls", PICTURE, "json", "key"}:
                yield f"{shard} or its Parquet does not have the pictures that belong to it."
                return
            key = key_of(row["id"]).encode()
            if sample["key"] != key or side_row != {"key": key.decode(), "sha256": row["sha256"]}:
                yield f"{shard} has the picture {sample['key'].decode()} where {key.decode()} belongs."
                return
            if (
                int(sample["cls"]) != examined.class_numbers[row["label"]]
                or json.loads(sample["json"])["id"] != row["id"]
            ):
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
