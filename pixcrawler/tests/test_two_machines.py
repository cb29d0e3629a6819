"""Two machines that share a database, a queue and a bucket, and no folder: each its own data folder, nobody else's."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import SIGTERM

import psutil
import pytest

from conftest import wait_until
from datasets import blobs
from datasets.models import Image
from datasets.tests.object_store import ObjectStore
from datasets.tests.pictures import encoded, noisy, sha256
from jobs import scheduler
from jobs.models import Chunk, Job, Status
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import submit
from pixcrawler.tests.processes import Started

pytestmark = pytest.mark.django_db(transaction=True)

_LABELS = ("ash", "beech", "cedar", "elm")
_PER_LABEL = 12


@pytest.fixture
def machines(
    object_store: ObjectStore, process_environment: Mapping[str, str], tmp_path: Path
) -> Iterator[dict[Path, Started]]:
    """Two worker groups by their data folders, which are as empty as those of new machines."""
    command = [sys.executable, "-m", "celery", "-A", "pixcrawler", "worker", "--loglevel=info", "--concurrency=1"]
    started = {}
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        environment = {**process_environment, "PIXCRAWLER_DATA_DIR": str(folder), "SECRET_KEY": "the same on both"}
        started[folder] = Started([*command, f"--hostname={name}@%h"], env=environment)
    yield started
    for process in started.values():
        process.end(SIGTERM)


def by_process(process: Started) -> set[str]:
    """The ids of the group's processes."""
    return {str(child.pid) for child in psutil.Process(process.pid).children(recursive=True)}


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_terminal


def pids_at_work() -> set[str]:
    workers = Chunk.objects.filter(status=Status.PROCESSING).values_list("worker", flat=True)
    return {worker.rpartition(":")[2] for worker in workers}


def test_nothing_relies_on_a_shared_folder_and_both_machines_do_their_part(
    web: PhotoWeb, machines: dict[Path, Started]
) -> None:
    web.delay_s = 0.2
    for place, label in enumerate(_LABELS):
        for seed in range(_PER_LABEL):
            web.add_photo(f"/{label}/{seed}.jpg", encoded(noisy(90, 80, seed=100 * place + seed)), words=label)
    job = submit(keywords=_LABELS, per_label=_PER_LABEL)

    # At one moment chunks are in the hands of both: the second group adds to the first.
    wait_until(lambda: all(by_process(process) & pids_at_work() for process in machines.values()), seconds=60)
    wait_until(lambda: ended(job), seconds=90)

    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, len(_LABELS) * _PER_LABEL)
    workers = {worker.rpartition(":")[2] for worker in job.chunks.values_list("worker", flat=True)}
    assert all(by_process(process) & workers for process in machines.values())
    for image in Image.objects.all():
        with blobs.open(image.blob_name) as body:
            assert sha256(body.read()) == image.sha256
    for folder in machines:
        left = [path for path in folder.rglob("*") if path.is_file() and path.suffix in {".jpg", ".png", ".webp"}]
        assert left == []


def test_a_machine_that_is_lost_with_its_folder_loses_no_image(web: PhotoWeb, machines: dict[Path, Started]) -> None:
    web.delay_s = 0.2
    for place, label in enumerate(_LABELS):
        for seed in range(_PER_LABEL):
            web.add_photo(f"/{label}/{seed}.jpg", encoded(noisy(90, 80, seed=100 * place + seed)), words=label)
    job = submit(keywords=_LABELS, per_label=_PER_LABEL)
    (folder, lost), _ = machines.items()
    wait_until(lambda: by_process(lost) & pids_at_work(), seconds=60)

    for pid in (str(lost.pid), *by_process(lost)):
        os.kill(int(pid), 9)
    shutil.rmtree(folder)
    del machines[folder]
    lost.process.wait(timeout=10)
    wait_until(lambda: scheduler.sweep() is not None and ended(job), seconds=90)

    assert_ledger_holds(job)
    assert (job.status, job.kept) == (Status.COMPLETED, len(_LABELS) * _PER_LABEL)
