"""The newest pictures and log lines of a job, by one query: every poll of its page asks for both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import DateTimeField, F, QuerySet, Value

from datasets.models import Image
from datasets.prepared import Prepared
from jobs.models import Activity, Job, Level

#: Thumbnails on a job's page.
SHOWN_PICTURES = 8
#: Lines of its log.
SHOWN_LINES = 8

_PICTURE = "picture"
_LINE = "line"


class Picture(NamedTuple):
    """An image that the job kept, by its id."""

    pk: int
    label: str


class Line(NamedTuple):
    """A line of the job's log."""

    pk: int
    at: datetime
    level: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest first."""

    pictures: tuple[Picture, ...]
    lines: tuple[Line, ...]


def of(job: Job, *, pictures: int, only_problems: bool, known: Sequence[Picture] | None = None) -> Newest:
    """At most so many pictures; of the log only warnings and errors, if so asked. `known` pictures are not read."""
    if known is None and pictures:
        rows: Iterable[tuple[Any, ...]] = _lines(job.pk, only_problems=only_problems).union(
            _pictures(job.pk, pictures), all=True
        )
    else:
        rows = (_PROBLEMS if only_problems else _LINES).rows(job.pk)
    found = sorted(rows, key=lambda row: row[1], reverse=True)
    read = [Picture(pk=pk, label=text) for kind, pk, text, _, _ in found if kind == _PICTURE]
    return Newest(
        pictures=tuple(read if known is None else known[:pictures]),
        lines=tuple(
            Line(pk=pk, at=at, level=level, sentence=text) for kind, pk, text, level, at in found if kind == _LINE
        ),
    )


def _lines(job_id: int, *, only_problems: bool) -> QuerySet[Activity, Any]:
    log = Activity.objects.order_by("-id").filter(job_id=job_id)
    told = log.exclude(level=Level.INFO) if only_problems else log
    lines = Activity.objects.order_by().filter(pk__in=told.values("pk")[:SHOWN_LINES])
    return lines.annotate(kind=Value(_LINE)).values_list("kind", "id", "sentence", "level", "at")


_LINES: Final = Prepared(lambda job_id: _lines(job_id, only_problems=False), int)
_PROBLEMS: Final = Prepared(lambda job_id: _lines(job_id, only_problems=True), int)


def _pictures(job_id: int, number: int) -> QuerySet[Image, Any]:
    kept = Image.objects.order_by("-id").filter(job_id=job_id).values("pk")[:number]
    never = Value(None, output_field=DateTimeField())
    images = Image.objects.order_by().filter(pk__in=kept)
    images_as_lines = images.annotate(kind=Value(_PICTURE), text=F("label"), level=Value(""), at=never)
    return images_as_lines.values_list("kind", "id", "text", "level", "at")


def pictures_of(job_id: int) -> list[Picture]:
    """The newest that the job kept, read from the rows."""
    newest = Image.objects.order_by("-id").filter(job_id=job_id).values_list("pk", "label")
    return [Picture(pk=pk, label=label) for pk, label in newest[:SHOWN_PICTURES]]
