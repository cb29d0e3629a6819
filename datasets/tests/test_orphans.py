"""What no dataset names is removed; what somebody uses, or has just begun to use, never is."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from datasets import blobs, orphans
from datasets.orphans import SweptFiles
from datasets.storage import ASIDE_SUFFIX, TEMPORARY_SUFFIX, AtomicFileSystemStorage
from datasets.tests.factories import ImageFactory
from datasets.tests.originals import put_original
from datasets.tests.pictures import encoded, noisy, sha256

pytestmark = pytest.mark.django_db(transaction=True)

BODY = encoded(noisy(40, 30, seed=5))
SHA256 = sha256(BODY)
ORIGINAL = f"originals/{SHA256[:2]}/{SHA256}.jpg"
LONG_AGO_S = 1_000_000_000


def path(name: str) -> Path:
    return Path(settings.MEDIA_ROOT) / name


@pytest.fixture(autouse=True)
def media(settings: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A media folder of the test's own."""
    settings.MEDIA_ROOT = tmp_path / "media"  # type: ignore[attr-defined]
    settings.STORAGES = {  # type: ignore[attr-defined]
        "default": {"BACKEND": "datasets.storage.AtomicFileSystemStorage", "OPTIONS": {"location": tmp_path / "media"}}
    }


def stored(*, old: bool = True) -> str:
    """A blob that nobody names."""
    name = put_original(BODY, sha256=SHA256, format="JPEG")
    if old:
        age(name)
    return name


def age(name: str) -> None:
    os.utime(path(name), (LONG_AGO_S, LONG_AGO_S))


def sweep() -> SweptFiles:
    return orphans.sweep_prefix(SHA256[:2])


def test_an_old_file_that_nobody_names_is_removed_and_its_thumbnail_too() -> None:
    name = stored()
    thumbnail = blobs.put_thumbnail(b"thumbnail", sha256=SHA256)
    age(thumbnail)

    assert sweep() == SweptFiles(orphans=2, size_bytes=len(BODY) + len(b"thumbnail"))
    assert not blobs.exists(name)
    assert not blobs.exists(thumbnail)
    assert sweep() == SweptFiles()


def test_a_file_that_any_dataset_names_stays() -> None:
    name = stored()
    ImageFactory.create(sha256=SHA256)

    assert sweep() == SweptFiles()
    assert blobs.exists(name)


def test_a_young_file_is_work_under_way() -> None:
    name = stored(old=False)

    assert sweep() == SweptFiles()
    assert blobs.exists(name)


def test_reuse_makes_an_old_file_young() -> None:
    name = stored()
    stored(old=False)

    assert sweep() == SweptFiles()
    assert blobs.exists(name)


def test_a_dry_run_removes_nothing() -> None:
    name = stored()

    assert orphans.sweep_prefix(SHA256[:2], dry_run=True).orphans == 1
    assert blobs.exists(name)


def test_unfinished_files_go_when_they_are_old() -> None:
    folder = path(ORIGINAL).parent
    folder.mkdir(parents=True)
    old, young = (f".{SHA256}.jpg.{number:012x}{TEMPORARY_SUFFIX}" for number in range(2))
    for name in (old, young):
        (folder / name).write_bytes(b"half")
    os.utime(folder / old, (LONG_AGO_S, LONG_AGO_S))

    assert sweep() == SweptFiles(unfinished=1, size_bytes=4)
    assert [file.name for file in folder.iterdir()] == [young]


def test_files_of_others_are_left_alone() -> None:
    folder = path(ORIGINAL).parent
    folder.mkdir(parents=True)
    others = ["notes.txt", f"{SHA256}.svg", f".{SHA256}.jpg.backup", "other.tmp"]
    for name in others:
        (folder / name).write_bytes(b"mine")
        os.utime(folder / name, (LONG_AGO_S, LONG_AGO_S))

    assert sweep() == SweptFiles()
    assert sorted(file.name for file in folder.iterdir()) == sorted(others)


@pytest.mark.parametrize("is_named", [True, False])
def test_what_a_sweep_that_died_left_aside_is_decided_by_the_next(is_named: bool) -> None:
    name = stored(old=not is_named)
    aside = path(name).with_name(f".{path(name).name}{ASIDE_SUFFIX}")
    path(name).rename(aside)
    if is_named:
        ImageFactory.create(sha256=SHA256)

    sweep()

    assert not aside.exists()
    assert blobs.exists(name) is is_named


class PausingStorage(AtomicFileSystemStorage):
    """The media folder, with a pause between the first look of a sweep and what it does then."""

    at_pause: Callable[[], None] = staticmethod(lambda: None)

    def remove_abandoned(self, name: str, *, before: float, is_wanted: Callable[[], bool]) -> bool:
        type(self).at_pause()
        return super().remove_abandoned(name, before=before, is_wanted=is_wanted)


@pytest.fixture
def pause(settings: object, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Says what happens while a sweep is between its first look and its removal."""
    settings.STORAGES = {  # type: ignore[attr-defined]
        "default": {
            "BACKEND": "datasets.tests.test_orphans.PausingStorage",
            "OPTIONS": {"location": settings.MEDIA_ROOT},  # type: ignore[attr-defined]
        }
    }
    return lambda action: monkeypatch.setattr(PausingStorage, "at_pause", staticmethod(action))


def test_a_file_that_is_reused_while_the_sweep_is_about_to_remove_it_stays(
    pause: Callable[[Callable[[], None]], None],
) -> None:
    name = stored()

    def reuse() -> None:
        stored(old=False)
        ImageFactory.create(sha256=SHA256)

    pause(reuse)

    assert sweep() == SweptFiles()
    assert path(name).read_bytes() == BODY


def test_a_file_that_is_named_while_the_sweep_is_about_to_remove_it_stays(
    pause: Callable[[Callable[[], None]], None],
) -> None:
    name = stored()

    def name_it() -> None:
        ImageFactory.create(sha256=SHA256)

    pause(name_it)

    assert sweep() == SweptFiles()
    assert blobs.exists(name)


def test_workers_that_reuse_a_file_again_and_again_never_lose_it_to_sweeps() -> None:
    stop, missing = threading.Event(), []

    def keep_sweeping() -> None:
        try:
            while not stop.is_set():
                sweep()
        finally:
            connection.close()

    sweeps = [threading.Thread(target=keep_sweeping) for _ in range(2)]
    for thread in sweeps:
        thread.start()
    for _ in range(300):
        name = stored(old=False)
        # As if the worker stored it, and the time until its row comes passed at once; then it is reused.
        with suppress(FileNotFoundError):
            age(name)
        if not path(stored(old=False)).exists() and not _is_back(name):
            missing.append(name)
    stop.set()
    for thread in sweeps:
        thread.join()

    assert not missing


def _is_back(name: str) -> bool:
    """Whether the file is in its place after the moment that a sweep takes to put it back."""
    deadline = threading.Event()
    return any(path(name).exists() or deadline.wait(0.05) for _ in range(20))
