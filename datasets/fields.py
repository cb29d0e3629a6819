"""Database fields that Django does not have as we need them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from django.db import models

if TYPE_CHECKING:
    _BinaryField = models.BinaryField[bytes | memoryview | None, bytes | memoryview | None]
else:
    _BinaryField = models.BinaryField


class PlainBinaryField(_BinaryField):
    """Bytes that are passed like every other value. In the database it is a BinaryField, and migrations call it so.

    Django's own field has a say in how its placeholder reads, and that keeps PostgreSQL from inserting many rows as one
    array for each column: a table with such a field takes its rows at a quarter of the speed.
    """

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.BinaryField", arguments, options

    @property
    def get_placeholder(self) -> NoReturn:
        """Is not there, as far as Django can tell."""
        raise AttributeError("get_placeholder")
