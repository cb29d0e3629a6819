"""Tar shards of 5,000 pictures or as asked: <key>.jpg, <key>.json (every fact) and <key>.cls (the class number).

Pictures are called .jpg whatever their format is: Hugging Face `datasets` wants the same names in every sample, and the
readers go by the bytes. Beside each shard lies a Parquet of the same name with the columns that img2dataset writes.
Keys are the images' numbers in nine digits and have no dots: what follows the first dot is the kind of the file.
"""

import io
import json
import tarfile
from collections import Counter
from contextlib import ExitStack, closing
from itertools import islice
from typing import IO, Any, Final, cast

from datasets.exports.columns import values
from datasets.exports.parts import PartFile
from datasets.exports.pictures import read_picture
from datasets.exports.task import ALL_FORMATS, FileNames, Format, Task
from datasets.exports.types import SPLITS, ExportImage
from datasets.parquet import ColumnType, ParquetWriter

#: The extension of every picture.
PICTURE: Final = "jpg"

_SIDE_COLUMNS: Final[dict[str, ColumnType]] = {
    "url": "text",
    "caption": "text",
    "key": "text",
    "status": "text",
    "error_message": "text",
    "width": "integer",
    "height": "integer",
    "original_width": "integer",
    "original_height": "integer",
    "exif": "text",
    "sha256": "text",
}


def shard_name(split: str, number: int) -> str:
    """The name of a shard."""
    return f"{split}-{number:06}.tar"


def key_of(image_id: int) -> str:
    """What the names of a picture's files in a shard begin with."""
    return f"{image_id:09}"


def _file_names(task: Task) -> FileNames:
    """Where pictures lie, "train-000000.tar/000000017.jpg", when they are asked for in the order of their ids."""
    seen: Counter[str] = Counter()

    def file_name(image: ExportImage) -> str:
        shard = shard_name(image.split, seen[image.split] // task.export.pictures_per_shard)
        seen[image.split] += 1
        return f"{shard}/{key_of(image.id)}.{PICTURE}"

    return file_name


def _write(task: Task) -> None:
    written = 0
    for split in SPLITS:
        last_id = 0
        for number in range(-(-task.survey.in_split(split) // task.export.pictures_per_shard)):
            name = shard_name(split, number)
            part = task.folder.finished(name)
            if part is None:
                _write_shard(task, name, split=split, after_id=last_id, written=written)
                part = task.folder.finished(name)
            assert part is not None, "a shard that was written is finished"  # noqa: S101
            last_id, written = part.last_id, written + part.pictures
            task.export.progress(written, task.survey.pictures)


def _write_shard(task: Task, name: str, *, split: str, after_id: int, written: int) -> None:
    side_rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        # The side file is finished first: where the shard is there, it is, too.
        part = stack.enter_context(task.folder.writing(name))
        side = stack.enter_context(task.folder.writing(name.removesuffix(".tar") + ".parquet"))
        tar = stack.enter_context(tarfile.open(fileobj=cast(IO[bytes], part), mode="w", format=tarfile.USTAR_FORMAT))
        for image in islice(task.rows(after_id=after_id, split=split), task.export.pictures_per_shard):
            _add_sample(tar, task, image, read_picture(task.export, image))
            side_rows.append(_side_row(image))
            part.pictures += 1
            part.last_id = image.id
            task.export.progress(written + part.pictures, task.survey.pictures)
        _write_side(side, side_rows)


def _add_sample(tar: tarfile.TarFile, task: Task, image: ExportImage, body: bytes) -> None:
    facts = json.dumps(values(image), ensure_ascii=False, sort_keys=True)
    files = {"cls": str(task.class_numbers[image.label]).encode(), PICTURE: body, "json": facts.encode()}
    for extension, data in files.items():
        info = tarfile.TarInfo(f"{key_of(image.id)}.{extension}")
        info.size = len(data)
        info.mtime = int(task.export.facts.created_at.timestamp())
        tar.addfile(info, io.BytesIO(data))


def _side_row(image: ExportImage) -> dict[str, Any]:
    return {
        "url": image.url,
        "caption": image.title or image.label,
        "key": key_of(image.id),
        "status": "success",
        "error_message": None,
        "width": image.width_px,
        "height": image.height_px,
        "original_width": image.width_px,
        "original_height": image.height_px,
        "exif": "{}",
        "sha256": image.sha256,
    }


def _write_side(part: PartFile, rows: list[dict[str, Any]]) -> None:
    with closing(ParquetWriter(cast(IO[bytes], part), _SIDE_COLUMNS)) as writer:
        writer.write(rows)


WEBDATASET: Final = Format(
    name="webdataset",
    title="WebDataset",
    takes=ALL_FORMATS - {"AVIF"},
    manifest="parquet",
    file_names=_file_names,
    write=_write,
    split_files="{}-*.tar",
    loading="""import glob

import webdataset

shards = sorted(glob.glob("train-*.tar"))
samples = webdataset.WebDataset(shards, shardshuffle=False).decode("pil")""",
)
