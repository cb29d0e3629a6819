"""Learns the facts that take time or leave a trace: a file written, workers asked, messages looked at.

The doctor looks at all of them, the scheduler at `for_pages` now and then; a request never does.
"""

import io
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError
from PIL import Image

from datasets import blobs
from datasets.imaging.decoder import DecoderUnavailable
from datasets.imaging.types import ImageFacts, ImageLimits
from jobs import diagnoses, doorbell, health, system_state, wiring
from jobs import source_keys as stored_keys
from jobs.diagnoses import Diagnosis
from jobs.redis_store import QUEUE, client, server_facts
from jobs.source_lines import source_lines

_PROBE_SHA256 = "0" * 64
#: Messages looked at, the next ones to be taken: enough to see what is stuck, little to carry.
_LOOKED_AT = 20
_WORKERS_ANSWER_S = 1.0
_JSON = "application/json"
_OUR_TASKS = frozenset({*doorbell.PLAN_TASKS.values(), *doorbell.CHUNK_TASKS.values(), doorbell.CHECK_SOURCE_TASK})


def for_pages() -> Iterator[Diagnosis]:
    """What pages tell beside the signs of life. Takes a second where workers live. Raises RedisError."""
    yield diagnoses.eviction(str(server_facts().get("maxmemory_policy", "")))
    yield storage()
    yield from worker_code()
    yield from messages()


def storage() -> Diagnosis:
    """Writes a file into the media store and removes it."""
    try:
        blobs.delete(blobs.put_thumbnail(b"probe", sha256=_PROBE_SHA256))
        trouble = ""
    except blobs.BlobError as error:
        trouble = str(error)
    disk = system_state.disk_usage()
    if place := blobs.place():
        return diagnoses.bucket(
            trouble=trouble, free_bytes=disk.free if disk else None, place=place, folder=str(settings.EXPORTS_ROOT)
        )
    return diagnoses.storage(trouble=trouble, free_bytes=disk.free if disk else None, folder=str(settings.MEDIA_ROOT))


def decoder() -> Diagnosis:
    """Starts a decoder process and lets it decode a picture that is made here."""
    child = wiring.new_decoder(_NoKills())
    picture = io.BytesIO()
    Image.linear_gradient("L").save(picture, "PNG")
    started_at = time.monotonic()
    try:
        seen = child.inspect(picture.getvalue(), ImageLimits())
        trouble = "" if isinstance(seen, ImageFacts) else f"It refused a sound picture: {seen.reason}, {seen.detail}."
    except DecoderUnavailable as error:
        trouble = str(error)
    finally:
        child.close()
    return diagnoses.decoder(trouble=trouble, seconds=time.monotonic() - started_at)


class _NoKills:
    """What breaks the doctor's decoder is no picture's fault."""

    def is_condemned(self, sha256: str) -> bool:  # noqa: ARG002
        return False

    def note_kill(self, sha256: str) -> None:
        """Not remembered."""


def worker_code() -> Iterator[Diagnosis]:
    """Asks every worker for its tasks; of one that does not answer counts what it threw away. Raises RedisError."""
    # Celery writes a task's options behind its name.
    answers = {
        worker: {str(task).partition(" ")[0] for task in known} for worker, known in _asked("registered").items()
    }
    missing = {worker: _OUR_TASKS - known for worker, known in answers.items()}
    for task, worker in health.refused_tasks().items():
        if task in _OUR_TASKS and worker not in answers:
            missing[worker] = missing.get(worker, frozenset()) | {task}
    for worker, tasks in sorted(missing.items()):
        yield diagnoses.worker_code(worker, tasks)


def pools(*, system: str) -> Diagnosis:
    """Asks every worker for its pool, where the operating system does not take any. Raises RedisError."""
    if system != "Windows":
        return diagnoses.pools({}, system=system)
    # Such as celery.concurrency.prefork:TaskPool.
    names = {worker: stats["pool"]["implementation"].partition(":")[0] for worker, stats in _asked("stats").items()}
    return diagnoses.pools({worker: name.rpartition(".")[2] for worker, name in names.items()}, system=system)


def source_keys() -> Diagnosis:
    """Tries to decrypt the stored keys of sources. Asks the database."""
    states = stored_keys.states()
    unreadable = [f"{state.source}: {state.name}" for state in states if not state.is_readable]
    return diagnoses.source_keys(unreadable, stored=len(states))


def sources() -> Diagnosis:
    """How sources are doing. Asks Redis and the database."""
    lines = source_lines()
    resting = {line.info.name: line.trouble or "failed" for line in lines if line.state.rests}
    return diagnoses.sources(resting, asked=sum(line.state.answers > 0 for line in lines))


def messages() -> Iterator[Diagnosis]:
    """The content of the next messages, and of those that workers threw away lately. Raises RedisError."""
    refused, unknown = health.refused_content(), set(health.refused_tasks()) - _OUR_TASKS
    for raw in client().lrange(QUEUE, -_LOOKED_AT, -1):
        content_type, sender, task = _headers(raw)
        if content_type != _JSON:
            refused[content_type] = sender
        elif task not in _OUR_TASKS:
            unknown.add(task)
    yield diagnoses.queue_content(refused)
    yield diagnoses.queue_tasks(unknown)


def _headers(raw: str) -> tuple[str, str, str]:
    """Content type, sender and task of a message as Celery lays it on the queue."""
    try:
        message = json.loads(raw)
        headers = message["headers"]
        return str(message["content-type"]), str(headers.get("origin", "an unknown sender")), str(headers["task"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return "no Celery message", "an unknown sender", ""


def _asked(what: str) -> Mapping[str, Any]:
    """The workers' answers by name; none where Redis went away in between. Raises RedisError where it was away."""
    if client().pubsub_numpat() == 0:
        # Workers hear questions by a pattern; where nobody listens there is nothing to wait for.
        return {}
    try:
        answers = getattr(current_app.control.inspect(timeout=_WORKERS_ANSWER_S), what)()
    except (OperationalError, OSError):
        return {}
    return answers or {}
