"""README.md: the dataset card, with the front matter that dataset hubs read."""

import json
from collections.abc import Iterable
from typing import Final

from datasets.exports.attribution import markdown
from datasets.exports.manifests import manifest_name
from datasets.exports.task import Task
from datasets.exports.types import SPLITS
from datasets.licences import licence_key, licence_name, licence_url

CARD: Final = "README.md"

_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
#: How dataset hubs write the licences that they have an identifier for.
_HUB_LICENCES: Final = {"cc0": "cc0-1.0", "pdm": "pddl"}
_HUB_VERSIONS: Final = {"2.0", "2.5", "3.0", "4.0"}


def write_card(task: Task) -> None:
    """Writes the card, if it is not there."""
    if task.folder.finished(CARD):
        return
    with task.folder.writing(CARD) as part:
        part.write_text("\n".join((*_front_matter(task), *_text(task))) + "\n")


def _front_matter(task: Task) -> Iterable[str]:
    facts, pictures = task.export.facts, task.survey.pictures
    size = next((name for limit, name in _SIZES if pictures < limit), "n>1M")
    yield "---"
    yield f"pretty_name: {json.dumps(facts.dataset, ensure_ascii=False)}"
    yield "task_categories:\n- image-classification"
    yield f"size_categories:\n- {size}"
    yield "license:"
    yield from (
        f"- {name}" for name in sorted({_hub_licence(*licence) for licence in task.survey.licences}) or ["other"]
    )
    splits = [split for split in SPLITS if task.survey.in_split(split)]
    if task.format.split_files and splits:
        yield "configs:\n- config_name: default\n  data_files:"
        yield from (
            f"  - split: {split}\n    path: {json.dumps(task.format.split_files.format(split))}" for split in splits
        )
    yield "---\n"


def _text(task: Task) -> Iterable[str]:
    facts, survey = task.export.facts, task.survey
    yield f"# {markdown(facts.dataset)}, version {facts.version}\n"
    if facts.description:
        yield f"{markdown(facts.description)}\n"
    yield f"{survey.pictures} pictures of {len(facts.labels)} labels, {survey.size_bytes} bytes: {task.format.title}."
    yield f"Frozen {facts.created_at.isoformat()} by {markdown(facts.installation)}.\n"
    yield "## Loading it\n"
    yield f"```python\n{task.format.loading.replace('{stem}', facts.file_stem)}\n```\n"
    yield f"`{manifest_name(task.format)}` has every fact, hash, origin and right of each picture."
    yield "`SHA256SUMS` has the checksums of the files.\n"
    yield "## Splits\n"
    yield "Pictures that look alike, and pictures of one page, are in the same split.\n"
    yield f"| label | class | {' | '.join(SPLITS)} |\n|---|---|{'---|' * len(SPLITS)}"
    for label, number in task.class_numbers.items():
        counts = " | ".join(str(survey.counts[split][label]) for split in SPLITS)
        yield f"| {markdown(label)} | {number} | {counts} |"
    yield "\n## Rights\n"
    yield "The pictures belong to their makers. `LICENSES.csv` has the licence of each as its source states it,"
    yield "`ATTRIBUTION.md` a line of credit for each. The export was made for this use:\n"
    yield from (f"- {sentence}" for sentence in facts.policy.sentences())
    yield "\n| licence | pictures |\n|---|---|"
    for licence, number in sorted(survey.licences.items()):
        name, url = markdown(licence_name(*licence)), licence_url(*licence)
        yield f"| {f'[{name}](<{url}>)' if url else name} | {number} |"
    yield "\n## Sources\n\n| source | pictures |\n|---|---|"
    yield from (f"| {markdown(source)} | {number} |" for source, number in sorted(survey.sources.items()))
    yield "\n## Left out\n"
    yield from _left_out(task)


def _left_out(task: Task) -> Iterable[str]:
    left_out = task.export.facts.left_out
    if not left_out and not task.survey.left_out:
        yield "Nothing."
    yield from (f"- {number}: {markdown(reason)}" for reason, number in sorted(left_out.items()))
    for format, number in sorted(task.survey.left_out.items()):
        yield f"- {number} in {format}: {task.format.why_left_out} `left_out.csv` names them."


def _hub_licence(code: str, version: str) -> str:
    key = licence_key(code)
    if key.startswith("cc-by") and licence_url(code, version) and version in _HUB_VERSIONS:
        return f"{key}-{version}"
    return _HUB_LICENCES.get(key, "other")
