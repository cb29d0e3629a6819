"""How a line of the log is written: for people, or as one JSON object a line (PIXCRAWLER_LOG_FORMAT).

Only the fields of the table in docs/monitoring.md are written. Celery and Django hang arguments, requests and settings
on their records, which have no place in a log. Whatever looks like a secret is blotted out in both forms.
"""

import json
import logging
import os
import re
import socket
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from jobs.crawl.redaction import redacted

#: The two forms.
LINE: Final = "line"
JSON: Final = "json"

#: What stands in place of a secret.
BLOT: Final = "•••"

#: A password in an address; a query's value or a header's, by the names that secrets go by.
_SHAPES: Final = (
    (re.compile(r"(?<=://)[^\s/@'\"]*:[^\s/@'\"]*(?=@)"), BLOT),
    (
        re.compile(
            r"(?i)([?&;](?:[\w.-]*(?:token|secret|password|passwd|signature|credential|api[_-]?key|access[_-]?key)[\w.-]*"
            r"|key|sig|auth|pwd)=)[^&;\s'\"<>]+"
        ),
        rf"\1{BLOT}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {BLOT}"),
)

#: A shorter setting may be a word of a sentence.
_SHORTEST_SECRET: Final = 6


class Discretion:
    """Blots out secrets: what looks like one, the installation's own, and keys of sources that this process used."""

    def __init__(self, secrets: Collection[str]) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(BLOT, text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return redacted(text)


class LineFormatter(logging.Formatter):
    """A line for people, as it has always been."""

    def __init__(self, *, secrets: Collection[str] = ()) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")
        self._discreet = Discretion(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return self._discreet(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object, on one line whatever the message holds."""

    def __init__(self, *, secrets: Collection[str] = ()) -> None:
        super().__init__()
        self._discreet = Discretion(secrets)
        self._host = socket.gethostname()

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._discreet(record.getMessage()),
            "host": self._host,
            "pid": record.process,
            "worker": worker_name or None,
            "job": getattr(record, "job", None),
            "chunk": getattr(record, "chunk", None),
        }
        if record.exc_info:
            fields["exception"] = self._discreet(self.formatException(record.exc_info))
        return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)


#: Celery's name of the worker that this process is or belongs to; "" elsewhere. pixcrawler/celery.py sets it.
worker_name = ""


def log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For sys.excepthook: what ends a process is one line of its log as well."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("pixcrawler").critical("The process ends: %s", error, exc_info=(kind, error, trace))


def write_line(words: str) -> None:
    """What a signal's handler says: written at once, since the handler may have interrupted a line being logged."""
    handler = logging.getLogger().handlers[0]
    record = logging.LogRecord("celery.apps.worker", logging.INFO, "", 0, words, None, None)
    os.write(2, f"{handler.format(record)}\n".encode())
