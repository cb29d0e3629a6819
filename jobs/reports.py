"""What a job came to, in the one shape that the command line and the API give."""

import csv
import json
from collections.abc import Iterator
from typing import Any, Protocol

from django.db.models import Count
from django.utils import timezone

from datasets.outcomes import NOT_KEPT
from datasets.spreadsheet import safe_cell
from jobs import progress
from jobs.look_models import Look
from jobs.models import Finding, Job

#: The columns of a finding in their order, and the field that each is read from.
_FINDING_FIELDS = {
    "url": "url",
    "source": "chunk__source",
    "keyword": "chunk__keyword",
    "label": "chunk__label",
    "outcome": "outcome",
    "reason": "reason",
    "detail": "detail",
    "sha256": "sha256",
    "width": "width_px",
    "height": "height_px",
    "format": "format",
    "bytes": "size_bytes",
    "seconds": "seconds",
    "attempts": "attempts",
}
FINDING_COLUMNS = tuple(_FINDING_FIELDS)


_LOOK_FIELDS = ("total", "seen", "is_whole", "usable", "known", "repeated", "refused", "licences", "sizes")
_SAMPLE_FIELDS = ("title", "page_url", "licence", "width_px", "height_px", "size_bytes", "trouble")


class Output(Protocol):
    """Where rows are written: a file, or a command's standard output."""

    def write(self, text: str, /) -> Any: ...


def job_report(job: Job) -> dict[str, Any]:
    """The job as it stands: counters, reasons with their numbers, and the seconds since it started."""
    now = progress.read(job)
    not_kept = job.findings.filter(outcome__in=NOT_KEPT)
    reasons = not_kept.values_list("reason").annotate(n=Count("pk")).order_by("-n", "reason")
    return {
        "job": job.pk,
        "kind": job.kind,
        "dataset": job.dataset.name,
        "status": now.status,
        "run": job.run,
        **{name: getattr(now, name) for name in progress.OUTCOME_COUNTERS},
        "reasons": dict(reasons),
        "seconds": round(seconds_run(job), 3),
        "outlook": job.outlook,
    }


def look_report(look: Look) -> dict[str, Any]:
    """What a dry run saw of one keyword × source. The look comes with its chunk."""
    chunk = look.chunk
    return {
        "chunk": chunk.pk,
        "label": chunk.label,
        "keyword": chunk.keyword,
        "source": chunk.source,
        **{name: getattr(look, name) for name in _LOOK_FIELDS},
        "samples": [{name: sample[name] for name in _SAMPLE_FIELDS} for sample in look.samples],
    }


def seconds_run(job: Job) -> float:
    """Seconds from the job's first start to its end, or until now; 0 before it starts."""
    if job.started_at is None:
        return 0.0
    # The start is on the database's clock, now is on ours.
    return max(0.0, ((job.finished_at or timezone.now()) - job.started_at).total_seconds())


def finding_rows(job: Job) -> Iterator[dict[str, Any]]:
    """One row per candidate, in the order in which they were recorded; never all of them in memory."""
    findings = Finding.objects.filter(job=job).order_by("pk").values_list(*_FINDING_FIELDS.values())
    for values in findings.iterator(chunk_size=1000):
        row = dict(zip(FINDING_COLUMNS, values, strict=True))
        yield {**row, "seconds": round(row["seconds"], 4)}


def write_findings(job: Job, output: Output, *, format: str) -> None:
    """Writes the job's findings as JSON lines, or as CSV that is safe to open in a spreadsheet."""
    if format == "jsonl":
        for row in finding_rows(job):
            output.write(json.dumps(row, ensure_ascii=False) + "\n")
        return
    writer = csv.DictWriter(output, FINDING_COLUMNS)
    writer.writeheader()
    for row in finding_rows(job):
        writer.writerow({name: safe_cell(value) for name, value in row.items()})
