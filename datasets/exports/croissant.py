"""croissant.json: the export described in Croissant 1.1 (http://mlcommons.org/croissant/1.1), which tools load by."""

import json
from typing import Any, Final

from datasets.exports.columns import COLUMNS, Kind
from datasets.exports.manifests import manifest_name
from datasets.exports.task import Task
from datasets.exports.types import Part
from datasets.imaging.formats import EXTENSIONS
from datasets.licences import licence_url

CROISSANT: Final = "croissant.json"

_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_MEDIA_TYPES: Final = {
    "zip": "application/zip",
    "tar": "application/x-tar",
    "parquet": "application/x-parquet",
    "csv": "text/csv",
    "jsonl": "application/jsonlines",
}
_DATA_TYPES: Final[dict[Kind, str]] = {
    "integer": "sc:Integer",
    "text": "sc:Text",
    "time": "sc:DateTime",
    "texts": "sc:Text",
    "object": "sc:Text",
}


def write_croissant(task: Task) -> None:
    """Writes the description of the finished parts, if it is not there."""
    if task.folder.finished(CROISSANT):
        return
    with task.folder.writing(CROISSANT) as part:
        part.write_text(json.dumps(_description(task), ensure_ascii=False, indent=2) + "\n")


def _description(task: Task) -> dict[str, Any]:
    facts = task.export.facts
    urls = sorted({url for licence in task.survey.licences if (url := licence_url(*licence))})
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": facts.slug,
        "description": facts.description or f"{facts.dataset}: pictures of {len(facts.labels)} labels.",
        "version": f"{facts.version}.0.0",
        "datePublished": facts.created_at.isoformat(),
        "creator": {"@type": "Organization", "name": facts.installation},
        "citeAs": f"{facts.dataset}, version {facts.version}, {facts.installation}, {facts.created_at.year}",
        **({"license": urls} if urls else {}),
        "isLiveDataset": False,
        "rai:dataCollection": "Pictures found by keyword at the sources that the manifest names.",
        "rai:dataUseCases": list(facts.policy.sentences()),
        "distribution": _distribution(task),
        "recordSet": [_record_set(task)],
    }


def _distribution(task: Task) -> list[dict[str, Any]]:
    files = [_file_object(part) for part in task.folder.parts if part.name.rpartition(".")[2] in _MEDIA_TYPES]
    archive = _archive(task)
    if archive is None:
        return files
    pictures = {
        "@type": "cr:FileSet",
        "@id": "pictures",
        "containedIn": {"@id": archive.name},
        "encodingFormat": "image/*",
        "includes": [f"**/*.{EXTENSIONS[name]}" for name in sorted(task.survey.formats)],
    }
    return [*files, pictures]


def _file_object(part: Part) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": part.name,
        "contentUrl": part.name,
        "contentSize": f"{part.size_bytes} B",
        "encodingFormat": _MEDIA_TYPES[part.name.rpartition(".")[2]],
        "sha256": part.sha256,
    }


def _archive(task: Task) -> Part | None:
    return next((part for part in task.folder.parts if part.name.endswith(".zip")), None)


def _record_set(task: Task) -> dict[str, Any]:
    manifest = {"fileObject": {"@id": manifest_name(task.format)}}
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"images/{column.name}",
            "description": column.description,
            "dataType": _DATA_TYPES[column.kind],
            **({"isArray": True, "arrayShape": "-1"} if _is_array(task, column.kind) else {}),
            "source": {**manifest, "extract": {"column": column.name}},
        }
        for column in COLUMNS
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "description": "One record per picture.",
        "key": {"@id": "images/id"},
        "field": [*fields, *_picture_fields(task)],
    }


def _is_array(task: Task, kind: Kind) -> bool:
    return kind == "texts" and task.format.manifest != "csv"


def _picture_fields(task: Task) -> list[dict[str, Any]]:
    """The picture itself and its path, for formats of one archive.

    The path leads from the picture to its row, not the other way: mlcroissant takes the bytes from the side that leads.
    """
    if _archive(task) is None:
        return []
    pictures = {"fileSet": {"@id": "pictures"}}
    return [
        {
            "@type": "cr:Field",
            "@id": "images/file_name",
            "description": "Where the picture lies in the archive.",
            "dataType": "sc:Text",
            "source": {**pictures, "extract": {"fileProperty": "fullpath"}},
            "references": {"fileObject": {"@id": manifest_name(task.format)}, "extract": {"column": "file_name"}},
        },
        {
            "@type": "cr:Field",
            "@id": "images/image",
            "description": "The picture.",
            "dataType": "sc:ImageObject",
            "source": {**pictures, "extract": {"fileProperty": "content"}},
        },
    ]
