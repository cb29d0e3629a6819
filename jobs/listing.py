"""Stores a job's URL list, however long, in short transactions; a job is started only once its list is whole.

While lines come in, the job holds a lease on its list (`list_lease_expires_at`), renewed with every batch, and nobody
plans it. The transaction that completes the list takes the lease away. A list whose process was killed keeps its
lease for ever: `end_abandoned` fails its job and removes its rows.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import islice

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from jobs import activity, lifecycle
from jobs.crawl.url_list import ListedUrl as ListedUrlLine
from jobs.crawl.url_list import UrlListError, parse_url_list
from jobs.models import TERMINAL, Job, Level, ListedUrl, Status
from jobs.spec import MAX_KEYWORDS, InvalidSpec

#: Rows of one transaction: other writers of SQLite wait for one batch, a tenth of a second.
BATCH_ROWS = 2_000

#: A list that got no batch for so long is abandoned. Far longer than a batch waits for a busy database.
_LEASE = timedelta(seconds=60)

#: Rows of abandoned lists that one call of `end_abandoned` removes at most.
_ROWS_PER_CALL = 20_000


_COLUMNS = ("label", "position", "url", "title", "licence", "page_url")

#: The values of _COLUMNS.
Row = tuple[str, int, str, str, str, str]


class ListEnded(Exception):
    """The job was cancelled, or given up as abandoned, while its list was being stored."""


class ListReader:
    """Reads the lines of a list as rows, a batch at a time; `labels` are those met so far, in their order."""

    def __init__(self, lines: Iterable[str], *, format: str, default_label: str) -> None:
        self._lines = parse_url_list(lines, format=format, default_label=default_label)
        self._positions: dict[str, int] = {}
        self.is_at_end = False

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._positions)

    def next_batch(self) -> list[Row]:
        """The next rows. Raises InvalidSpec for a list that cannot be taken."""
        try:
            rows = [self._row(line) for line in islice(self._lines, BATCH_ROWS)]
        except UrlListError as error:
            raise InvalidSpec("urls", str(error)) from None
        self.is_at_end = len(rows) < BATCH_ROWS
        if not self._positions:
            raise InvalidSpec(
                "urls", "The list holds no addresses. Write one a line, or a CSV or JSONL file with a column url."
            )
        return rows

    def _row(self, line: ListedUrlLine) -> Row:
        position = self._positions.get(line.label, 0)
        if position == 0 and len(self._positions) == MAX_KEYWORDS:
            raise InvalidSpec("urls", f"The list has more than {MAX_KEYWORDS:,} labels. Split it into several crawls.")
        self._positions[line.label] = position + 1
        return line.label, position, line.url, line.title, line.licence, line.page_url


def add(job: Job, rows: Sequence[Row]) -> None:
    """Stores a batch and renews the lease, in the caller's transaction. Raises ListEnded."""
    held = _held(job).update(list_lease_expires_at=Now() + _LEASE, listed_count=F("listed_count") + len(rows))
    if not held:
        raise ListEnded
    with connection.cursor() as cursor:
        cursor.executemany(_insert(), [(job.pk, *row) for row in rows])


def complete(job: Job) -> None:
    """The list is whole: the job may start. Runs in the caller's transaction. Raises ListEnded."""
    if not _held(job).update(list_lease_expires_at=None):
        raise ListEnded


def give_up(job: Job) -> None:
    """Fails a job whose list will not become whole; nobody gets it for a submit key again."""
    with transaction.atomic():
        stored = Job.objects.select_for_update(no_key=True).values_list("listed_count", flat=True).get(pk=job.pk)
        sentence = (
            f"Storing the list of addresses broke off after {stored:,}: the process that did it ended, or lost the "
            "database. Nothing was crawled. Submit the list again."
        )
        if lifecycle.move_job(job.pk, Status.FAILED, summary=sentence, submit_key=None):
            activity.log(job.pk, sentence, level=Level.ERROR)


def discard(job: Job) -> None:
    """Removes a job whose list is not whole, a batch of its rows at a time."""
    while _remove_batch(ListedUrl.objects.filter(job=job)):
        pass
    job.delete()


def end_abandoned() -> int:
    """Fails jobs whose list nobody adds to any more; removes rows of lists that never became whole.

    Gives how many jobs it failed. A bounded piece of work, to be called again and again.
    """
    abandoned = Job.objects.filter(status=Status.PENDING, list_lease_expires_at__lt=Now())
    ended = [job for job in abandoned[:50] if _end_one(job)]
    _remove_left_rows()
    return len(ended)


def _end_one(job: Job) -> bool:
    with transaction.atomic():
        expired = Job.objects.select_for_update(no_key=True).filter(
            pk=job.pk, status=Status.PENDING, list_lease_expires_at__lt=Now()
        )
        if not expired.exists():
            return False
        give_up(job)
    return True


def _remove_left_rows() -> None:
    incomplete = Job.objects.filter(list_lease_expires_at__isnull=False, status__in=TERMINAL, listed_count__gt=0)
    left = _ROWS_PER_CALL
    for job in incomplete.order_by("pk")[:10]:
        while left > 0 and (removed := _remove_batch(ListedUrl.objects.filter(job=job))):
            left -= removed
        if left <= 0:
            return
        Job.objects.filter(pk=job.pk).update(listed_count=0)


def _remove_batch(rows: QuerySet[ListedUrl]) -> int:
    """Removes some of the rows in a transaction of their own; gives how many."""
    return ListedUrl.objects.filter(pk__in=rows.order_by("pk").values("pk")[:BATCH_ROWS]).delete()[0]


def _insert() -> str:
    """One INSERT for a batch of plain tuples: making and compiling model instances takes four times as long."""
    table = connection.ops.quote_name(ListedUrl._meta.db_table)
    columns = ", ".join(connection.ops.quote_name(name) for name in ("job_id", *_COLUMNS))
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * (len(_COLUMNS) + 1))})"  # noqa: S608


def _held(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, status=Status.PENDING, list_lease_expires_at__isnull=False)
