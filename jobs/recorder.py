"""Writes what became of candidates: images, findings, counters and place, in one fenced transaction per batch."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from datasets.models import Dataset, Image
from datasets.outcomes import RETRYABLE, Outcome, Reason, outcome_of
from datasets.services import Added, NewImage, add_images
from datasets.takedowns import Stored, discard
from jobs import brought, lifecycle, meter, takedowns
from jobs.crawl.text import clean
from jobs.crawl.types import Candidate
from jobs.crawl.urls import url_key
from jobs.lifecycle import Lease
from jobs.models import Chunk, Finding, LabelTarget

#: What a decoder or a site says of its trouble may hold anything.
_MAX_DETAIL_LENGTH = 1000


class LeaseLost(Exception):
    """The chunk is no longer this worker's: whatever it has in hand is dropped, another worker does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is known of one candidate after fetch, inspect and store.

    `image` is set for a sound picture that lies in the store; `reason` says why there is none. `retries` names the
    finding that this attempt replaces. `transfer_s` is what its download took, None where none was tried.
    """

    candidate: Candidate
    reason: Reason | None = None
    detail: str = ""
    image: NewImage | None = None
    sha256: str = ""
    format: str = ""
    width_px: int = 0
    height_px: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    attempts: int = 0
    transfer_s: float | None = None
    retries: int | None = None


def finding_key(candidate: Candidate) -> str:
    """The ledger's key of a URL's first listing in a job."""
    return f"url:{url_key(candidate.url)}"


def known(chunk: Chunk, candidates: Collection[Candidate]) -> dict[str, Reason]:
    """Which of the candidates need no download, by ledger key, and why.

    A URL of a file whose SHA-1 is that of an image, as their sources say, has the same bytes.
    A URL whose bytes once equalled an image of the dataset is in the dataset too. A URL that this job has listed
    before is a duplicate where its bytes are in the dataset; else it shares the verdict of its first listing.
    """
    keys = {finding_key(candidate): url_key(candidate.url) for candidate in candidates}
    dataset_id = chunk.job.dataset_id
    # Unordered, here and below: to bring rows in the models' order, SQLite would read all of the dataset or the job.
    in_dataset = Image.objects.order_by().filter(dataset_id=dataset_id, url_key__in=keys.values())
    reasons = _same_files(dataset_id, candidates)
    reasons |= {f"url:{key}": Reason.ALREADY_IN_DATASET for key in in_dataset.values_list("url_key", flat=True)}
    listed = Finding.objects.order_by().filter(Q(job_id=chunk.job_id) | Q(image__dataset_id=dataset_id), key__in=keys)
    for key, job_id, reason in listed.values_list("key", "job_id", "reason"):
        if job_id != chunk.job_id:
            reasons.setdefault(key, Reason.ALREADY_IN_DATASET)
        elif reason in _IN_THE_DATASET:
            reasons[key] = Reason.DUPLICATE_URL
        else:
            reasons[key] = Reason(reason)
    return reasons


#: Reasons ("": kept) of first listings whose bytes this job has seen to be in the dataset.
_IN_THE_DATASET = ("", Reason.DUPLICATE_EXACT.value, Reason.DUPLICATE_URL.value)


def record(lease: Lease, chunk: Chunk, results: Sequence[Result], **progress: Any) -> Chunk:
    """Writes results and the chunk's `progress` fields (position, exhausted, listed); gives the chunk as it is now.

    Everything or nothing, and nothing at all when the lease is lost (LeaseLost). The dataset's row is locked
    while its images are added, so of two workers with the same bytes exactly one keeps them.
    """
    with transaction.atomic():
        if not lifecycle.extend_lease(lease):
            raise LeaseLost
        dataset = Dataset.objects.select_for_update(no_key=True).get(pk=chunk.job.dataset_id)
        results = _without_takedowns(results)
        images = add_images(dataset, [r.image for r in results if r.image], job_id=chunk.job_id)
        findings = _verdicts(chunk, results, images)
        retried = [finding for finding in findings if finding.pk]
        counts = _write_new(chunk, [finding for finding in findings if not finding.pk])
        counts.update(_write_retried(retried))
        if results:
            # What gets on is no poison, however often its workers vanish, and waits for nobody.
            progress = {"lost_attempts": 0, "waits_since": None, **progress}
        Chunk.objects.filter(pk=chunk.pk).update(
            **{name: F(name) + n for name, n in counts.items()}, quota=F("quota") - counts["kept"], **progress
        )
        LabelTarget.objects.filter(job_id=chunk.job_id, label=chunk.label).update(
            kept=F("kept") + counts["kept"], reserved=F("reserved") - counts["kept"]
        )
        tally = _tally(chunk, results, findings)
        transaction.on_commit(lambda: meter.note(tally), robust=True)
        added = images.added.values()
        transaction.on_commit(lambda: brought.note(chunk, added, findings, retried=len(retried)), robust=True)
        return Chunk.objects.select_related("job", "job__dataset").get(pk=chunk.pk)


def _tally(chunk: Chunk, results: Sequence[Result], findings: Sequence[Finding]) -> Counter[str]:
    """What the batch adds to the counters of /metrics."""
    transfers = [
        meter.Transfer(
            source=chunk.source, url=result.candidate.url, seconds=result.transfer_s, size_bytes=result.size_bytes
        )
        for result in results
        if result.transfer_s is not None
    ]
    verdicts = meter.of_verdicts(chunk.job.kind, ((finding.outcome, finding.reason) for finding in findings))
    return verdicts + meter.of_transfers(transfers, own_hosts=settings.ALLOW_HOSTS)


def _same_files(dataset_id: int, candidates: Collection[Candidate]) -> dict[str, Reason]:
    """Candidates that are files of the dataset under another address, by what their sources say."""
    wanted = {candidate.sha1 for candidate in candidates if candidate.sha1}
    if not wanted:
        return {}
    same = Image.objects.order_by().filter(dataset_id=dataset_id, sha1__in=wanted).exclude(sha1="")
    there = set(same.values_list("sha1", flat=True))
    return {finding_key(one): Reason.DUPLICATE_EXACT for one in candidates if one.sha1 in there}


def _without_takedowns(results: Sequence[Result]) -> list[Result]:
    """What somebody asked to be left out is not kept, even if that was asked a moment ago; its files go as well."""
    refused = takedowns.of_images([result.image for result in results if result.image])
    stored = [
        Stored(sha256=image.facts.sha256, blob_name=image.blob_name, thumb_name=image.thumb_name)
        for result in results
        if (image := result.image) and image.facts.sha256 in refused
    ]
    if stored:
        transaction.on_commit(lambda: discard(stored), robust=True)
    return [
        replace(result, image=None, reason=refusal.reason, detail=refusal.detail)
        if result.image and (refusal := refused.get(result.image.facts.sha256))
        else result
        for result in results
    ]


def _verdicts(chunk: Chunk, results: Sequence[Result], images: Added) -> list[Finding]:
    """A finding for each result; one that replaces a finding carries its primary key.

    Of several results with the same new bytes the first keeps the image, the others are its duplicates.
    """
    keepers = dict(images.added)
    findings = []
    for result in results:
        sha256 = result.image.facts.sha256 if result.image else ""
        kept = keepers.pop(sha256, None)
        same = images.existing.get(sha256) or images.added.get(sha256)
        if sha256 in images.alike:
            findings.append(_look_alike(chunk, result, *images.alike[sha256]))
            continue
        reason = result.reason or (None if kept else Reason.DUPLICATE_EXACT)
        findings.append(_finding(chunk, result, reason, kept or same))
    return findings


def _look_alike(chunk: Chunk, result: Result, image_id: int, bits: int) -> Finding:
    """A picture that is not kept since it looks like one of the dataset."""
    told = replace(result, detail=f"Looks like image {image_id}: {bits} of 64 bits apart.")
    finding = _finding(chunk, told, Reason.DUPLICATE_NEAR, None)
    finding.image_id = image_id
    return finding


def _write_new(chunk: Chunk, findings: Sequence[Finding]) -> Counter[str]:
    """Writes findings of new candidates; gives what they add to the counters."""
    keys = [finding.key for finding in findings]
    there = Finding.objects.order_by().filter(job_id=chunk.job_id, key__in=keys)
    taken = set(there.values_list("key", flat=True))
    for finding in findings:
        if finding.key in taken:
            finding.key = _repeat_key(chunk, finding.key, taken)
        taken.add(finding.key)
    Finding.objects.bulk_create(findings)
    return Counter({"found": len(findings), "size_bytes": _kept_bytes(findings)}) + Counter(f.outcome for f in findings)


def _write_retried(findings: Sequence[Finding]) -> Counter[str]:
    """Replaces findings that had failed (their `pk` is set); gives what that changes of the counters."""
    Finding.objects.bulk_update(findings, _RETRIED_FIELDS)
    changes = Counter(finding.outcome for finding in findings)
    changes[Outcome.FAILED.value] -= len(findings)
    changes["size_bytes"] += _kept_bytes(findings)
    return changes


def _kept_bytes(findings: Sequence[Finding]) -> int:
    return sum(finding.size_bytes for finding in findings if finding.outcome == Outcome.KEPT.value)


_RETRIED_FIELDS = [
    "run", "outcome", "reason", "detail", "image", "sha256", "format", "width_px", "height_px", "size_bytes",
    "seconds", "attempts", "candidate",
]  # fmt: skip


def _finding(chunk: Chunk, result: Result, reason: Reason | None, image: Image | None) -> Finding:
    retry_later = reason in RETRYABLE and outcome_of(reason) is Outcome.FAILED
    return Finding(
        pk=result.retries,
        job_id=chunk.job_id,
        chunk_id=chunk.pk,
        run=chunk.run,
        key=finding_key(result.candidate),
        url=result.candidate.url,
        outcome=outcome_of(reason).value,
        reason=reason.value if reason else "",
        detail=clean(result.detail, _MAX_DETAIL_LENGTH)
        or (f"The same bytes as image {image.pk}." if reason and image else ""),
        image=image,
        sha256=result.sha256,
        format=result.format,
        width_px=result.width_px,
        height_px=result.height_px,
        size_bytes=result.size_bytes,
        seconds=result.seconds,
        attempts=result.attempts,
        candidate=asdict(result.candidate) if retry_later and result.attempts else None,
    )


def _repeat_key(chunk: Chunk, key: str, taken: set[str]) -> str:
    """A key for a URL that the job has listed before: it names the chunk, and counts within it."""
    stem = f"{key}:{chunk.pk}:"
    # Looked for among the chunk's findings: a prefix finds no index, and a job may have a million.
    before = Finding.objects.filter(chunk=chunk, key__startswith=stem).count()
    number = before + sum(other.startswith(stem) for other in taken)
    return f"{stem}{number}"
