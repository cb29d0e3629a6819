"""Crawls meet pictures that break the decoder; decoders end with the workers that they serve."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from django.conf import settings as project
from pytest_django import Settings

from conftest import wait_until
from datasets import undecodable
from datasets.models import Undecodable
from datasets.tests.breaking_child import breaking
from datasets.tests.pictures import sha256
from datasets.undecodable import SharedKillRecord
from jobs import wiring
from jobs.models import Finding, Job
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import photo, reasons, submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def breakable_decoder(settings: Settings) -> Iterator[None]:
    """This process's decoder breaks on command (see datasets.tests.breaking_child)."""
    settings.DECODER_MODULE = "datasets.tests.breaking_child"
    settings.DECODE_CPU_S = 1.0
    wiring.decoder.cache_clear()
    yield
    wiring.decoder().close()
    wiring.decoder.cache_clear()


def test_pictures_that_break_the_decoder_cost_a_crawl_nothing_else(web: PhotoWeb, breakable_decoder: None) -> None:
    for seed in range(24):
        web.add_photo(f"/{seed}.jpg", photo(seed))
        if seed in (3, 4):
            web.add_photo(f"/broken{seed}.jpg", breaking("segfault", seed))
    web.add_photo("/bomb.jpg", breaking("spin"))
    web.add_photo("/hungry.jpg", breaking("allocate"))

    job = drain(submit())

    assert_ledger_holds(job)
    assert (job.kept, reasons(job)) == (24, {"decoder_crashed": 3, "decoder_timeout": 1})


def test_bytes_that_broke_two_decoders_are_not_tried_by_any_job(web: PhotoWeb, breakable_decoder: None) -> None:
    for number in range(3):
        web.add_photo(f"/broken{number}.jpg", breaking("segfault"))
    web.add_photo("/sound.jpg", photo(1))

    job = drain(submit())

    assert_ledger_holds(job)
    assert (job.kept, reasons(job)) == (1, {"decoder_crashed": 3})
    details = Finding.objects.filter(job=job, reason="decoder_crashed").values_list("detail", flat=True)
    assert sorted("not tried again" in detail for detail in details) == [False, False, True]
    assert Undecodable.objects.get().kills == 2
    assert SharedKillRecord().is_condemned(sha256(breaking("segfault")))


def test_one_kill_condemns_nothing() -> None:
    record = SharedKillRecord()
    record.note_kill("a" * 64)
    assert not record.is_condemned("a" * 64)
    record.note_kill("a" * 64)
    assert record.is_condemned("a" * 64)
    assert not record.is_condemned("b" * 64)


def test_what_another_worker_has_noted_is_known_a_second_later() -> None:
    record, another = SharedKillRecord(), SharedKillRecord()
    assert not record.is_condemned("a" * 64)
    another.note_kill("a" * 64)
    another.note_kill("a" * 64)
    wait_until(lambda: record.is_condemned("a" * 64), seconds=5)


def test_more_than_are_kept_in_memory_are_known_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undecodable, "_MOST_REMEMBERED", 2)
    names = [digit * 64 for digit in "abcd"]
    Undecodable.objects.bulk_create(Undecodable(sha256=name, kills=2) for name in names)
    record = SharedKillRecord()
    assert all(record.is_condemned(name) for name in names)
    assert not record.is_condemned("e" * 64)


def test_the_limits_of_the_installation_hold_for_a_crawl(web: PhotoWeb, settings: Settings) -> None:
    settings.MAX_ASPECT = 1.1
    settings.MAX_METADATA_BYTES = 10
    web.add_photo("/wide.jpg", photo(1))

    # The picture is 90 × 80, and a JPEG carries 14 bytes about its density.
    job = drain(submit())
    assert reasons(job) == {"metadata_too_large": 1}

    settings.MAX_METADATA_BYTES = 100
    web.add_photo("/wide2.jpg", photo(2))
    job = drain(submit(dataset="Others"))
    assert reasons(job) == {"bad_aspect": 2}


@contextmanager
def worker_with(environment: dict[str, str], *options: str) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "celery", "-A", "pixcrawler", "worker", "--concurrency=1", *options]
    process = subprocess.Popen(command, env=environment, cwd=project.BASE_DIR, stderr=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def decoders_of(worker: psutil.Process) -> list[psutil.Process]:
    found = []
    for process in worker.children(recursive=True):
        try:
            if any("decoder_child" in word for word in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_terminal


def decoder_after_a_crawl(worker: psutil.Process, dataset: str) -> psutil.Process:
    job = submit(keywords=("stars",), sources=("sample",), per_label=3, dataset=dataset)
    wait_until(lambda: ended(job))
    assert job.kept == 3
    (decoder,) = decoders_of(worker)
    return decoder


def test_no_decoder_outlives_its_pool_process_or_its_worker(process_environment: dict[str, str]) -> None:
    with worker_with(process_environment) as worker:
        first = decoder_after_a_crawl(worker, "Before a kill")
        first.parent().kill()
        wait_until(lambda: not first.is_running(), seconds=15)
        second = decoder_after_a_crawl(worker, "After a kill")
        worker.terminate()
        wait_until(lambda: not second.is_running(), seconds=15)


def test_the_decoder_of_a_recycled_process_ends_with_it(process_environment: dict[str, str]) -> None:
    with worker_with(process_environment, "--max-tasks-per-child=1") as worker:
        job = submit(keywords=("stars",), sources=("sample",), per_label=3)
        wait_until(lambda: ended(job))
        assert job.kept == 3
        wait_until(lambda: not decoders_of(worker), seconds=15)
