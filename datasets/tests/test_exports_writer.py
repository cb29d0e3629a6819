"""Every format is written the same bytes again, goes on where it stopped, and names nothing that the web chose."""

import csv
import hashlib
import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from django.conf import settings

from datasets.exports import archive
from datasets.exports.types import Export, ExportError, ExportImage, ExportStopped
from datasets.exports.verify import verify
from datasets.exports.writer import FORMATS, write
from datasets.tests.exported import Version, version
from datasets.tests.pictures import sha256

every_format = pytest.mark.parametrize("format", FORMATS)
with_pictures = pytest.mark.parametrize("format", ["imagefolder", "webdataset", "coco", "yolo-cls"])


def files(folder: Path) -> dict[str, str]:
    """The files of a folder by name, as their hashes."""
    return {path.name: sha256(path.read_bytes()) for path in sorted(folder.iterdir())}


def members(folder: Path) -> Iterator[str]:
    """Every path in every archive of an export."""
    for path in folder.iterdir():
        if path.suffix == ".zip":
            yield from zipfile.ZipFile(path).namelist()
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                yield from tar.getnames()


def stopping_after(export: Export, pictures: int) -> Export:
    """The export, stopped when so many pictures are written."""
    written = 0

    def progress(done: int, total: int) -> None:
        nonlocal written
        written = done

    return replace(export, progress=progress, is_stopped=lambda: written >= pictures)


@every_format
def test_the_same_version_becomes_the_same_bytes(format: str, tmp_path: Path) -> None:
    for folder in ("one", "other"):
        write(version().export(tmp_path / folder), format=format)
    assert files(tmp_path / "one") == files(tmp_path / "other")


@every_format
def test_the_checksums_are_those_of_the_files(format: str, tmp_path: Path) -> None:
    report = write(version().export(tmp_path), format=format)
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = files(tmp_path)
    assert {name: found[name] for name in listed} == listed
    assert found.keys() - listed.keys() == {"SHA256SUMS", "parts.json"}
    assert {part.name: part.sha256 for part in report.files} == listed
    assert report.pictures == 24


@with_pictures
@pytest.mark.parametrize("stop_after", [0, 1, 5, 11, 23])
def test_an_export_that_was_stopped_goes_on_to_the_same_bytes(format: str, stop_after: int, tmp_path: Path) -> None:
    write(version().export(tmp_path / "whole"), format=format)
    made = version()
    with pytest.raises(ExportStopped):
        write(stopping_after(made.export(tmp_path / "stopped"), stop_after), format=format)
    assert not (tmp_path / "stopped" / "SHA256SUMS").exists()
    write(made.export(tmp_path / "stopped"), format=format)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_an_archive_that_was_stopped_does_not_open_again_what_it_has(tmp_path: Path) -> None:
    made = version()
    with pytest.raises(ExportStopped):
        write(stopping_after(made.export(tmp_path), 11), format="coco")
    made.opened.clear()
    write(made.export(tmp_path), format="coco")
    assert made.opened == [image.id for image in made.images[11:]]


def test_shards_that_are_finished_are_not_opened_again(tmp_path: Path) -> None:
    made = version()
    with pytest.raises(ExportStopped):
        write(stopping_after(made.export(tmp_path), 11), format="webdataset")
    made.opened.clear()
    write(made.export(tmp_path), format="webdataset")
    train = [image.id for image in made.images if image.split == "train"]
    rest = [image.id for split in ("validation", "test") for image in made.images if image.split == split]
    assert made.opened == [*train[8:], *rest]


class Killed(BaseException):
    """The process ends at this point, without a chance to note anything."""


def killed_at(export: Export, picture: int) -> Export:
    """The export, whose process ends when that picture of it is opened."""
    opened = 0

    def open_picture(image: ExportImage) -> IO[bytes]:
        nonlocal opened
        opened += 1
        if opened == picture:
            raise Killed
        return export.open_picture(image)

    return replace(export, open_picture=open_picture)


@with_pictures
@pytest.mark.parametrize("checkpoint_bytes", [1, 2**28])
def test_an_export_whose_process_was_killed_goes_on_to_the_same_bytes(
    format: str, checkpoint_bytes: int, tmp_path: Path
) -> None:
    write(version().export(tmp_path / "whole"), format=format)
    export = replace(version().export(tmp_path / "killed"), checkpoint_bytes=checkpoint_bytes)
    with pytest.raises(Killed):
        write(killed_at(export, 14), format=format)
    write(export, format=format)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_an_archive_whose_process_was_killed_goes_on_behind_its_last_checkpoint(tmp_path: Path) -> None:
    made = version()
    export = replace(made.export(tmp_path), checkpoint_bytes=1)
    with pytest.raises(Killed):
        write(killed_at(export, 14), format="coco")
    made.opened.clear()
    write(export, format="coco")
    assert made.opened == [image.id for image in made.images[13:]]


@every_format
def test_a_finished_part_that_is_gone_is_written_again(format: str, tmp_path: Path) -> None:
    write(version().export(tmp_path), format=format)
    before = files(tmp_path)
    for name in before.keys() - {"SHA256SUMS", "parts.json"}:
        (tmp_path / name).unlink()
    (tmp_path / "README.md").write_text("cut")
    write(version().export(tmp_path), format=format)
    assert files(tmp_path) == before


def test_an_archive_whose_half_was_lost_begins_anew(tmp_path: Path) -> None:
    made = version()
    write(made.export(tmp_path / "whole"), format="coco")
    with pytest.raises(ExportStopped):
        write(stopping_after(made.export(tmp_path / "lost"), 11), format="coco")
    (tmp_path / "lost" / ".unfinished" / "dogs-things-v3-coco.zip").unlink()
    write(made.export(tmp_path / "lost"), format="coco")
    assert files(tmp_path / "lost") == files(tmp_path / "whole")


@every_format
def test_a_finished_export_is_written_again_without_opening_a_picture(format: str, tmp_path: Path) -> None:
    made = version()
    write(made.export(tmp_path), format=format)
    before = files(tmp_path)
    made.opened.clear()
    assert write(made.export(tmp_path), format=format).pictures == 24
    assert not made.opened
    assert files(tmp_path) == before


def test_a_folder_of_another_export_is_refused(tmp_path: Path) -> None:
    write(version().export(tmp_path), format="csv")
    with pytest.raises(ExportError, match="holds an export of something else"):
        write(version().export(tmp_path), format="jsonl")


def test_a_folder_with_files_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(ExportError, match="holds files that no export wrote"):
        write(version().export(tmp_path), format="csv")
    assert files(tmp_path).keys() == {"thesis.doc"}


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"could not be written or read: .* run the export again"):
        write(version().export(tmp_path / "file" / "export"), format="csv")


def test_a_format_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match=r"There is no export format 'pascal'\. Choose one of: imagefolder, webdataset"
    ):
        write(version().export(tmp_path), format="pascal")


@with_pictures
def test_a_picture_whose_file_is_missing_ends_the_export_until_it_is_back(format: str, tmp_path: Path) -> None:
    made = version()
    body = made.bodies.pop(12)
    with pytest.raises(ExportError, match=r"file of image 12 is missing\. Restore it"):
        write(made.export(tmp_path / "export"), format=format)
    made.bodies[12] = body
    write(made.export(tmp_path / "export"), format=format)
    write(version().export(tmp_path / "whole"), format=format)
    assert files(tmp_path / "export") == files(tmp_path / "whole")


def test_a_picture_whose_bytes_changed_ends_the_export(tmp_path: Path) -> None:
    made = version()
    made.bodies[12] += b"\0"
    with pytest.raises(ExportError, match="image 12 does not hold the bytes that were kept"):
        write(made.export(tmp_path), format="coco")


def test_rows_that_are_not_what_the_version_lists_are_refused(tmp_path: Path) -> None:
    made = version()
    facts = made.facts
    del made.images[3]
    with pytest.raises(ExportError, match="lists 24 images, and 23 are there"):
        write(replace(made.export(tmp_path), facts=facts), format="csv")


@pytest.mark.parametrize("wrong", [{"split": "holdout"}, {"label": "cat"}, {"id": 7}])
def test_a_row_out_of_order_or_of_no_split_or_label_is_refused(wrong: dict[str, str], tmp_path: Path) -> None:
    made = version()
    export = made.export(tmp_path)
    made.images[3] = replace(made.images[3], **wrong)  # type: ignore[arg-type]
    with pytest.raises(ExportError, match="is out of order, or its split"):
        write(export, format="csv")


@every_format
def test_pictures_that_readers_cannot_take_are_named_and_counted(format: str, tmp_path: Path) -> None:
    made = version(formats=("JPEG", "AVIF", "GIF"))
    report = write(made.export(tmp_path), format=format)
    left_out = {"imagefolder": {"AVIF"}, "webdataset": {"AVIF"}, "yolo-cls": {"AVIF", "GIF"}}.get(format, set())
    with (tmp_path / "left_out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [str(image.id) for image in made.images if image.format in left_out]
    assert [row["id"] for row in rows] == expected
    assert sum(report.left_out.values()) == len(expected) == 24 - report.pictures
    assert all("do not open" in reason for reason in report.left_out)
    assert verify(tmp_path, format=format, facts=made.facts).problems == ()


@with_pictures
def test_no_path_comes_from_the_web(format: str, tmp_path: Path) -> None:
    write(version(36).export(tmp_path), format=format)
    names = list(members(tmp_path))
    assert len(names) == len({name.lower() for name in names}) > 36
    for name in names:
        assert re.fullmatch(r"(?:[A-Za-z0-9][A-Za-z0-9 _.-]*/)*[A-Za-z0-9][A-Za-z0-9_.-]*", name), name


def test_the_folders_of_labels_are_listed_with_their_class_numbers(tmp_path: Path) -> None:
    made = version(36)
    write(made.export(tmp_path), format="imagefolder")
    listed = json.loads((tmp_path / "labels.json").read_text())
    assert [(entry["class"], entry["label"]) for entry in listed] == list(enumerate(made.facts.labels))
    folders = {name.split("/")[1] for name in members(tmp_path) if name.count("/") == 2}
    assert folders == {entry["folder"] for entry in listed}


@pytest.mark.parametrize("name", ["manifest.csv", "LICENSES.csv"])
def test_a_spreadsheet_runs_nothing_of_a_csv(name: str, tmp_path: Path) -> None:
    write(version(36).export(tmp_path), format="csv")
    with (tmp_path / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    assert all(row["title"].startswith("'=HYPERLINK") for row in rows)
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_the_attribution_is_text_that_does_nothing(tmp_path: Path) -> None:
    write(version(6).export(tmp_path), format="csv")
    lines = (tmp_path / "ATTRIBUTION.md").read_text().splitlines()
    assert lines[4] == (
        '- 7: “=HYPERLINK\\("x"\\) \\| \\*\\*bold\\*\\* &lt;script&gt; 7” by Zoë \\# Doe ([CC BY\\-SA 4.0]'
        "(<https://creativecommons.org/licenses/by-sa/4.0/>); [source](<https://photos.example/page/7>))"
    )
    assert len(lines) == 4 + 6


def test_the_card_tells_counts_rights_and_what_stayed_out(tmp_path: Path) -> None:
    write(version().export(tmp_path), format="yolo-cls")
    card = (tmp_path / "README.md").read_text()
    assert card.startswith('---\npretty_name: "Dogs & <things>"\n')
    assert "- cc-by-sa-4.0\n" in card
    assert "# Dogs &amp; &lt;things&gt;, version 3" in card
    assert "| golden retriever | 0 | 4 | 1 | 1 |" in card
    assert "| [CC BY\\-SA 4.0](<https://creativecommons.org/licenses/by-sa/4.0/>) | 24 |" in card
    assert "- 2: licence\\_unknown" in card
    assert "- Pictures of unknown licence: allowed by the person who exported" in card


def test_archives_bear_the_time_of_the_version_and_hold_their_companions(tmp_path: Path) -> None:
    write(version().export(tmp_path), format="coco")
    with zipfile.ZipFile(tmp_path / "dogs-things-v3-coco.zip") as made:
        assert {info.date_time for info in made.infolist()} == {(2026, 3, 4, 5, 6, 8)}
        assert made.testzip() is None
        for companion in archive.COMPANIONS:
            assert made.read(companion) == (tmp_path / companion).read_bytes()


@with_pictures
def test_progress_is_told_up_to_the_last_picture(format: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write(replace(version().export(tmp_path), progress=lambda done, total: told.append((done, total))), format=format)
    assert told == sorted(told)
    assert told[-1] == (24, 24)


def test_a_version_without_pictures_is_exported_too(tmp_path: Path) -> None:
    for format in FORMATS:
        made = Version([], [])
        assert write(made.export(tmp_path / format), format=format).pictures == 0
        assert verify(tmp_path / format, format=format, facts=made.facts).problems == ()


@with_pictures
def test_every_picture_is_in_the_export_byte_by_byte(format: str, tmp_path: Path) -> None:
    made = version()
    write(made.export(tmp_path), format=format)
    found = set()
    for path in tmp_path.iterdir():
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as zip_file:
                found |= {hashlib.sha256(zip_file.read(name)).hexdigest() for name in zip_file.namelist()}
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                found |= {hashlib.sha256(file.read()).hexdigest() for m in tar if (file := tar.extractfile(m))}
    assert {image.sha256 for image in made.images} <= found


def test_an_export_that_was_moved_is_still_whole(tmp_path: Path) -> None:
    made = version()
    write(made.export(tmp_path / "here"), format="webdataset")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert verify(tmp_path / "there", format="webdataset", facts=made.facts).is_sound


@every_format
def test_the_card_and_the_page_load_an_export_by_the_same_code(format: str, tmp_path: Path) -> None:
    write(version(slug="birds").export(tmp_path), format=format)
    page = (Path(settings.BASE_DIR) / "docs" / "exports.md").read_text()
    (block,) = re.findall(r"```python\n.*?```", (tmp_path / "README.md").read_text(), re.DOTALL)
    assert f"## {format}\n\n{block}" in page
