"""A ZIP of images/<split>/<id>.<extension> and annotations/instances_<split>.json in COCO's form.

COCO knows no class of a whole picture. Each picture has one annotation, whose box is the whole picture.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from datasets.exports.archive import write_archive
from datasets.exports.columns import licence_of
from datasets.exports.parts import PartFile
from datasets.exports.task import ALL_FORMATS, FileNames, Format, Task
from datasets.exports.types import SPLITS, ExportImage
from datasets.licences import licence_name, licence_url


def annotations_name(split: str) -> str:
    """The path of a split's JSON in the archive."""
    return f"annotations/instances_{split}.json"


def _file_name(image: ExportImage) -> str:
    return f"images/{image.split}/{image.id}.{image.extension}"


def _file_names(_task: Task) -> FileNames:
    return _file_name


def _write(task: Task) -> None:
    texts: dict[str, Callable[[PartFile], None]] = {
        annotations_name(split): partial(_write_annotations, task, split)
        for split in SPLITS
        if task.survey.in_split(split)
    }
    write_archive(task, name=task.file_name("coco.zip"), file_name=_file_name, texts=texts)


def _write_annotations(task: Task, split: str, part: PartFile) -> None:
    """One JSON object, an item of its lists a line: however long they are, no list is ever in memory."""
    facts = task.export.facts
    licence_ids = {licence: number for number, licence in enumerate(sorted(task.survey.licences), start=1)}
    info = {
        "description": f"{facts.dataset}, version {facts.version}, {split}. Each label is of a whole picture.",
        "version": str(facts.version),
        "year": facts.created_at.year,
        "contributor": facts.installation,
        "date_created": facts.created_at.isoformat(),
    }
    licences = (
        {"id": number, "name": licence_name(*licence), "url": licence_url(*licence)}
        for licence, number in licence_ids.items()
    )
    # COCO's numbers of categories begin at 1.
    categories = (
        {"id": number + 1, "name": label, "supercategory": ""} for label, number in task.class_numbers.items()
    )
    part.write_text('{"info": ' + _json(info))
    _write_list(part, "licenses", licences)
    _write_list(part, "categories", categories)
    _write_list(part, "images", (_image(image, licence_ids) for image in task.rows(split=split)))
    _write_list(part, "annotations", _annotations(task, split))
    part.write_text("}\n")


def _image(image: ExportImage, licence_ids: dict[tuple[str, str], int]) -> dict[str, Any]:
    return {
        "id": image.id,
        "file_name": f"{image.id}.{image.extension}",
        "width": image.width_px,
        "height": image.height_px,
        "license": licence_ids[image.licence_code, image.licence_version],
        "date_captured": image.created_at.isoformat(),
        "coco_url": image.url,
        "sha256": image.sha256,
        "title": image.title,
        "creator": image.creator,
        "page_url": image.page_url,
        "licence_url": licence_of(image)[1],
        "ml_use": image.ml_use,
    }


def _annotations(task: Task, split: str) -> Iterator[dict[str, Any]]:
    for image in task.rows(split=split):
        yield {
            "id": image.id,
            "image_id": image.id,
            "category_id": task.class_numbers[image.label] + 1,
            "bbox": [0, 0, image.width_px, image.height_px],
            "area": image.width_px * image.height_px,
            "segmentation": [],
            "iscrowd": 0,
        }


def _write_list(part: PartFile, name: str, items: Iterable[dict[str, Any]]) -> None:
    part.write_text(f',\n"{name}": [')
    for number, item in enumerate(items):
        part.write_text((",\n" if number else "\n") + _json(item))
    part.write_text("\n]")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


COCO: Final = Format(
    name="coco",
    title="COCO",
    takes=ALL_FORMATS,
    manifest="parquet",
    file_names=_file_names,
    write=_write,
    loading="""import zipfile

from pycocotools.coco import COCO

zipfile.ZipFile("{stem}-coco.zip").extractall("pictures")
coco = COCO("pictures/annotations/instances_train.json")""",
)
