"""Files are written beside the work, and none is missing when they are said to be there."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest
from django.core.files import File
from pytest_django import Settings

from conftest import wait_until
from datasets import blobs
from datasets.imaging.inspect import inspect
from datasets.imaging.types import ImageFacts, ImageLimits
from datasets.storage import AtomicFileSystemStorage
from datasets.tests.pictures import encoded, noisy
from jobs import storing as stores
from jobs.storing import Storing

#: While it is not set, the slow store writes nothing.
GOES_ON = threading.Event()


class SlowStorage(AtomicFileSystemStorage):
    """A store that answers when it likes."""

    def _write(self, file: IO[bytes], content: "File[bytes]") -> None:
        assert GOES_ON.wait(timeout=60)
        super()._write(file, content)


@pytest.fixture
def storing() -> Iterator[Storing]:
    with ThreadPoolExecutor(max_workers=2) as threads:
        yield Storing(threads)
        GOES_ON.set()


@pytest.fixture
def store(settings: Settings, tmp_path: Path) -> dict[str, Any]:
    """A store of the test's own, and how it is configured."""
    GOES_ON.clear()
    default = {"BACKEND": "jobs.tests.test_storing.SlowStorage", "OPTIONS": {"location": tmp_path / "media"}}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    return default


def picture(seed: int) -> tuple[bytes, ImageFacts]:
    body = encoded(noisy(40, 30, seed=seed))
    facts = inspect(body, ImageLimits())
    assert isinstance(facts, ImageFacts)
    return body, facts


def test_nobody_waits_for_the_store_until_the_end(store: dict[str, Any], storing: Storing) -> None:
    names = [name for seed in range(3) for name in storing.put(*picture(seed))]
    assert not any(blobs.exists(name) for name in names)
    GOES_ON.set()
    storing.finish()
    assert len(set(names)) == 6
    assert all(blobs.exists(name) for name in names)


def test_a_store_that_is_slower_than_the_web_holds_it_up(store: dict[str, Any], storing: Storing) -> None:
    done: list[int] = []

    def put_many() -> None:
        for seed in range(70):
            storing.put(*picture(seed))
            done.append(seed)

    thread = threading.Thread(target=put_many)
    thread.start()
    wait_until(lambda: len(done) == 64)
    thread.join(timeout=0.5)
    assert len(done) == 64
    GOES_ON.set()
    thread.join(timeout=60)
    assert len(done) == 70


def test_a_store_that_takes_files_one_by_one_gets_each_picture_at_once(settings: Settings) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    with ThreadPoolExecutor(max_workers=2) as threads:
        names = Storing(threads).put(*picture(1))
        wait_until(lambda: all(blobs.exists(name) for name in names))


def test_what_could_not_be_written_is_told_at_the_end(
    store: dict[str, Any], storing: Storing, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    store["OPTIONS"] = {"location": tmp_path / "file" / "media"}
    settings.STORAGES = {**settings.STORAGES, "default": store}
    GOES_ON.set()
    storing.put(*picture(1))
    with pytest.raises(blobs.StorageUnavailable, match="Check that its folder is mounted"):
        storing.finish()


def test_bytes_that_wait_are_bounded_as_well(
    store: dict[str, Any], storing: Storing, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, facts = picture(1)
    monkeypatch.setattr(stores, "_MOST_WAITING_BYTES", len(body) + 1)
    storing.put(body, facts)
    second = threading.Thread(target=storing.put, args=picture(2))
    second.start()
    second.join(timeout=0.5)
    assert second.is_alive()
    GOES_ON.set()
    second.join(timeout=60)
    assert not second.is_alive()


def test_what_is_forgotten_is_not_written_any_more(store: dict[str, Any], storing: Storing) -> None:
    names = [storing.put(*picture(seed))[0] for seed in range(6)]
    storing.forget()
    GOES_ON.set()
    storing.finish()
    last, _ = storing.put(*picture(7))
    storing.finish()
    assert not any(blobs.exists(name) for name in names)
    assert blobs.exists(last)
