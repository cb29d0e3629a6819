"""The columns of a manifest: every fact, hash, origin and right of a picture, in one order for every format."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from datasets.exports.types import ExportImage
from datasets.imaging.hashing import to_hex
from datasets.licences import licence_name, licence_url

Kind = Literal["integer", "text", "time", "texts", "object"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: what it holds, and how it is read off a picture. `description` is a sentence for its readers."""

    name: str
    kind: Kind
    description: str
    read: Callable[[ExportImage], Any]


def _column(name: str, kind: Kind, description: str, read: Callable[[ExportImage], Any]) -> Column:
    return Column(name=name, kind=kind, description=description, read=read)


COLUMNS: Final[tuple[Column, ...]] = (
    _column("id", "integer", "The image's number in the dataset.", lambda image: image.id),
    _column("label", "text", "The class.", lambda image: image.label),
    _column("split", "text", "train, validation or test.", lambda image: image.split),
    _column("keyword", "text", "What was searched for.", lambda image: image.keyword),
    _column("sha256", "text", "SHA-256 of the file's bytes.", lambda image: image.sha256),
    _column("phash", "text", "Perceptual hash (DCT), 64 bits in hexadecimal.", lambda image: to_hex(image.phash)),
    _column("dhash", "text", "Difference hash, 64 bits in hexadecimal.", lambda image: to_hex(image.dhash)),
    _column("size_bytes", "integer", "Length of the file in bytes.", lambda image: image.size_bytes),
    _column("format", "text", "The file's format, such as JPEG.", lambda image: image.format),
    _column("mode", "text", "The colour mode, as Pillow names it.", lambda image: image.mode),
    _column("width_px", "integer", "Width in pixels, upright.", lambda image: image.width_px),
    _column("height_px", "integer", "Height in pixels, upright.", lambda image: image.height_px),
    _column("frames", "integer", "Pictures in the file; more than 1 in animations.", lambda image: image.frames),
    _column("collected_at", "time", "When it was collected (UTC).", lambda image: image.created_at.isoformat()),
    _column("source", "text", "The source that listed it.", lambda image: image.source),
    _column("source_id", "text", "Its identifier at the source.", lambda image: image.source_id),
    _column("url", "text", "The address that it was fetched from.", lambda image: image.url),
    _column("page_url", "text", "The page that shows it.", lambda image: image.page_url),
    _column("title", "text", "Its title, as the source has it.", lambda image: image.title),
    _column("creator", "text", "Who made it, as the source has it.", lambda image: image.creator),
    _column("creator_url", "text", "The creator's page.", lambda image: image.creator_url),
    _column("licence_code", "text", "The licence's code, or unknown.", lambda image: image.licence_code),
    _column("licence_version", "text", "The licence's version.", lambda image: image.licence_version),
    _column("licence_name", "text", "What people call the licence.", lambda image: licence_of(image)[0]),
    _column("licence_url", "text", "The licence's page.", lambda image: licence_of(image)[1]),
    _column("attribution", "text", "The credit line that the source asks for.", lambda image: image.attribution),
    _column("ml_use", "text", "Machine learning: allowed, restricted or unknown.", lambda image: image.ml_use),
    _column("tags", "texts", "Tags, as the source has them.", lambda image: list(image.tags)),
    _column(
        "optout_evidence", "object", "What site and file said of machine use.", lambda image: image.optout_evidence
    ),
    _column("near_duplicate_of", "integer", "The image that it looks like.", lambda image: image.near_duplicate_of),
    _column("near_distance_bits", "integer", "Bits of the pHash that differ.", lambda image: image.near_distance_bits),
    _column("decisions", "object", "What people and checks decided on it.", lambda image: image.decisions),
)


def licence_of(image: ExportImage) -> tuple[str, str]:
    """The name and the page of a picture's licence; "" for a page that is not known."""
    url = image.licence_url or licence_url(image.licence_code, image.licence_version)
    return licence_name(image.licence_code, image.licence_version), url


def values(image: ExportImage) -> dict[str, Any]:
    """The columns of a picture by name, as JSON can hold them."""
    return {column.name: plain(column.read(image)) for column in COLUMNS}


def flat_values(image: ExportImage) -> dict[str, Any]:
    """The columns of a picture by name, where lists and objects are JSON text."""
    return {
        column.name: value if column.kind in {"integer", "text", "time"} else as_json(value)
        for column in COLUMNS
        for value in (column.read(image),)
    }


def plain(value: Any) -> Any:
    """The value with mappings as dicts."""
    return dict(value) if isinstance(value, Mapping) else value


def as_json(value: Any) -> str:
    """JSON in one line, always in the same order, as people read it."""
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True)
