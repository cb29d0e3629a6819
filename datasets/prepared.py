"""Queries whose SQL is made once: for what every poll asks, Django takes longer to make it than a database to answer.

The queries are Django's own, with marks where their values go; nothing is known here of any database.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet

_M = TypeVar("_M", bound=Model)

#: Stand for values while the SQL is made: nothing in our rows is so large, or has such a name.
_INTEGER_MARK = 2_147_480_000
_TEXT_MARK = "\x01mark {}"


@dataclass(frozen=True, slots=True)
class _Made:
    """SQL, which value each parameter is (a number), or what it is; and what turns columns into Python."""

    sql: str
    parameters: Sequence[tuple[int | None, Any]]
    converters: Sequence[tuple[int, Sequence[Callable[[Any, Any, Any], Any]], Any]]


class Prepared:
    """`query` gives, for values of these `kinds` (int or str), a query of values_list(); it is asked once a connection.

    The values may stand in conditions only, and each has to be there whatever it is.
    """

    def __init__(self, query: Callable[..., QuerySet[Any, Any]], *kinds: type[int | str]) -> None:
        self._query = query
        self._marks = [
            _INTEGER_MARK + place if kind is int else _TEXT_MARK.format(place) for place, kind in enumerate(kinds)
        ]

    def rows(self, *values: int | str) -> list[tuple[Any, ...]]:
        """The rows for these values, by one query."""
        connection = connections[DEFAULT_DB_ALIAS]
        # Kept with the connection, which belongs to one thread, as what turns columns into Python does.
        made: _Made | None = vars(connection).setdefault("_prepared", {}).get(self)
        if made is None:
            made = vars(connection)["_prepared"][self] = self._make(connection)
        parameters = [told if place is None else values[place] for place, told in made.parameters]
        with connection.cursor() as cursor:
            cursor.execute(made.sql, parameters)
            found = cursor.fetchall()
        return [_converted(row, made, connection) for row in found] if made.converters else found

    def _make(self, connection: Any) -> _Made:
        compiler = self._query(*self._marks).query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        columns = [column for column, *_ in compiler.select[: compiler.col_count]]
        places = [self._marks.index(told) if told in self._marks else None for told in parameters]
        if set(places) - {None} != set(range(len(self._marks))):
            raise ValueError(f"A value is nowhere in {sql}")
        return _Made(
            sql=sql,
            parameters=list(zip(places, parameters, strict=True)),
            converters=[(place, *how) for place, how in compiler.get_converters(columns).items()],
        )


class PreparedObjects(Generic[_M]):
    """The same for whole objects: `query` gives a query of `model`, `related` names keys to follow as select_related()
    does.
    """

    def __init__(
        self, model: type[_M], query: Callable[..., QuerySet[_M, Any]], *kinds: type[int | str], related: Sequence[str]
    ) -> None:
        self._model, self._names = model, _columns(model)
        # Any, since the stubs do not know that a field of that name is a foreign key.
        keys: list[Any] = [model._meta.get_field(name) for name in related]
        self._related = [(key, key.related_model, _columns(key.related_model)) for key in keys]
        followed = [f"{key.name}__{name}" for key, _, names in self._related for name in names]
        self._rows = Prepared(lambda *values: query(*values).values_list(*self._names, *followed), *kinds)

    def objects(self, *values: int | str) -> list[_M]:
        """The objects for these values, by one query."""
        return [self._object(row) for row in self._rows.rows(*values)]

    def _object(self, row: Sequence[Any]) -> _M:
        read = len(self._names)
        found = self._model.from_db(DEFAULT_DB_ALIAS, self._names, row[:read])
        for key, model, names in self._related:
            values = row[read : read + len(names)]
            read += len(names)
            # A key that points nowhere: of what it would point to, not even the id is there.
            followed = None if getattr(found, key.attname) is None else model.from_db(DEFAULT_DB_ALIAS, names, values)
            key.set_cached_value(found, followed)
        return found


def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _converted(row: Sequence[Any], made: _Made, connection: Any) -> tuple[Any, ...]:
    values = list(row)
    for place, steps, expression in made.converters:
        for step in steps:
            values[place] = step(values[place], expression, connection)
    return tuple(values)
