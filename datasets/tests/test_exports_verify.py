"""Damage done to a finished export is found when it is opened again."""

import hashlib
import io
import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datasets.exports.types import ExportStopped
from datasets.exports.verify import MOST_PROBLEMS, Verification, verify
from datasets.exports.writer import FORMATS, write
from datasets.tests.exported import Version, version

every_format = pytest.mark.parametrize("format", FORMATS)
archives = pytest.mark.parametrize("format", ["imagefolder", "coco", "yolo-cls"])


def exported(folder: Path, format: str) -> Version:
    made = version()
    write(made.export(folder), format=format)
    return made


def examined(folder: Path, format: str) -> Verification:
    """What is found when the checksums, too, are made to fit the damage."""
    sums = folder / "SHA256SUMS"
    names = [line.partition("  ")[2] for line in sums.read_text().splitlines()]
    digests = ((hashlib.sha256((folder / name).read_bytes()).hexdigest(), name) for name in names)
    sums.write_text("".join(f"{digest}  {name}\n" for digest, name in digests))
    return verify(folder, format=format, facts=version().facts)


def rezipped(folder: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Writes the archive of an export anew with other members."""
    (path,) = folder.glob("*.zip")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)


@every_format
def test_a_sound_export_has_no_problems(format: str, tmp_path: Path) -> None:
    made = exported(tmp_path, format)
    assert verify(tmp_path, format=format, facts=made.facts, sample=6) == Verification(
        problems=(), pictures=24 if list(members(tmp_path)) else 0, decoded=6 if list(members(tmp_path)) else 0
    )


def members(folder: Path) -> list[Path]:
    return [*folder.glob("*.zip"), *folder.glob("*.tar")]


@every_format
def test_a_changed_byte_a_missing_file_and_a_foreign_one_are_found(format: str, tmp_path: Path) -> None:
    made = exported(tmp_path / "export", format)
    for part in ("README.md", "croissant.json", "LICENSES.csv", *(path.name for path in members(tmp_path / "export"))):
        copy = Path(shutil.copytree(tmp_path / "export", tmp_path / f"copy of {part}"))
        body = bytearray((copy / part).read_bytes())
        body[len(body) // 2] ^= 1
        (copy / part).write_bytes(body)
        assert f"{part} is not as it was written." in verify(copy, format=format, facts=made.facts).problems
        (copy / part).unlink()
        assert f"{part} is missing." in verify(copy, format=format, facts=made.facts).problems
    (tmp_path / "export" / "virus.exe").write_bytes(b"MZ")
    assert verify(tmp_path / "export", format=format, facts=made.facts).problems == (
        "virus.exe is no file of the export.",
    )


@every_format
def test_an_unfinished_export_is_no_export(format: str, tmp_path: Path) -> None:
    made = exported(tmp_path, format)
    (tmp_path / "SHA256SUMS").unlink()
    assert verify(tmp_path, format=format, facts=made.facts).problems[0].startswith("SHA256SUMS is missing")


@every_format
def test_a_count_that_differs_from_the_version_is_found(format: str, tmp_path: Path) -> None:
    facts = exported(tmp_path, format).facts
    more = replace(facts, counts={**facts.counts, "test": {**facts.counts["test"], "Köln": 5}})
    assert verify(tmp_path, format=format, facts=more).problems[0] == (
        "Of the 8 images of the split test, 4 are accounted for."
    )


@every_format
def test_a_broken_manifest_is_found(format: str, tmp_path: Path) -> None:
    exported(tmp_path, format)
    (manifest,) = tmp_path.glob("manifest.*")
    body = manifest.read_bytes()
    manifest.write_bytes(body[: len(body) // 2])
    assert examined(tmp_path, format).problems


@archives
def test_a_picture_that_an_archive_lacks_is_found(format: str, tmp_path: Path) -> None:
    exported(tmp_path, format)

    def remove(members: dict[str, bytes]) -> None:
        del members[next(name for name in members if name.endswith("/10.jpg"))]

    rezipped(tmp_path, remove)
    (problem,) = examined(tmp_path, format).problems
    assert re.fullmatch(
        r"The archive has \S+/11\.png where \S+/10\.jpg belongs\.", problem.replace("golden retriever", "x")
    )


@archives
def test_a_picture_with_other_bytes_is_found(format: str, tmp_path: Path) -> None:
    made = exported(tmp_path, format)

    def swap(members: dict[str, bytes]) -> None:
        members[next(name for name in members if name.endswith("/10.jpg"))] = made.bodies[7]

    rezipped(tmp_path, swap)
    assert "/10.jpg does not hold the bytes of image 10." in " ".join(examined(tmp_path, format).problems)


@archives
def test_a_member_that_nothing_names_is_found(format: str, tmp_path: Path) -> None:
    exported(tmp_path, format)
    rezipped(tmp_path, lambda members: members.update({"train/golden retriever/99.jpg": b""}))
    (problem,) = examined(tmp_path, format).problems
    assert problem == "The archive has train/golden retriever/99.jpg where its end belongs."


def test_metadata_that_names_other_pictures_is_found(tmp_path: Path) -> None:
    exported(tmp_path, "imagefolder")

    def shorten(members: dict[str, bytes]) -> None:
        members["train/metadata.jsonl"] = members["train/metadata.jsonl"].split(b"\n", 1)[1]

    rezipped(tmp_path, shorten)
    assert examined(tmp_path, "imagefolder").problems == (
        "train/metadata.jsonl does not name the pictures of its split in their order.",
    )


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [("images", "width", 1), ("images", "file_name", "1.jpg"), ("annotations", "category_id", 99), ("images", "id", 1)],
)
def test_annotations_that_say_what_is_not_so_are_found(section: str, field: str, value: object, tmp_path: Path) -> None:
    exported(tmp_path, "coco")
    name = "annotations/instances_train.json"

    def falsify(members: dict[str, bytes]) -> None:
        lines = members[name].decode().splitlines()
        at = lines.index(f'"{section}": [') + 2
        lines[at] = json.dumps({**json.loads(lines[at].removesuffix(",")), field: value}) + ","
        members[name] = "\n".join(lines).encode()

    rezipped(tmp_path, falsify)
    assert examined(tmp_path, "coco").problems == (f"{name} does not have the {section} of its split in their order.",)


def test_annotations_that_end_in_the_middle_are_found(tmp_path: Path) -> None:
    exported(tmp_path, "coco")
    name = "annotations/instances_train.json"
    rezipped(tmp_path, lambda members: members.update({name: members[name][:-3]}))
    assert examined(tmp_path, "coco").problems == ("It cannot be read: a list of annotations ends in the middle.",)


def changed_shard(folder: Path, change: Callable[[list[tuple[str, bytes]]], None]) -> None:
    """Writes the first shard anew with other members."""
    path = folder / "train-000000.tar"
    with tarfile.open(path) as tar:
        samples = [(member.name, file.read()) for member in tar if (file := tar.extractfile(member))]
    change(samples)
    with tarfile.open(path, "w") as tar:
        for name, body in samples:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda samples: samples.pop(0), "does not have the pictures that belong to it"),
        (lambda samples: samples[:] and samples.__delitem__(slice(0, 3)), "where 000000007 belongs"),
        (
            lambda samples: samples.__setitem__(0, ("000000007.cls", b"3")),
            "says of the picture 000000007 what is not so",
        ),
        (lambda samples: samples.__setitem__(1, ("000000007.jpg", b"")), "does not hold the bytes of image 7"),
        (lambda samples: samples.append(("extra.jpg", b"")), "does not have the pictures that belong to it"),
    ],
)
def test_a_shard_that_is_not_what_its_manifest_says_is_found(
    change: Callable[[list[tuple[str, bytes]]], None], problem: str, tmp_path: Path
) -> None:
    exported(tmp_path, "webdataset")
    changed_shard(tmp_path, change)
    found = examined(tmp_path, "webdataset").problems
    assert any(problem in sentence for sentence in found), found


def test_a_side_file_of_another_shard_is_found(tmp_path: Path) -> None:
    exported(tmp_path, "webdataset")
    pq.write_table(pq.read_table(tmp_path / "train-000001.parquet"), tmp_path / "train-000000.parquet")
    assert any("train-000000.tar" in problem for problem in examined(tmp_path, "webdataset").problems)


def test_a_picture_that_does_not_decode_is_found(tmp_path: Path) -> None:
    broken = version(6)
    body = broken.bodies[7][:400]
    broken.bodies[7] = body
    broken.images[0] = replace(broken.images[0], sha256=hashlib.sha256(body).hexdigest(), size_bytes=len(body))
    write(broken.export(tmp_path), format="coco")
    (problem,) = verify(tmp_path, format="coco", facts=broken.facts).problems
    assert problem.startswith("images/train/7.jpg does not decode: ")


def test_a_caller_may_bring_a_decoder_of_its_own(tmp_path: Path) -> None:
    made = exported(tmp_path, "coco")
    found = verify(tmp_path, format="coco", facts=made.facts, decode=lambda _body: "too odd", sample=3)
    assert [problem.partition(": ")[2] for problem in found.problems] == ["too odd."] * 3


def test_the_list_of_problems_ends_somewhere(tmp_path: Path) -> None:
    made = exported(tmp_path, "coco")
    found = verify(tmp_path, format="coco", facts=made.facts, decode=lambda _body: "too odd", sample=24)
    assert len(found.problems) == MOST_PROBLEMS + 1
    assert found.problems[-1] == "There may be more."


def test_an_examination_stops_when_asked_to(tmp_path: Path) -> None:
    made = exported(tmp_path, "coco")
    with pytest.raises(ExportStopped):
        verify(tmp_path, format="coco", facts=made.facts, is_stopped=lambda: True)


@archives
def test_an_archive_without_its_end_is_found(format: str, tmp_path: Path) -> None:
    exported(tmp_path, format)
    (path,) = tmp_path.glob("*.zip")
    path.write_bytes(path.read_bytes()[:-1])
    assert examined(tmp_path, format).problems == ("It cannot be read: the archive is cut off or damaged.",)
