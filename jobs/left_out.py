"""For which reasons candidates of a job were left out, as its page tells it: why downloads of a crawl failed, and what
was wrong with the images that other jobs looked at.

Counted from findings; while a job runs, jobs.progress has the numbers, so that no page has to.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db.models import Count, Q

from datasets.outcomes import NOT_KEPT, Outcome
from jobs.models import Finding, Kind


def told(kind: str, findings: Iterable[Finding]) -> Counter[str]:
    """By reason, those of the findings that are told of a job of this kind."""
    if kind == Kind.CRAWL:
        findings = (finding for finding in findings if finding.outcome == Outcome.FAILED.value)
    return Counter(finding.reason for finding in findings if finding.reason)


def number_told(kind: str, counters: Mapping[str, int]) -> int:
    """How many that are, by the counters of the ledger."""
    match kind:
        case Kind.CRAWL:
            return counters["failed"]
        case Kind.EXPORT:
            return 0
    return counters["found"] - counters["kept"]


def by_chunk(kind: str, chunk_ids: Collection[int]) -> dict[int, Counter[str]]:
    """For each of these chunks that has any, numbers by reason."""
    rows = _counted(Q(chunk_id__in=chunk_ids), kind, "chunk_id")
    found: dict[int, Counter[str]] = {}
    for chunk_id, reason, number in rows:
        found.setdefault(chunk_id, Counter())[reason] = number
    return found


def of_job(kind: str, job_id: int, *, but: Collection[int] = ()) -> Counter[str]:
    """Numbers by reason of all the job's chunks but these."""
    which = Q(job_id=job_id) & ~Q(chunk_id__in=but) if but else Q(job_id=job_id)
    return Counter(dict(_counted(which, kind)))


def _counted(which: Q, kind: str, *by: str) -> Any:
    findings = Finding.objects.order_by().filter(which)
    # By outcomes, so that what was kept is passed over along the index.
    outcomes = [Outcome.FAILED.value] if kind == Kind.CRAWL else NOT_KEPT
    some = findings.filter(outcome__in=outcomes)
    return some.values_list(*by, "reason").annotate(number=Count("pk"))
