"""Numbers of large datasets that are counted once and shown until they are counted again: when, and by whom.

The scheduler has them counted by a worker when a dataset's content is another than it was and nothing works on it any
more: after a job, and after what people decided. A twentieth of the time at most goes into one dataset.
"""

import logging
from dataclasses import asdict, dataclass
from datetime import timedelta

from celery import current_app
from django.db.models import Count, Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError

from datasets import numbers
from datasets.models import Dataset
from datasets.number_models import KeptNumbers
from datasets.outcomes import Outcome
from jobs.models import Chunk, Finding, Job, Kind, Status
from jobs.progress import OUTCOME_COUNTERS
from jobs.redis_store import RedisError

log = logging.getLogger(__name__)

TASK = "jobs.tasks.count_dataset_task"

#: Counting takes at most this part of the time, and starts at most so often.
_PART = 20
_AT_MOST_EVERY = timedelta(minutes=1)
#: Whoever was asked so long ago does not count any more.
_GIVEN_UP_AFTER = timedelta(minutes=15)
_DATASETS_A_PASS = 5
_REASONS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """What one source gave, over all crawls of the dataset."""

    source: str
    found: int
    kept: int
    duplicate: int
    rejected: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A reason, and how many candidates of all crawls were not kept for it."""

    reason: str
    outcome: str
    count: int


def draw(dataset_id: int) -> None:
    """Counts a dataset anew, its images and what became of the candidates of its crawls, and keeps the numbers."""
    # The sources first: candidates that come meanwhile make the numbers old.
    sources = funnels(dataset_id)
    reasons = left_out(dataset_id)
    beside = {"funnels": [asdict(row) for row in sources], "left_out": [asdict(row) for row in reasons]}
    numbers.draw(dataset_id, beside=beside)


def ask_for_due() -> int:
    """Has workers count the datasets that are due; gives how many. For every scheduler pass."""
    asked = 0
    for dataset_id in _due():
        KeptNumbers.objects.get_or_create(dataset_id=dataset_id)
        if not KeptNumbers.objects.filter(_UNASKED, dataset_id=dataset_id).update(asked_at=Now()):
            continue
        try:
            current_app.send_task(TASK, args=[dataset_id])
            asked += 1
        except (OperationalError, RedisError, OSError) as error:
            log.warning("Nobody was asked to count dataset %s (%s); the scheduler asks later.", dataset_id, error)
            KeptNumbers.objects.filter(dataset_id=dataset_id).update(asked_at=None)
            return asked
    return asked


_UNASKED = Q(asked_at__isnull=True) | Q(asked_at__lt=Now() - _GIVEN_UP_AFTER)


def _due() -> list[int]:
    """Large datasets that were never counted; or whose numbers are old while nothing works on them."""
    large = Dataset.objects.order_by("pk").filter(image_count__gt=numbers.COUNTED_ANEW)
    never = large.filter(Q(kept_numbers__isnull=True) | Q(kept_numbers__revision__isnull=True))
    asked = KeptNumbers.objects.filter(~_UNASKED).values("pk")
    due = list(never.exclude(pk__in=asked).values_list("pk", flat=True)[:_DATASETS_A_PASS])
    at_work = Job.objects.filter(dataset=OuterRef("pk"), status__in=[Status.PENDING, Status.PROCESSING])
    old = large.filter(~Q(revision=F("kept_numbers__revision")), ~Exists(at_work)).exclude(pk__in=asked)
    now = timezone.now()
    for dataset_id, counted_at, seconds in old.values_list("pk", "kept_numbers__counted_at", "kept_numbers__seconds"):
        rest = max(_AT_MOST_EVERY, timedelta(seconds=_PART * (seconds or 0)))
        if counted_at is not None and counted_at + rest < now and len(due) < _DATASETS_A_PASS:
            due.append(dataset_id)
    return due


def funnels(dataset_id: int) -> list[Funnel]:
    """What each source gave, the one that gave most first."""
    chunks = Chunk.objects.order_by().filter(job__dataset_id=dataset_id, job__kind=Kind.CRAWL)
    sums = chunks.values("source").annotate(**{f"sum_{name}": Sum(name) for name in OUTCOME_COUNTERS})
    return [
        Funnel(source=row["source"], **{name: row[f"sum_{name}"] for name in OUTCOME_COUNTERS})
        for row in sums.order_by("-sum_kept", "source")
    ]


def left_out(dataset_id: int) -> list[LeftOut]:
    """Why candidates were not kept, the most frequent reasons first."""
    findings = Finding.objects.order_by().filter(job__dataset_id=dataset_id, job__kind=Kind.CRAWL)
    counted = findings.filter(~Q(outcome=Outcome.KEPT.value)).values_list("reason", "outcome").annotate(n=Count("pk"))
    return [
        LeftOut(reason=reason, outcome=outcome, count=n)
        for reason, outcome, n in counted.order_by("-n", "reason")[:_REASONS]
    ]
