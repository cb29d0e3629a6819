"""The files that every export holds beside its own: manifest, attribution, licences, labels, and what was left out."""

import csv
import json
from contextlib import ExitStack, closing
from typing import Final

from datasets.exports.attribution import Attribution, Licences
from datasets.exports.manifests import MANIFESTS, Manifest, TextOutput, manifest_name
from datasets.exports.task import Task
from datasets.exports.types import ExportStopped
from datasets.spreadsheet import safe_cell

ATTRIBUTION: Final = "ATTRIBUTION.md"
LICENCES: Final = "LICENSES.csv"
LABELS: Final = "labels.json"
LEFT_OUT: Final = "left_out.csv"
LEFT_OUT_COLUMNS: Final = ("id", "sha256", "split", "label", "format", "reason")


def write_side_files(task: Task) -> None:
    """Writes those that are not finished, in one pass over the rows."""
    manifest = manifest_name(task.format)
    if not all(map(task.folder.finished, (manifest, ATTRIBUTION, LICENCES))):
        _write_by_picture(task, manifest)
    if not task.folder.finished(LABELS):
        _write_labels(task)
    if not task.folder.finished(LEFT_OUT):
        _write_left_out(task)


def _write_by_picture(task: Task, manifest_name: str) -> None:
    file_name = task.format.file_names(task) if task.format.file_names else None
    with ExitStack() as stack:
        parts = [stack.enter_context(task.folder.writing(name)) for name in (manifest_name, ATTRIBUTION, LICENCES)]
        manifest: Manifest = MANIFESTS[task.format.manifest](parts[0], with_files=file_name is not None)
        stack.enter_context(closing(manifest))
        attribution, licences = Attribution(parts[1], task.export.facts), Licences(parts[2])
        for image in task.rows():
            if task.export.is_stopped():
                raise ExportStopped("The export was stopped. Start it again to go on.")
            where = file_name(image) if file_name else None
            manifest.add(image, where)
            attribution.add(image)
            licences.add(image, where)


def _write_labels(task: Task) -> None:
    """Each label with its class number and the name of its folder, in the order of the class numbers."""
    labels = [
        {"class": number, "label": label, "folder": task.folders[label]} for label, number in task.class_numbers.items()
    ]
    with task.folder.writing(LABELS) as part:
        part.write_text("[\n" + ",\n".join(json.dumps(label, ensure_ascii=False) for label in labels) + "\n]\n")


def _write_left_out(task: Task) -> None:
    """The pictures that the format's readers cannot take, each with the reason."""
    with task.folder.writing(LEFT_OUT) as part:
        writer = csv.writer(TextOutput(part))
        writer.writerow(LEFT_OUT_COLUMNS)
        if not task.survey.left_out:
            return
        for image in task.export.rows(0):
            if image.format not in task.format.takes:
                row = (image.id, image.sha256, image.split, image.label, image.format, task.format.why_left_out)
                writer.writerow([safe_cell(value) for value in row])
