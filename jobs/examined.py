"""Writes what became of a dataset's images that were looked at: rows, findings, counters and place, fenced."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F

from datasets import numbers, validation
from datasets.outcomes import Outcome, Reason, outcome_of
from datasets.rows import update_rows
from datasets.validation import Examination
from jobs import lifecycle, meter
from jobs.crawl.text import clean
from jobs.lifecycle import Lease
from jobs.models import Chunk, Finding
from jobs.recorder import LeaseLost

_MAX_DETAIL_LENGTH = 1000
_UNMARKED_AT_ONCE = 1_000


def key_of(image_id: int) -> str:
    """The ledger's key of an image."""
    return f"image:{image_id}"


def record(
    lease: Lease,
    chunk: Chunk,
    examinations: Sequence[Examination],
    *,
    write: Callable[[Sequence[Examination]], None],
    position: dict[str, Any],
) -> Chunk:
    """Writes examinations, by `write` to the rows of the images, and the chunk's place; gives the chunk as it is now.

    Everything or nothing, and nothing at all when the lease is lost (LeaseLost). Images that were removed meanwhile
    leave no finding.
    """
    with transaction.atomic():
        if not lifecycle.extend_lease(lease):
            raise LeaseLost
        numbers.changed(chunk.job.dataset_id)
        there = validation.still_there([examination.image.pk for examination in examinations])
        examinations = [examination for examination in examinations if examination.image.pk in there]
        write(examinations)
        findings = [_finding(chunk, examination) for examination in examinations]
        Finding.objects.bulk_create(findings)
        counts = Counter(finding.outcome for finding in findings)
        counts["found"] = len(findings)
        counts["size_bytes"] = sum(f.size_bytes for f in findings if f.outcome == Outcome.KEPT.value)
        Chunk.objects.filter(pk=chunk.pk).update(
            **{name: F(name) + n for name, n in counts.items()}, position=position, lost_attempts=0
        )
        tally = meter.of_verdicts(chunk.job.kind, ((finding.outcome, finding.reason) for finding in findings))
        transaction.on_commit(lambda: meter.note(tally), robust=True)
        return Chunk.objects.select_related("job", "job__dataset").get(pk=chunk.pk)


def mark_duplicates(chunk: Chunk, details: Mapping[int, str]) -> None:
    """Turns sound images of the chunk's job into duplicates, and says of each by its id what it looks like.

    Images that are damaged stay what they are. Runs in the caller's transaction.
    """
    sound = Finding.objects.filter(
        job_id=chunk.job_id, key__in=[key_of(image_id) for image_id in details], outcome=Outcome.KEPT.value
    )
    findings = list(sound.order_by("pk").values_list("pk", "key", "chunk_id", "size_bytes"))
    duplicate = {"outcome": Outcome.DUPLICATE.value, "reason": Reason.DUPLICATE_NEAR.value}
    rows = [(pk, {**duplicate, "detail": details[int(key.partition(":")[2])]}) for pk, key, _, _ in findings]
    update_rows(Finding, ("outcome", "reason", "detail"), rows)
    _recount([(chunk_id, size_bytes) for _, _, chunk_id, size_bytes in findings], sign=1)
    tally = meter.of_verdicts(chunk.job.kind, [(duplicate["outcome"], duplicate["reason"])] * len(findings))
    transaction.on_commit(lambda: meter.note(tally), robust=True)


def unmark_duplicates(chunk: Chunk) -> int:
    """Takes back some of what an earlier search of the job has marked; gives how many. In the caller's transaction."""
    marked = Finding.objects.filter(job_id=chunk.job_id, outcome=Outcome.DUPLICATE.value)
    findings = list(marked.order_by("pk").values_list("pk", "chunk_id", "size_bytes")[:_UNMARKED_AT_ONCE])
    Finding.objects.filter(pk__in=[pk for pk, _, _ in findings]).update(
        outcome=Outcome.KEPT.value, reason="", detail=""
    )
    _recount([(chunk_id, size_bytes) for _, chunk_id, size_bytes in findings], sign=-1)
    return len(findings)


def _recount(turned: Sequence[tuple[int, int]], *, sign: int) -> None:
    """Moves findings, given by chunk and bytes, from kept to duplicate (`sign` 1) or back (-1)."""
    numbers: Counter[int] = Counter(chunk_id for chunk_id, _ in turned)
    sizes: Counter[int] = Counter()
    for chunk_id, size_bytes in turned:
        sizes[chunk_id] += size_bytes
    # In the order of their ids: two searches at once wait for each other, never both.
    for chunk_id in sorted(numbers):
        Chunk.objects.filter(pk=chunk_id).update(
            kept=F("kept") - sign * numbers[chunk_id],
            duplicate=F("duplicate") + sign * numbers[chunk_id],
            size_bytes=F("size_bytes") - sign * sizes[chunk_id],
        )


def _finding(chunk: Chunk, examination: Examination) -> Finding:
    image, facts = examination.image, examination.facts
    return Finding(
        job_id=chunk.job_id,
        chunk_id=chunk.pk,
        run=chunk.run,
        key=key_of(image.pk),
        url=image.url,
        outcome=outcome_of(examination.reason).value,
        reason=examination.reason.value if examination.reason else "",
        detail=clean(examination.detail, _MAX_DETAIL_LENGTH),
        image=image,
        sha256=examination.sha256,
        format=facts.format if facts else "",
        width_px=facts.width_px if facts else 0,
        height_px=facts.height_px if facts else 0,
        size_bytes=examination.size_bytes,
        seconds=examination.seconds,
        attempts=1,
    )
