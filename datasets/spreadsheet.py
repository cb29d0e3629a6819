"""What a spreadsheet would take for a formula, and how a CSV cell is written so that it does not."""

from typing import Any

#: A spreadsheet runs a cell that begins with one of these, some in their full-width forms, some behind white space.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")


def safe_cell(value: Any) -> Any:
    """The value of a CSV cell; text that a spreadsheet would run begins with an apostrophe."""
    if isinstance(value, str) and (value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)):
        return f"'{value}"
    return value
