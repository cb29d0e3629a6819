"""Opens a finished export again, as its readers will, and says what is wrong with it.

Checksums of every file; the manifest against what the version lists; every picture against its hash in the manifest; a
sample of them is decoded; and what only one format has is checked by its rules (datasets/exports/checks.py).
"""

import csv
import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from datasets.exports.checks import CHECKS
from datasets.exports.manifests import manifest_name, read_manifest
from datasets.exports.parts import NOTES, SUMS, hash_of
from datasets.exports.side_files import LEFT_OUT
from datasets.exports.types import SPLITS, ExportFacts, ExportStopped
from datasets.exports.writer import format_of
from datasets.spreadsheet import safe_cell

#: With so many problems found, an export is wrong enough.
MOST_PROBLEMS: Final = 20

#: What readers answer when they are given broken files.
_BROKEN: Final = (OSError, ValueError, KeyError, EOFError, csv.Error, tarfile.TarError)

#: Says what is wrong with a picture's bytes, "" where they decode.
Decode = Callable[[bytes], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of opening an export again. `problems` are sentences, none where it is sound; `decoded` pictures were
    decoded, all `pictures` compared with their hashes."""

    problems: tuple[str, ...]
    pictures: int
    decoded: int

    @property
    def is_sound(self) -> bool:
        return not self.problems


def decoded_by_pillow(body: bytes) -> str:
    """What Pillow finds wrong with a picture, "" for nothing."""
    try:
        with Image.open(io.BytesIO(body)) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__
    return ""


class Verifier:
    """One export under examination: the rows of its manifest, and its pictures as they are found."""

    def __init__(
        self,
        folder: Path,
        format: str,
        facts: ExportFacts,
        *,
        decode: Decode,
        sample: int,
        is_stopped: Callable[[], bool],
    ) -> None:
        self.folder = folder
        self.format = format_of(format)
        self.facts = facts
        self.pictures = 0
        self.decoded = 0
        self.class_numbers = {label: number for number, label in enumerate(facts.labels)}
        self._decode = decode
        self._every = max(1, facts.image_count // max(1, sample))
        self._is_stopped = is_stopped

    def rows(self, split: str = "") -> Iterator[dict[str, Any]]:
        """The manifest's rows, of one split or of all, in their order."""
        with (self.folder / manifest_name(self.format)).open("rb") as file:
            for row in read_manifest(file, self.format.manifest):
                if split in ("", row["split"]):
                    yield row

    def picture(self, row: dict[str, Any], body: bytes) -> Iterator[str]:
        """What is wrong with the bytes found for a row."""
        if self._is_stopped():
            raise ExportStopped("The examination was stopped. Start it again.")
        if hashlib.sha256(body).hexdigest() != row["sha256"]:
            yield f"{row['file_name']} does not hold the bytes of image {row['id']}."
        elif self.pictures % self._every == 0:
            self.decoded += 1
            if trouble := self._decode(body):
                yield f"{row['file_name']} does not decode: {trouble}."
        self.pictures += 1

    def problems(self) -> Iterator[str]:
        """Everything that is wrong, in the order in which readers would meet it."""
        yield from _wrong_sums(self.folder)
        try:
            yield from self._wrong_counts()
            yield from CHECKS[self.format.name](self)
        except _BROKEN as error:
            yield f"It cannot be read: {error}."

    def _wrong_counts(self) -> Iterator[str]:
        counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        in_csv = {safe_cell(label): label for label in self.facts.labels}
        in_manifest = in_csv if self.format.manifest == "csv" else {}
        last_id = 0
        for row in self.rows():
            if row["id"] <= last_id or row["split"] not in counts:
                yield f"The manifest has image {row['id']} out of order, twice, or in no split."
                return
            last_id = row["id"]
            counts[row["split"]][in_manifest.get(row["label"], row["label"])] += 1
        with (self.folder / LEFT_OUT).open(newline="") as file:
            for row in csv.DictReader(file):
                counts[row["split"]][in_csv.get(row["label"], row["label"])] += 1
        for split in SPLITS:
            stated = Counter(self.facts.counts.get(split, {}))
            if stated != counts[split]:
                yield f"Of the {stated.total()} images of the split {split}, {counts[split].total()} are accounted for."


def verify(
    folder: Path,
    *,
    format: str,
    facts: ExportFacts,
    decode: Decode = decoded_by_pillow,
    sample: int = 100,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Verification:
    """Examines the export in `folder`; about `sample` of its pictures are decoded.

    Raises ExportError for a format that there is not, and ExportStopped.
    """
    verifier = Verifier(folder, format, facts, decode=decode, sample=sample, is_stopped=is_stopped)
    problems: list[str] = []
    for problem in verifier.problems():
        problems.append(problem)
        if len(problems) == MOST_PROBLEMS:
            problems.append("There may be more.")
            break
    return Verification(problems=tuple(problems), pictures=verifier.pictures, decoded=verifier.decoded)


def _wrong_sums(folder: Path) -> Iterator[str]:
    """Files that are missing, changed, or not listed in SHA256SUMS."""
    if not (folder / SUMS).is_file():
        yield f"{SUMS} is missing: the export is not finished."
        return
    lines = (folder / SUMS).read_text().splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name, digest in listed.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing."
        elif hash_of(path).hexdigest() != digest:
            yield f"{name} is not as it was written."
    for entry in sorted(folder.iterdir()):
        if entry.name not in {*listed, SUMS, NOTES}:
            yield f"{entry.name} is no file of the export."
