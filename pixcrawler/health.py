"""Answers for monitors and load balancers, without a login and without details."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse

from datasets import blobs
from datasets.blobs import BlobError
from jobs.doorbell import queue_reachable

log = logging.getLogger(__name__)

#: A name as the media store has them, of a picture that there never is.
_NO_BLOB: Final = blobs.thumbnail_name(sha256="0" * 64)


@login_not_required
def live(request: HttpRequest) -> HttpResponse:
    """200 whenever the process serves. quickstart starts the web process after the migrations."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
def ready(request: HttpRequest) -> HttpResponse:
    """200 when everything answers that pages and jobs need, else 503. The log says what does not."""
    missing = [name for name, is_there in _NEEDED.items() if not is_there()]
    if missing:
        log.warning("Not ready: %s. “manage.py doctor” says why and what to do.", ", ".join(missing))
    status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
    return HttpResponse("not ready\n" if missing else "ready\n", content_type="text/plain", status=status)


def _is_migrated() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return False


def _has_storage() -> bool:
    try:
        if blobs.can_be_swept():
            blobs.clock()
        else:
            blobs.exists(_NO_BLOB)
    except BlobError:
        return False
    return True


_NEEDED: Final[dict[str, Callable[[], bool]]] = {
    "the database or its migrations": _is_migrated,
    "Redis": queue_reachable,
    "the media store": _has_storage,
}
