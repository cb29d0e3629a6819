"""The door of the exports: which formats there are, and how one is written, from the first row to the checksums."""

from typing import Final

from datasets.exports.card import write_card
from datasets.exports.coco import COCO
from datasets.exports.croissant import write_croissant
from datasets.exports.imagefolder import IMAGEFOLDER
from datasets.exports.manifests import CSV, JSONL, PARQUET
from datasets.exports.side_files import write_side_files
from datasets.exports.task import Format, begin
from datasets.exports.types import Export, ExportError, Report
from datasets.exports.webdataset import WEBDATASET
from datasets.exports.yolo import YOLO

FORMATS: Final = {format.name: format for format in (IMAGEFOLDER, WEBDATASET, PARQUET, CSV, JSONL, COCO, YOLO)}


def format_of(name: str) -> Format:
    """The format of that name. Raises ExportError, naming those that there are."""
    try:
        return FORMATS[name]
    except KeyError:
        raise ExportError(f"There is no export format {name!r}. Choose one of: {', '.join(FORMATS)}.") from None


def write(export: Export, *, format: str) -> Report:
    """Writes the export, or what an earlier try left of it; the same export always becomes the same bytes.

    Memory does not grow with the number of pictures. Raises ExportError, and ExportStopped when the caller asks to.
    """
    task = begin(export, format_of(format))
    write_side_files(task)
    write_card(task)
    task.format.write(task)
    write_croissant(task)
    task.folder.seal()
    return Report(
        format=format,
        pictures=task.survey.pictures,
        files=task.folder.parts,
        left_out={f"{name}: {task.format.why_left_out}": number for name, number in task.survey.left_out.items()},
    )
