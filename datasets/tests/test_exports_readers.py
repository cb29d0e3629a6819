"""The programs that exports are made for load them: by the code of docs/exports.md, to the same pictures and labels.

They run in an environment of their own (make readers), in which `datasets` is Hugging Face's.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from datasets.exports.writer import FORMATS, write
from datasets.tests.exported import Version, version

pytestmark = pytest.mark.readers

Load = Callable[..., Any]

#: What each reader is asked once the code of the page has run: what it has of each picture, as JSON.
QUESTIONS = {
    "imagefolder": """
import hashlib, pathlib
from datasets import Image
def rows(split):
    for row in dataset[split].cast_column("image", Image(decode=False)):
        body = row["image"]["bytes"] or pathlib.Path(row["image"]["path"]).read_bytes()
        yield [row["id"], row["label"], split, hashlib.sha256(body).hexdigest()]
assert all(row["image"].size == (48, 40) for split in dataset.values() for row in split)
answer = [row for split in dataset for row in rows(split)]
""",
    "webdataset": """
import hashlib, json
assert all(sample["jpg"].size == (48, 40) for sample in samples)
labels = {entry["class"]: entry["label"] for entry in json.load(open("labels.json"))}
answer = []
for split in ("train", "validation", "test"):
    for sample in webdataset.WebDataset(sorted(glob.glob(f"{split}-*.tar")), shardshuffle=False):
        number, label = json.loads(sample["json"])["id"], labels[int(sample["cls"])]
        assert sample["__key__"] == f"{number:09}"
        answer.append([number, label, split, hashlib.sha256(sample["jpg"]).hexdigest()])
""",
    "parquet": 'answer = [[row[name] for name in ("id", "label", "split", "sha256")] for row in table.to_pylist()]',
    "csv": 'answer = table[["id", "label", "split", "sha256"]].values.tolist()',
    "jsonl": 'answer = table[["id", "label", "split", "sha256"]].values.tolist()',
    "coco": """
import hashlib, pathlib
answer = []
for split in ("train", "validation", "test"):
    coco = COCO(f"pictures/annotations/instances_{split}.json")
    for image in coco.loadImgs(coco.getImgIds()):
        (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        (category,) = coco.loadCats([annotation["category_id"]])
        assert annotation["bbox"] == [0, 0, 48, 40]
        (licence,) = [entry for entry in coco.dataset["licenses"] if entry["id"] == image["license"]]
        assert licence["url"] == "https://creativecommons.org/licenses/by-sa/4.0/"
        body = pathlib.Path("pictures/images", split, image["file_name"]).read_bytes()
        answer.append([image["id"], category["name"], split, hashlib.sha256(body).hexdigest()])
""",
    # As torchvision.datasets.ImageFolder and Ultralytics walk: the sorted folders are the classes.
    "yolo-cls": """
import hashlib, json, pathlib
labels = {entry["folder"]: entry["label"] for entry in json.load(open("labels.json"))}
answer = []
for folder, split in (("train", "train"), ("val", "validation"), ("test", "test")):
    for label in sorted(entry.name for entry in pathlib.Path("pictures", folder).iterdir() if entry.is_dir()):
        for file in sorted(pathlib.Path("pictures", folder, label).rglob("*")):
            if file.suffix in (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"):
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                answer.append([int(file.stem), labels[label], split, digest])
""",
}


@pytest.fixture
def load(readers_python: Path, tmp_path: Path) -> Load:
    """Runs code in a folder, in the readers' environment without any network, and returns what it calls `answer`."""

    def run(code: str, folder: Path) -> Any:
        home = tmp_path / "home"
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "HF_HUB_OFFLINE": "1"}
        ending = f"\nimport json\nopen({str(tmp_path / 'answer')!r}, 'w').write(json.dumps(answer))"
        done = subprocess.run(
            [str(readers_python), "-P", "-c", code + ending],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads((tmp_path / "answer").read_text())

    return run


def exported(folder: Path, format: str) -> Version:
    """An export whose files are called as on the page, of every picture format that Pillow opens everywhere."""
    made = version(42, formats=("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG"), slug="birds")
    write(made.export(folder), format=format)
    return made


def expected(made: Version, format: str) -> list[list[object]]:
    takes = FORMATS[format].takes
    return sorted([image.id, image.label, image.split, image.sha256] for image in made.images if image.format in takes)


def page_code(heading: str) -> str:
    """The Python below a heading of docs/exports.md."""
    page = (Path(settings.BASE_DIR) / "docs" / "exports.md").read_text()
    found = re.search(rf"^## {heading}\n.*?```python\n(.*?)\n```", page, re.DOTALL | re.MULTILINE)
    assert found, f"docs/exports.md has no code below {heading!r}"
    return found.group(1)


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_loads_as_the_page_says_to_the_same_pictures_and_labels(
    format: str, load: Load, tmp_path: Path
) -> None:
    made = exported(tmp_path / "export", format)
    answer = load(page_code(format) + "\n" + QUESTIONS[format], tmp_path / "export")
    if format == "csv":
        answer = [[id, label.removeprefix("'"), split, digest] for id, label, split, digest in answer]
    assert sorted(answer) == expected(made, format)


def test_every_description_is_sound_and_loads_to_the_same_records(load: Load, tmp_path: Path) -> None:
    made = {format: exported(tmp_path / "exports" / format, format) for format in FORMATS}
    answer = load(
        f"""
import io, os
answer = {{}}
top = os.getcwd()
for format in {list(FORMATS)!r}:
    os.chdir(os.path.join(top, format))
    exec({page_code("Croissant")!r})
    issues = dataset.metadata.ctx.issues
    assert not issues.errors and not issues.warnings, issues.report()
    rows = list(records)
    pictures = [row["images/image"].size for row in rows if "images/image" in row]
    text = lambda value: value.decode() if isinstance(value, bytes) else value
    names = ("id", "label", "split", "sha256")
    answer[format] = [[[text(row["images/" + name]) for name in names] for row in rows], pictures]
""",
        tmp_path / "exports",
    )
    for format in FORMATS:
        rows, pictures = answer[format]
        if format == "csv":
            rows = [[id, label.removeprefix("'"), split, digest] for id, label, split, digest in rows]
        assert sorted(rows) == expected(made[format], format)
        assert pictures == ([[48, 40]] * len(rows) if format in {"imagefolder", "coco", "yolo-cls"} else [])


@pytest.mark.parametrize("format", ["imagefolder", "webdataset"])
def test_the_front_matter_of_the_card_names_the_splits(format: str, load: Load, tmp_path: Path) -> None:
    made = exported(tmp_path / "export", format)
    folder = tmp_path / "export" / ("pictures" if format == "imagefolder" else "")
    if format == "imagefolder":
        load(
            "import zipfile\nzipfile.ZipFile('birds-v3-imagefolder.zip').extractall('pictures')\nanswer = 0",
            tmp_path / "export",
        )
    answer = load(
        f"from datasets import load_dataset\ndataset = load_dataset({str(folder)!r})\n"
        "answer = {split: len(rows) for split, rows in dataset.items()}",
        tmp_path,
    )
    assert answer == {split: sum(labels.values()) for split, labels in made.facts.counts.items()}
