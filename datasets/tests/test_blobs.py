"""Blobs are complete or not there, stored once, and reachable by their own names alone."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from pytest_django import Settings

from datasets import blobs
from datasets.outcomes import Reason
from datasets.storage import AtomicFileSystemStorage
from datasets.tests.originals import put_original
from datasets.tests.pictures import encoded, noisy, sha256

BODY = encoded(noisy(40, 30))
SHA256 = sha256(BODY)
ORIGINAL = f"originals/{SHA256[:2]}/{SHA256}.jpg"
THUMBNAIL = f"thumbs/{SHA256[:2]}/{SHA256}.jpg"
LONG_AGO_S = 1_000_000_000

#: A store that fails in the way that the environment asks for, at the moment that it asks for.
TROUBLE: dict[str, int] = {}


class TroubledStorage(AtomicFileSystemStorage):
    """The local storage on a disk that fails after half of a file."""

    def _write(self, file: IO[bytes], content: "File[bytes]") -> None:
        if "write" in TROUBLE:
            file.write(BODY[: len(BODY) // 2])
            raise OSError(TROUBLE["write"], os.strerror(TROUBLE["write"]))
        super()._write(file, content)

    def exists(self, name: str) -> bool:
        _fail("exists")
        return super().exists(name)

    def delete(self, name: str) -> None:
        _fail("delete")
        super().delete(name)

    def open(self, name: str, mode: str = "rb") -> "File[bytes]":
        _fail("open")
        return super().open(name, mode)


class RenamingStorage(Storage):
    """A store that never overwrites: it finds another name instead."""

    deleted: list[str] = []

    def _save(self, name: str, content: "File[bytes]") -> str:
        return name.replace(".jpg", f"_{content.size}.jpg")

    def exists(self, name: str) -> bool:
        return name in self.deleted

    def delete(self, name: str) -> None:
        self.deleted.append(name)


def _fail(action: str) -> None:
    if action in TROUBLE:
        raise OSError(TROUBLE[action], os.strerror(TROUBLE[action]))


#: Puts the same bytes again and again, deletes them in between, and looks whether a reader ever sees a part of them.
_PUT_SCRIPT = """
import hashlib, os, sys
from django.conf import settings
settings.configure(STORAGES={"default": {"BACKEND": "datasets.storage.AtomicFileSystemStorage",
                                         "OPTIONS": {"location": sys.argv[1]}}})
from django.core.files.storage import storages
from datasets import blobs
storages["default"].path("loaded")
if sys.argv[3] == "True" and os.geteuid() == 0:
    os.setuid(65534)
body = bytes(200_000)
name = blobs.original_name(sha256=hashlib.sha256(body).hexdigest(), format="PNG")
try:
    for put in range(int(sys.argv[2])):
        if put:
            blobs.delete(name)
        blobs.put_all({name: body})
        try:
            with blobs.open(name) as file:
                assert file.read() == body
        except FileNotFoundError:
            pass
    blobs.put_all({name: body})
    print("stored")
except blobs.BlobError as error:
    print(error.reason)
"""


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "media"
    use(settings, "datasets.storage.AtomicFileSystemStorage", location=folder)
    yield folder
    TROUBLE.clear()


def use(settings: Settings, backend: str, **options: object) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": backend, "OPTIONS": options}}


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def started(media: Path, *, puts: int, as_ordinary_user: bool = False) -> "subprocess.Popen[str]":
    """A process of its own that puts a blob; root gives up its power first where an ordinary user is wanted."""
    command = [sys.executable, "-c", _PUT_SCRIPT, str(media), str(puts), str(as_ordinary_user)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_blobs_lie_where_their_content_says(media: Path) -> None:
    assert put_original(BODY, sha256=SHA256, format="JPEG") == ORIGINAL
    assert blobs.put_thumbnail(b"small", sha256=SHA256) == THUMBNAIL
    assert files_of(media) == [ORIGINAL, THUMBNAIL]
    with blobs.open(ORIGINAL) as file:
        assert file.read() == BODY
    assert (media / THUMBNAIL).read_bytes() == b"small"


@pytest.mark.parametrize(
    ("format", "extension"),
    [
        ("JPEG", "jpg"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("BMP", "bmp"),
        ("TIFF", "tiff"),
        ("AVIF", "avif"),
    ],
)
def test_the_extension_is_that_of_the_decoded_format(format: str, extension: str) -> None:
    name = put_original(BODY, sha256=SHA256, format=format)
    assert name == f"originals/{SHA256[:2]}/{SHA256}.{extension}"
    assert blobs.exists(name)


def test_deleting_is_final_and_may_be_repeated(media: Path) -> None:
    put_original(BODY, sha256=SHA256, format="JPEG")
    assert blobs.exists(ORIGINAL)
    blobs.delete(ORIGINAL)
    blobs.delete(ORIGINAL)
    assert not blobs.exists(ORIGINAL)
    with pytest.raises(FileNotFoundError):
        blobs.open(ORIGINAL)


def test_putting_again_keeps_the_file_and_renews_its_time(media: Path) -> None:
    put_original(BODY, sha256=SHA256, format="JPEG")
    path = media / ORIGINAL
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))
    before = path.stat()
    assert put_original(BODY, sha256=SHA256, format="JPEG") == ORIGINAL
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime > LONG_AGO_S + 1000
    assert files_of(media) == [ORIGINAL]


def test_an_incomplete_file_under_the_name_is_replaced(media: Path) -> None:
    (media / ORIGINAL).parent.mkdir(parents=True)
    (media / ORIGINAL).write_bytes(BODY[:100])
    assert put_original(BODY, sha256=SHA256, format="JPEG") == ORIGINAL
    assert (media / ORIGINAL).read_bytes() == BODY
    assert files_of(media) == [ORIGINAL]


@pytest.mark.parametrize(
    ("number", "error", "reason"),
    [
        (errno.ENOSPC, blobs.StorageFull, Reason.STORAGE_FULL),
        (errno.EDQUOT, blobs.StorageFull, Reason.STORAGE_FULL),
        (errno.EROFS, blobs.StorageUnavailable, Reason.STORAGE_UNAVAILABLE),
        (errno.EACCES, blobs.StorageUnavailable, Reason.STORAGE_UNAVAILABLE),
        (errno.EIO, blobs.StorageUnavailable, Reason.STORAGE_UNAVAILABLE),
        (errno.ENOENT, blobs.StorageUnavailable, Reason.STORAGE_UNAVAILABLE),
    ],
)
def test_a_failed_write_leaves_nothing_and_has_its_reason(
    settings: Settings, media: Path, number: int, error: type[blobs.BlobError], reason: Reason
) -> None:
    use(settings, f"{__name__}.TroubledStorage", location=media)
    TROUBLE["write"] = number
    with pytest.raises(error, match=os.strerror(number)) as caught:
        put_original(BODY, sha256=SHA256, format="JPEG")
    assert caught.value.reason == reason
    assert "then retry" in str(caught.value)
    assert files_of(media) == []
    TROUBLE.clear()
    assert put_original(BODY, sha256=SHA256, format="JPEG") == ORIGINAL


def test_a_write_that_is_interrupted_leaves_an_older_file_as_it_was(settings: Settings, media: Path) -> None:
    blobs.put_thumbnail(b"older", sha256=SHA256)
    use(settings, f"{__name__}.TroubledStorage", location=media)
    TROUBLE["write"] = errno.ENOSPC
    with pytest.raises(blobs.StorageFull):
        blobs.put_thumbnail(b"a newer one", sha256=SHA256)
    assert (media / THUMBNAIL).read_bytes() == b"older"
    assert files_of(media) == [THUMBNAIL]


def test_many_files_are_all_on_the_disk_before_one_has_its_name(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, _noted(getattr(os, name), name, done))
    bodies = {f"originals/{digest[:2]}/{digest}.png": body for body, digest in _different(5)}
    blobs.put_all(bodies)
    assert done == ["fsync"] * 5 + ["replace"] * 5
    assert {name: (media / name).read_bytes() for name in files_of(media)} == bodies
    blobs.put_all(bodies)
    assert len(done) == 10, "what is there is not written again"


def test_of_many_files_none_is_left_half_written(settings: Settings, media: Path) -> None:
    use(settings, f"{__name__}.TroubledStorage", location=media)
    TROUBLE["write"] = errno.ENOSPC
    with pytest.raises(blobs.StorageFull, match="and 1 more"):
        blobs.put_all({ORIGINAL: BODY, THUMBNAIL: b"small"})
    assert files_of(media) == []
    with pytest.raises(ValueError, match="not the name of a blob"):
        blobs.put_all({ORIGINAL: BODY, "../else": BODY})


def _noted(call: Callable[..., None], name: str, done: list[str]) -> Callable[..., None]:
    def noting(*arguments: object) -> None:
        done.append(name)
        call(*arguments)

    return noting


def _different(count: int) -> list[tuple[bytes, str]]:
    bodies = [encoded(noisy(8, 8, seed=seed), "PNG") for seed in range(count)]
    return [(body, sha256(body)) for body in bodies]


@pytest.mark.parametrize(("action", "call"), [("open", blobs.open), ("exists", blobs.exists), ("delete", blobs.delete)])
def test_trouble_with_reading_and_deleting_is_ours_too(
    settings: Settings, media: Path, action: str, call: object
) -> None:
    use(settings, f"{__name__}.TroubledStorage", location=media)
    TROUBLE[action] = errno.EIO
    assert callable(call)
    with pytest.raises(blobs.StorageUnavailable, match="media store"):
        call(ORIGINAL)


def test_a_media_folder_that_cannot_be_made_is_unavailable(media: Path) -> None:
    media.write_text("a file where the folder should be")
    with pytest.raises(blobs.StorageUnavailable, match="Check that its folder"):
        put_original(BODY, sha256=SHA256, format="JPEG")


@pytest.mark.parametrize(("permissions", "answer"), [(0o777, "stored"), (0o555, "storage_unavailable")])
def test_a_folder_without_write_permission_is_unavailable(permissions: int, answer: str) -> None:
    # Not under tmp_path, which only the user who runs the tests may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(permissions)
        writer = started(Path(folder), puts=1, as_ordinary_user=True)
        assert writer.communicate(timeout=60)[0].strip() == answer
        Path(folder).chmod(0o755)


def test_a_store_that_invents_names_is_refused(settings: Settings) -> None:
    use(settings, f"{__name__}.RenamingStorage")
    with pytest.raises(blobs.StorageUnavailable, match="overwrite"):
        blobs.put_thumbnail(b"small", sha256=SHA256)
    assert RenamingStorage.deleted == [THUMBNAIL.replace(".jpg", "_5.jpg")]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../../etc/passwd",
        "/etc/passwd",
        "originals/../../secret.jpg",
        ORIGINAL.upper(),
        ORIGINAL + "\n",
        ORIGINAL.replace(".jpg", ".svg"),
        ORIGINAL.replace(".jpg", ""),
        ORIGINAL.replace(f"/{SHA256[:2]}/", "/zz/"),
        ORIGINAL.replace(f"/{SHA256[:2]}/", f"/{int(SHA256[:2], 16) ^ 1:02x}/"),
        THUMBNAIL.replace(".jpg", ".png"),
        "thumbs/ab/../../" + ORIGINAL,
    ],
)
def test_no_other_name_becomes_a_path(name: str) -> None:
    for call in (blobs.open, blobs.exists, blobs.delete):
        with pytest.raises(ValueError, match="not the name of a blob"):
            call(name)


@pytest.mark.parametrize("digest", ["", "../x", "A" * 64, SHA256 + "0", SHA256[:-1], SHA256 + "\n"])
def test_nothing_but_a_sha256_names_a_blob(digest: str, media: Path) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        put_original(BODY, sha256=digest, format="JPEG")
    with pytest.raises(ValueError, match="SHA-256"):
        blobs.put_thumbnail(BODY, sha256=digest)
    with pytest.raises(ValueError, match="not among the formats"):
        put_original(BODY, sha256=SHA256, format="../JPEG")
    assert not media.exists()


def test_names_lists_blobs_without_unfinished_files(media: Path) -> None:
    assert list(blobs.names("originals")) == []
    bodies = [encoded(noisy(8, 8, seed=seed), "PNG") for seed in range(5)]
    stored = [put_original(body, sha256=sha256(body), format="PNG") for body in bodies]
    blobs.put_thumbnail(b"small", sha256=SHA256)
    (media / stored[0]).with_name(f".{sha256(bodies[0])}.png.0123.tmp").write_bytes(b"half")
    assert list(blobs.names("originals")) == sorted(stored)
    assert list(blobs.names("thumbs")) == [THUMBNAIL]


def test_many_processes_that_put_and_delete_the_same_bytes_never_show_a_part_of_them(media: Path) -> None:
    writers = [started(media, puts=50) for _ in range(3)]
    assert [writer.communicate(timeout=60)[0].strip() for writer in writers] == ["stored"] * 3
    (name,) = files_of(media)
    assert sha256((media / name).read_bytes()) == Path(name).stem


def test_files_have_the_permissions_that_were_asked_for(tmp_path: Path) -> None:
    storage = AtomicFileSystemStorage(tmp_path, file_permissions_mode=0o640)
    assert storage.save("a/b.txt", ContentFile(b"text")) == "a/b.txt"
    assert (tmp_path / "a/b.txt").stat().st_mode & 0o777 == 0o640
    assert storage.save("a/b.txt", ContentFile(b"more")) == "a/b.txt"
    assert (tmp_path / "a/b.txt").read_bytes() == b"more"
