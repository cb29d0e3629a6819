"""A ZIP of one folder per split, of which each has one per label and a metadata.jsonl, as Hugging Face `datasets` and
torchvision read them: train/<label>/<id>.<extension>."""

import json
from collections.abc import Callable
from functools import partial
from typing import Final

from datasets.exports.archive import write_archive
from datasets.exports.columns import flat_values
from datasets.exports.parts import PartFile
from datasets.exports.task import ALL_FORMATS, FileNames, Format, Task
from datasets.exports.types import SPLITS, ExportImage

METADATA: Final = "metadata.jsonl"

#: Columns that are always filled with the same kind of value: `datasets` guesses the kinds split by split, and refuses
#: splits that differ. The manifest has the others.
_METADATA_COLUMNS: Final = (
    "id", "label", "keyword", "sha256", "phash", "dhash", "size_bytes", "format", "width_px", "height_px", "frames",
    "source", "url", "page_url", "title", "creator", "creator_url", "licence_code", "licence_name", "licence_url",
    "attribution", "ml_use",
)  # fmt: skip


def _file_names(task: Task) -> FileNames:
    return lambda image: f"{image.split}/{_in_split(task, image)}"


def _in_split(task: Task, image: ExportImage) -> str:
    return f"{task.folders[image.label]}/{image.id}.{image.extension}"


def _write(task: Task) -> None:
    texts: dict[str, Callable[[PartFile], None]] = {
        f"{split}/{METADATA}": partial(_write_metadata, task, split) for split in SPLITS if task.survey.in_split(split)
    }
    write_archive(task, name=task.file_name("imagefolder.zip"), file_name=_file_names(task), texts=texts)


def _write_metadata(task: Task, split: str, part: PartFile) -> None:
    for image in task.rows(split=split):
        row = flat_values(image)
        line = {"file_name": _in_split(task, image), **{name: row[name] for name in _METADATA_COLUMNS}}
        part.write_text(json.dumps(line, ensure_ascii=False) + "\n")


IMAGEFOLDER: Final = Format(
    name="imagefolder",
    title="image folders",
    takes=ALL_FORMATS - {"AVIF"},
    manifest="parquet",
    file_names=_file_names,
    write=_write,
    split_files="{}/**",
    loading="""import zipfile

from datasets import load_dataset

zipfile.ZipFile("{stem}-imagefolder.zip").extractall("pictures")
dataset = load_dataset("imagefolder", data_dir="pictures")""",
)
