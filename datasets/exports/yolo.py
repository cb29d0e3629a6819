"""A ZIP for YOLO's classification: train, val and test, each with one folder per label."""

from typing import Final

from datasets.exports.archive import write_archive
from datasets.exports.task import ALL_FORMATS, FileNames, Format, Task

#: Ultralytics looks for these folders.
FOLDERS: Final = {"train": "train", "validation": "val", "test": "test"}


def _file_names(task: Task) -> FileNames:
    return lambda image: f"{FOLDERS[image.split]}/{task.folders[image.label]}/{image.id}.{image.extension}"


def _write(task: Task) -> None:
    write_archive(task, name=task.file_name("yolo-cls.zip"), file_name=_file_names(task), texts={})


YOLO: Final = Format(
    name="yolo-cls",
    title="YOLO classification",
    takes=ALL_FORMATS - {"AVIF", "GIF"},
    manifest="parquet",
    file_names=_file_names,
    write=_write,
    loading="""import zipfile

zipfile.ZipFile("{stem}-yolo-cls.zip").extractall("pictures")
# With Ultralytics: YOLO("yolo11n-cls.pt").train(data="pictures")""",
)
