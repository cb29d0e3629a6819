"""How a job ended: its final status, and the sentence that says why it kept fewer than asked."""

from dataclasses import dataclass

from django.db.models import Count, Sum

from datasets.outcomes import Outcome
from jobs.models import Job, Status


@dataclass(frozen=True, slots=True)
class Verdict:
    status: Status
    sentence: str


def of(job: Job) -> Verdict:
    """The verdict on a job none of whose chunks is open, from its rows.

    Failed means that every chunk failed; a job that kept nothing for another reason is completed and says which.
    """
    chunks = dict(job.chunks.values_list("status").annotate(n=Count("pk")))
    if job.cancel_requested_at is not None:
        return Verdict(Status.CANCELLED, f"Cancelled. {job.kept:,} images were kept and stay in the dataset.")
    if chunks and set(chunks) == {Status.FAILED.value}:
        first = job.chunks.filter(status=Status.FAILED).order_by("id").values_list("error", flat=True).first()
        return Verdict(Status.FAILED, f"Every chunk failed. The first error: {first} Mend the cause, then retry.")
    if job.dry_run:
        listed = job.chunks.aggregate(n=Sum("listed", default=0))["n"]
        return Verdict(
            Status.COMPLETED, f"Dry run: the sources list about {listed:,} pictures. Nothing was downloaded."
        )
    wanted = job.targets.aggregate(n=Sum("wanted", default=0))["n"]
    if job.kept >= wanted:
        return Verdict(Status.COMPLETED, f"Kept all {wanted:,} images asked for.")
    return Verdict(Status.COMPLETED, " ".join([f"Kept {job.kept:,} of {wanted:,}.", *_why_fewer(job, chunks)]))


def _why_fewer(job: Job, chunks: dict[str, int]) -> list[str]:
    """Sentences: what the sources gave, what was left out and why, what did not run."""
    if job.found == 0 and not chunks.get(Status.FAILED.value):
        return ["The sources list nothing for these keywords: try other words or add a source."]
    told = [f"The sources listed {job.found:,} and have no more."] if not chunks.get(Status.FAILED.value) else []
    reasons = (
        job.findings.exclude(outcome=Outcome.KEPT.value).values_list("reason").annotate(n=Count("pk")).order_by("-n")
    )
    left_out = [_LEFT_OUT.get(reason, _OTHER).format(n=n, reason=reason) for reason, n in reasons[:4]]
    if left_out:
        told.append(f"Left out: {'; '.join(left_out)}.")
    failed = chunks.get(Status.FAILED.value, 0)
    if failed:
        told.append(f"{failed:,} of {sum(chunks.values()):,} chunks failed; a retry runs only these.")
    return told


_OTHER = "{n:,} {reason}"
_LEFT_OUT = {
    "already_in_dataset": "{n:,} were in the dataset already",
    "duplicate_exact": "{n:,} have the same bytes as an image that was kept",
    "duplicate_url": "{n:,} were listed more than once",
    "too_small": "{n:,} were too small",
}
