"""ATTRIBUTION.md and LICENSES.csv: whom to credit for each picture, and under which licence it is."""

import csv
import html
import re
from typing import Final

from datasets.exports.columns import licence_of
from datasets.exports.manifests import TextOutput
from datasets.exports.parts import PartFile
from datasets.exports.types import ExportFacts, ExportImage
from datasets.spreadsheet import safe_cell

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+!|~-])")
_LICENCE_COLUMNS: Final = (
    "id", "file_name", "licence_code", "licence_version", "licence_name", "licence_url", "creator", "creator_url",
    "title", "attribution", "page_url", "url", "source", "ml_use",
)  # fmt: skip


class Attribution:
    """Takes one picture after the other and writes a line of credit for each."""

    def __init__(self, part: PartFile, facts: ExportFacts) -> None:
        self._part = part
        part.write_text(
            f"# Attribution\n\nThe pictures of {markdown(facts.dataset)}, version {facts.version}, by their numbers. "
            "Titles, names and licences are those that the sources state; pass them on with the pictures.\n\n"
        )

    def add(self, image: ExportImage) -> None:
        name, url = licence_of(image)
        credit = markdown(image.attribution) or self._made_up(image)
        licence = _link(name, url)
        where = _link("source", image.page_url or image.url)
        self._part.write_text(f"- {image.id}: {credit} ({licence}; {where})\n")

    @staticmethod
    def _made_up(image: ExportImage) -> str:
        title = f"“{markdown(image.title)}”" if image.title else "A picture without a title"
        return f"{title} by {_link(image.creator or 'an unknown creator', image.creator_url)}"


class Licences:
    """Takes one picture after the other and writes a row of its rights for each."""

    def __init__(self, part: PartFile) -> None:
        self._writer = csv.writer(TextOutput(part))
        self._writer.writerow(_LICENCE_COLUMNS)

    def add(self, image: ExportImage, file_name: str | None) -> None:
        name, url = licence_of(image)
        row = (
            image.id, file_name or "", image.licence_code, image.licence_version, name, url, image.creator,
            image.creator_url, image.title, image.attribution, image.page_url, image.url, image.source, image.ml_use,
        )  # fmt: skip
        self._writer.writerow([safe_cell(value) for value in row])


def markdown(text: str) -> str:
    """Foreign text as one line of Markdown that says the same and does nothing."""
    return _MARKDOWN.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _link(text: str, url: str) -> str:
    if not re.fullmatch(r"https?://[^\s<>]+", url):
        return markdown(text)
    return f"[{markdown(text)}](<{url}>)"
