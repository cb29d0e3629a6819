"""What the writers of one export share: what there is to write, who reads it, and where each picture goes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from datasets.exports.labels import folder_names
from datasets.exports.parts import ExportFolder
from datasets.exports.types import SPLITS, Export, ExportError, ExportImage
from datasets.imaging.formats import EXTENSIONS

#: The formats (by Pillow's names) that every reader takes.
ALL_FORMATS: Final = frozenset(EXTENSIONS)

FileNames = Callable[[ExportImage], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of exports.

    `takes` are the formats of pictures that its readers open. `file_names` makes the function that says where each
    picture lies, called with them in order; None where the export holds no pictures. `write` writes what is the
    format's own. `split_files` is where a split's files lie, "{}" being its name, "" where splits have no files of
    their own. `loading` is Python that loads the export, for people; in it, {stem} stands for the names' beginning.
    """

    name: str
    title: str
    takes: frozenset[str]
    manifest: Literal["parquet", "csv", "jsonl"]
    file_names: "Callable[[Task], FileNames] | None"
    write: "Callable[[Task], None]"
    loading: str
    split_files: str = ""

    @property
    def why_left_out(self) -> str:
        """Of pictures in formats that are not taken."""
        return f"Readers of {self.title} do not open {', '.join(sorted(ALL_FORMATS - self.takes))}."


@dataclass(slots=True)
class Survey:
    """What one pass over the rows counts, of what the format takes; `left_out` is the rest, by Pillow's format."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: {split: Counter() for split in SPLITS})
    licences: Counter[tuple[str, str]] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    size_bytes: int = 0

    @property
    def pictures(self) -> int:
        return sum(counter.total() for counter in self.counts.values())

    def in_split(self, split: str) -> int:
        return self.counts[split].total()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One export that is being written."""

    export: Export
    format: Format
    folder: ExportFolder
    survey: Survey
    folders: Mapping[str, str]
    class_numbers: Mapping[str, int]

    def rows(self, *, after_id: int = 0, split: str = "") -> Iterator[ExportImage]:
        """The images that the format takes, of one split or of all, in the order of their ids."""
        for image in self.export.rows(after_id):
            if image.format in self.format.takes and split in ("", image.split):
                yield image

    def file_name(self, suffix: str) -> str:
        """The name of a file of the export's own, such as "birds-v3-coco.zip"."""
        return f"{self.export.facts.file_stem}-{suffix}"


def begin(export: Export, format: Format) -> Task:
    """Opens or continues the export's folder. Raises ExportError where the rows are not what the facts say."""
    facts = export.facts
    _check(export)
    survey = _survey(export, format)
    identity = f"{format.name} of {facts.file_stem} of {facts.created_at.isoformat()}, {export.pictures_per_shard}"
    return Task(
        export=export,
        format=format,
        folder=ExportFolder(export.folder, identity=f"{identity}, {survey.pictures} pictures", shelf=export.shelf),
        survey=survey,
        folders=folder_names(facts.labels),
        class_numbers={label: number for number, label in enumerate(facts.labels)},
    )


def _check(export: Export) -> None:
    facts = export.facts
    if facts.created_at.utcoffset() is None:
        raise ExportError("The version's time has no time zone. Give it with one.")
    if len(set(facts.labels)) != len(facts.labels):
        raise ExportError("The list of labels names one twice. Name each once.")
    if export.pictures_per_shard < 1:
        raise ExportError(f"A shard of {export.pictures_per_shard} pictures is none. Ask for 1 or more.")


def _survey(export: Export, format: Format) -> Survey:
    survey, all_counts = Survey(), {split: Counter[str]() for split in SPLITS}
    known, last_id = set(export.facts.labels), 0
    for image in export.rows(0):
        if image.id <= last_id or image.split not in all_counts or image.label not in known:
            raise ExportError(
                f"Image {image.id} is out of order, or its split {image.split!r} or label {image.label!r} is none of "
                "the version's. Make the version anew."
            )
        last_id = image.id
        all_counts[image.split][image.label] += 1
        if image.format not in format.takes:
            survey.left_out[image.format] += 1
            continue
        survey.counts[image.split][image.label] += 1
        survey.licences[image.licence_code, image.licence_version] += 1
        survey.sources[image.source] += 1
        survey.formats[image.format] += 1
        survey.size_bytes += image.size_bytes
    stated = {split: Counter(export.facts.counts.get(split, {})) for split in SPLITS}
    if stated != all_counts:
        raise ExportError(
            f"The version lists {export.facts.image_count} images, and "
            f"{sum(counter.total() for counter in all_counts.values())} are there, or their splits or labels "
            "differ. Restore the dataset from a backup, or make a new version."
        )
    return survey
