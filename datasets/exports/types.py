"""What travels between an export's writer and whoever asks for it: plain, frozen, and free of any framework."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from datasets.exports.policy import Policy
from datasets.exports.shelf import Shelf
from datasets.imaging.formats import extension_of

#: The parts of a dataset that training, choosing and judging a model use, in the order in which they are written.
SPLITS: Final = ("train", "validation", "test")


class ExportError(Exception):
    """An export cannot be written. The message says what happened and what to do."""


class ExportStopped(Exception):
    """The caller asked to stop. Finished parts stay; writing the same export again goes on behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportImage:
    """One picture of an export: its facts, hashes, origin and rights, as datasets.models.Image has them.

    `label` is the label and `split` one of SPLITS as the version decided; `format` is Pillow's name, such as JPEG;
    width and height are upright; `phash` and `dhash` are 64 bits as a signed integer (datasets.imaging.hashing).
    `decisions` is what people and checks decided on the picture, anything that JSON can hold.
    """

    id: int
    sha256: str
    label: str
    split: str
    keyword: str
    created_at: datetime
    size_bytes: int
    format: str
    mode: str
    width_px: int
    height_px: int
    frames: int
    phash: int
    dhash: int
    source: str
    url: str
    source_id: str = ""
    page_url: str = ""
    title: str = ""
    creator: str = ""
    creator_url: str = ""
    licence_code: str = "unknown"
    licence_version: str = ""
    licence_url: str = ""
    attribution: str = ""
    tags: tuple[str, ...] = ()
    ml_use: str = "unknown"
    optout_evidence: Mapping[str, Any] = field(default_factory=dict)
    near_duplicate_of: int | None = None
    near_distance_bits: int | None = None
    decisions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def extension(self) -> str:
        """Of the picture's file, such as "jpg". Raises ValueError for a format that is not kept."""
        return extension_of(self.format)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """What an export is of.

    `slug` names its files. `created_at` is when the version was frozen: it is the time that files in archives bear.
    `labels` are in the order of their class numbers, from 0. `counts` are the images of each split and label, all of
    them: a writer that is given fewer or others refuses. `left_out` says how many images the policy and the splits keep
    out of the version, by reason. `installation` names the PixCrawler that made it, by its address or name.
    """

    dataset: str
    slug: str
    version: int
    created_at: datetime
    labels: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    policy: Policy
    left_out: Mapping[str, int] = field(default_factory=dict)
    installation: str = "PixCrawler"
    description: str = ""

    @property
    def image_count(self) -> int:
        return sum(sum(labels.values()) for labels in self.counts.values())

    @property
    def file_stem(self) -> str:
        """What the names of the export's files begin with."""
        return f"{self.slug}-v{self.version}"


#: The images whose id is greater than the one given, in the order of their ids. It is called several times, and gives
#: the same images each time: a version is frozen.
Rows = Callable[[int], Iterator[ExportImage]]

#: Opens the bytes of an image's original.
OpenPicture = Callable[[ExportImage], IO[bytes]]


def _no_progress(done: int, total: int) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What a writer is asked to write.

    `folder` is the export's own; what it holds of an earlier try of the same export is kept and gone on with.
    `progress` is told of the pictures written and of how many there are; `is_stopped` is asked after each of them.
    `pictures_per_shard` is the size of the parts that some formats are cut into; an archive notes how far it is after
    every `checkpoint_bytes` of pictures, so that no more is written twice. With a `shelf` the files end there.
    """

    facts: ExportFacts
    rows: Rows
    open_picture: OpenPicture
    folder: Path
    progress: Callable[[int, int], None] = _no_progress
    is_stopped: Callable[[], bool] = _never
    pictures_per_shard: int = 5_000
    checkpoint_bytes: int = 256 * 1024 * 1024
    shelf: Shelf | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A finished file of an export. `last_id` is the last picture in it, 0 where that says nothing."""

    name: str
    sha256: str
    size_bytes: int
    pictures: int = 0
    last_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a writer made. `left_out` counts, by sentence, the pictures that the format's readers cannot take."""

    format: str
    pictures: int
    files: tuple[Part, ...]
    left_out: Mapping[str, int]
