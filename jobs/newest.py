"""The newest pictures and log lines of a job, by one query: every poll of its page asks for both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import DateTimeField, F, Value

from datasets.models import Image
from jobs.models import Activity, Job, Level

_PICTURE = "picture"
_LINE = "line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image that the job kept, by its id."""

    pk: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the job's log."""

    pk: int
    at: datetime
    level: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest first."""

    pictures: Sequence[Picture]
    lines: Sequence[Line]


def of(job: Job, *, pictures: int, lines: int, only_problems: bool) -> Newest:
    """At most so many of each; of the log only warnings and errors, if so asked."""
    log = job.activities.exclude(level=Level.INFO) if only_problems else job.activities.all()
    kept = Image.objects.order_by("-id").filter(job_id=job.pk).values("pk")[:pictures]
    told = log.order_by("-id").values("pk")[:lines]
    images = Image.objects.order_by().filter(pk__in=kept)
    activities = Activity.objects.order_by().filter(pk__in=told)
    never = Value(None, output_field=DateTimeField())
    rows = (
        images.annotate(kind=Value(_PICTURE), text=F("label"), level=Value(""), at=never)
        .values_list("kind", "id", "text", "level", "at")
        .union(
            activities.annotate(kind=Value(_LINE)).values_list("kind", "id", "sentence", "level", "at"),
            all=True,
        )
    )
    found = sorted(rows, key=lambda row: row[1], reverse=True)
    return Newest(
        pictures=[Picture(pk=pk, label=text) for kind, pk, text, _, _ in found if kind == _PICTURE],
        lines=[Line(pk=pk, at=at, level=level, sentence=text) for kind, pk, text, level, at in found if kind == _LINE],
    )
