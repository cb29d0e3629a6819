"""A bucket keeps the promises of the media folder, and says in our words what is wrong with it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from datasets import blobs, orphans
from datasets.models import Image
from datasets.object_storage import ObjectStorage
from datasets.outcomes import Reason
from datasets.tests.factories import UserFactory
from datasets.tests.object_store import ObjectStore, in_bucket
from datasets.tests.originals import put_original
from datasets.tests.pictures import encoded, noisy, sha256
from jobs import examination
from jobs.diagnoses import Level
from jobs.tests.stored import dataset_of, file, images_of, scene

BODY = encoded(noisy(40, 30))
SHA256 = sha256(BODY)
ORIGINAL = f"originals/{SHA256[:2]}/{SHA256}.jpg"
ASIDE = f"birds/media/originals/{SHA256[:2]}/.{SHA256}.jpg.aside"


def put() -> str:
    return put_original(BODY, sha256=SHA256, format="JPEG")


def change(settings: Settings, store: ObjectStore, **changes: Any) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": in_bucket(store, **changes)}


def test_blobs_are_stored_found_listed_and_removed_under_the_prefix(object_store: ObjectStore) -> None:
    assert put() == ORIGINAL
    blobs.put_thumbnail(b"small", sha256=SHA256)

    assert object_store.names() == {f"birds/media/{ORIGINAL}", f"birds/media/thumbs/{SHA256[:2]}/{SHA256}.jpg"}
    with blobs.open(ORIGINAL) as body:
        assert body.read() == BODY
    assert list(blobs.names("originals")) == [ORIGINAL]
    assert blobs.exists(ORIGINAL)
    blobs.delete(ORIGINAL)
    blobs.delete(ORIGINAL)
    assert not blobs.exists(ORIGINAL)
    with pytest.raises(FileNotFoundError):
        blobs.open(ORIGINAL)


def test_nobody_without_keys_reads_a_blob(object_store: ObjectStore) -> None:
    put()
    address = f"{object_store.url}/{object_store.bucket}/birds/media/{ORIGINAL}"

    assert requests.get(address, timeout=5).status_code == 403


def test_the_same_bytes_are_written_again_only_where_they_have_grown_old(
    object_store: ObjectStore, settings: Settings
) -> None:
    def written_at() -> float:
        found = object_store.client().head_object(Bucket=object_store.bucket, Key=f"birds/media/{ORIGINAL}")
        return float(found["LastModified"].timestamp())

    put()
    first = written_at()
    time.sleep(1.1)
    put()
    assert written_at() == first

    change(settings, object_store, fresh_s=0)
    put()
    assert written_at() > first


def test_a_store_that_is_away_is_told_within_its_time_outs_and_found_when_it_is_back(object_store: ObjectStore) -> None:
    put()
    object_store.stop()
    try:
        for action in (put, lambda: blobs.open(ORIGINAL), lambda: blobs.exists(ORIGINAL), blobs.clock):
            with pytest.raises(blobs.StorageUnavailable, match=r"does not answer.*PIXCRAWLER_S3_ENDPOINT") as told:
                action()
            assert told.value.reason == Reason.STORAGE_UNAVAILABLE
    finally:
        object_store.start()
    assert blobs.exists(ORIGINAL)


def test_a_store_that_hangs_is_given_up_in_time(object_store: ObjectStore, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        change(settings, object_store, endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}", read_timeout_s=0.3)
        begun = time.monotonic()

        with pytest.raises(blobs.StorageUnavailable, match="ReadTimeout"):
            put()

    assert time.monotonic() - begun < 4


def test_wrong_keys_are_told_with_what_to_mend(object_store: ObjectStore, settings: Settings) -> None:
    with object_store.asking_for_keys() as (key, secret):
        change(settings, object_store, access_key=key, secret_key=secret)
        put()
        for wrong in ({"access_key": "nobody", "secret_key": "x"}, {"access_key": key, "secret_key": "wrong"}):
            change(settings, object_store, **wrong)
            for action in (put, lambda: blobs.open(ORIGINAL), blobs.clock):
                with pytest.raises(blobs.StorageUnavailable, match=r"refuses.*PIXCRAWLER_S3_SECRET_KEY"):
                    action()
        assert examination.storage().level is Level.PROBLEM


def test_a_bucket_that_is_not_there_is_no_missing_picture(object_store: ObjectStore, settings: Settings) -> None:
    change(settings, object_store, bucket_name="no-such-bucket")

    for action in (put, lambda: blobs.open(ORIGINAL), lambda: blobs.exists(ORIGINAL), blobs.clock):
        with pytest.raises(blobs.StorageUnavailable, match=r"no bucket no-such-bucket.*PIXCRAWLER_S3_BUCKET"):
            action()


@pytest.fixture
def full_store() -> Iterator[str]:
    """A store whose quota is used up."""

    class Full(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b"<Error><Code>XMinioStorageFull</Code><Message>no room</Message></Error>"
            self.send_response(404 if self.command == "HEAD" else 507)
            self.send_header("Content-Length", "0" if self.command == "HEAD" else str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        def do_PUT(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Full)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_store_that_is_full_says_so(object_store: ObjectStore, settings: Settings, full_store: str) -> None:
    change(settings, object_store, endpoint_url=full_store)

    with pytest.raises(blobs.StorageFull, match="XMinioStorageFull") as told:
        put()

    assert told.value.reason == Reason.STORAGE_FULL


@pytest.mark.django_db
def test_doctor_and_monitors_look_at_the_bucket(object_store: ObjectStore, client: Client) -> None:
    assert examination.storage().level is Level.OK
    assert object_store.bucket in examination.storage().finding
    assert client.get("/readyz").status_code == 200

    object_store.stop()
    try:
        assert client.get("/readyz").status_code == 503
        assert examination.storage().level is Level.PROBLEM
    finally:
        object_store.start()


# -- the sweep -------------------------------------------------------------------------------------------------------


def sweep(grace_s: float) -> orphans.SweptFiles:
    return sum((orphans.sweep_prefix(prefix, grace_s=grace_s) for prefix in [SHA256[:2]]), orphans.SweptFiles())


@pytest.mark.django_db
def test_what_no_image_names_goes_aside_and_then_for_good(object_store: ObjectStore) -> None:
    put()
    assert sweep(grace_s=60) == orphans.SweptFiles()

    assert sweep(grace_s=-5).orphans == 1
    assert object_store.names() == {ASIDE}
    assert sweep(grace_s=60) == orphans.SweptFiles()
    assert object_store.names() == {ASIDE}
    sweep(grace_s=-5)
    assert object_store.names() == set()


@pytest.mark.django_db
def test_what_images_name_stays(object_store: ObjectStore) -> None:
    dataset_of([BODY])
    before = object_store.names()

    assert sweep(grace_s=-5) == orphans.SweptFiles()

    assert object_store.names() == before


def test_a_picture_that_was_wanted_at_the_last_moment_comes_back_when_it_is_read(object_store: ObjectStore) -> None:
    put()
    storage = storages["default"]
    assert isinstance(storage, ObjectStorage)
    later = storage.clock() + 5

    assert not storage.remove_abandoned(ORIGINAL, before=later, is_wanted=lambda: True)
    assert object_store.names() == {f"birds/media/{ORIGINAL}"}

    # A worker names it in a row between the second look and the removal.
    assert storage.remove_abandoned(ORIGINAL, before=later, is_wanted=lambda: False)
    assert not storage.remove_abandoned(f"{ORIGINAL[:13]}.{SHA256}.jpg.aside", before=later, is_wanted=lambda: True)
    assert object_store.names() == {f"birds/media/{ORIGINAL}"}

    assert storage.remove_abandoned(ORIGINAL, before=later, is_wanted=lambda: False)
    with blobs.open(ORIGINAL) as body:
        assert body.read() == BODY
    assert blobs.exists(ORIGINAL)


# -- pages -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def image(db: None, object_store: ObjectStore) -> Image:
    return images_of(dataset_of([file(scene(1))]))[0]


@pytest.fixture
def page(client: Client, image: Image) -> Callable[[str], str]:
    user = UserFactory.create(is_superuser=True)
    client.force_login(user)
    return lambda name: reverse(name, args=[image.dataset.slug, image.pk])


def test_thumbnails_come_from_our_origin_and_may_be_kept(
    client: Client, image: Image, page: Callable[[str], str]
) -> None:
    answer = client.get(page("image-thumb"))

    with blobs.open(image.thumb_name) as thumbnail:
        assert b"".join(answer) == thumbnail.read()
    assert answer.status_code == 200
    assert "immutable" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]


def test_an_original_is_a_redirect_to_an_address_that_ends_soon(
    client: Client, image: Image, page: Callable[[str], str]
) -> None:
    answer = client.get(page("image-original"))

    assert (answer.status_code, answer["Cache-Control"]) == (302, "private, no-store")
    asked = parse_qs(urlsplit(answer["Location"]).query)
    assert asked["X-Amz-Expires"] == ["300"]
    got = requests.get(answer["Location"], timeout=5)
    assert sha256(got.content) == image.sha256
    assert got.headers["Content-Disposition"] == f'attachment; filename="{image.sha256}.jpg"'


def test_links_are_made_for_the_address_that_browsers_know(object_store: ObjectStore, settings: Settings) -> None:
    put()
    change(settings, object_store, public_endpoint_url="https://files.example.org")

    link = blobs.link(ORIGINAL, save_as="a.jpg")

    assert link
    assert link.startswith(f"https://files.example.org/{object_store.bucket}/birds/media/{ORIGINAL}?")


def test_pages_say_what_is_wrong_while_the_store_is_away(
    client: Client, image: Image, page: Callable[[str], str], object_store: ObjectStore
) -> None:
    object_store.stop()
    try:
        for name in ("image-thumb", "image-original"):
            answer = client.get(page(name))
            assert (answer.status_code, "does not answer" in answer.text) == (503, True)
        assert "does not answer" in client.get(page("image")).text
    finally:
        object_store.start()
