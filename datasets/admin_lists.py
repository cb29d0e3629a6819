"""Lists of the admin that cost the same however many rows there are: bounded counts, filters and searches by the newest
rows."""

from collections.abc import Iterator
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from datasets.counting import EXACT_UP_TO, counted_by, in_words

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator


class _Counted(int):
    """A number that pages of the admin write as it is meant: 10,000+ where there are more."""

    def __str__(self) -> str:
        return in_words(self)


class BoundedPaginator(_Paginator):
    """Pages of the first EXACT_UP_TO rows; who looks for others narrows the list. `count` ends at one more."""

    object_list: Any

    @cached_property
    def count(self) -> int:
        return _Counted(self.object_list.order_by()[: EXACT_UP_TO + 1].count())

    @cached_property
    def num_pages(self) -> int:
        return max(1, ceil(min(self.count, EXACT_UP_TO) / self.per_page))


def newest(rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """The newest EXACT_UP_TO of the rows, to look for words in."""
    beyond = rows.order_by("-pk").values_list("pk", flat=True)[EXACT_UP_TO : EXACT_UP_TO + 1].first()
    return rows if beyond is None else rows.filter(pk__gt=beyond)


class NewestValuesFilter(admin.AllValuesFieldListFilter):
    """The values of a column among the newest EXACT_UP_TO rows, and what is chosen; others can be asked for by address.

    The empty value has a word, for a link without words cannot be seen.
    """

    lookup_choices: Any

    def __init__(self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str):
        super().__init__(field, request, params, model, model_admin, field_path)
        newest = counted_by(model._default_manager.order_by("-pk"), [field.name])
        self.lookup_choices = sorted({value for value, _ in newest} | set(self.lookup_val or ()))

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "none"}
