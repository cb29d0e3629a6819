"""Counts that cost the same however many rows there are: exact up to EXACT_UP_TO, and of more only that there are more.

A number above EXACT_UP_TO stands for "more than so many"; pages write it as `10,000+` (`in_words`, the filter
`counted`). Of what is known exactly, `number_of` says how many there are.
"""

from collections.abc import Sequence
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import IntegerField, QuerySet, Subquery

#: Matches of filters that are counted exactly; of more, pages say that there are more.
EXACT_UP_TO: Final = 10_000


class CountUpTo(Subquery):
    """How many rows a queryset has, at most EXACT_UP_TO + 1; it may refer to the outer query."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"

    def __init__(self, rows: "QuerySet[Any, Any]") -> None:
        super().__init__(rows.order_by().values("pk")[: EXACT_UP_TO + 1], output_field=IntegerField())


def in_words(number: int) -> str:
    """Such as 9,999 or 10,000+."""
    return f"{number:,}" if number <= EXACT_UP_TO else f"{EXACT_UP_TO:,}+"


def number_of(count: int, noun: str) -> str:
    """Such as 1 image or 2,000 images, of a noun whose plural has an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def bytes_in_words(value: int | None) -> str:
    """A number of bytes for people, such as 2.1 GB."""
    if value is None:
        return "unknown"
    size = float(value)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit in {"bytes", "kB"} else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def counted_by(rows: "QuerySet[Any]", columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The values of the columns among the first EXACT_UP_TO + 1 rows, and how many rows have them.

    Written here since the ORM cannot group what a limit has cut: it would look each of the rows up a second time.
    """
    quote = connection.ops.quote_name
    names = ", ".join(quote(column) for column in columns)
    try:
        sql, parameters = rows.values_list(*columns)[: EXACT_UP_TO + 1].query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names}, COUNT(*) FROM ({sql}) counted GROUP BY {names}", parameters)  # noqa: S608
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
