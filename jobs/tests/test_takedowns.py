"""What somebody asks to be left out leaves every dataset, and never comes back."""

import hashlib
import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F

from datasets import blobs, takedowns
from datasets.imaging import hashing
from datasets.imaging.inspect import inspect
from datasets.imaging.types import ImageFacts, ImageLimits
from datasets.models import Dataset, Image
from datasets.takedown_models import Takedown, TakedownKind
from datasets.tests.factories import DatasetFactory, ImageFactory
from datasets.tests.originals import put_original
from datasets.tests.pictures import drawn, encoded, noisy
from jobs import planner, runner
from jobs.crawl.urls import url_key
from jobs.models import Finding
from jobs.takedowns import InvalidTakedown, Report, add, enlist, lift, parse, refusals
from jobs.tests.drain import drain
from jobs.tests.factories import FindingFactory
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.tests.test_crawl import reasons, submit

pytestmark = pytest.mark.django_db

#: For crawls, and for what happens in two connections.
committed = pytest.mark.django_db(transaction=True)


def photo(seed: int) -> bytes:
    return encoded(noisy(90, 80, seed=seed))


def take_down(kind: str, text: str, distance_bits: int | None = None) -> Report:
    return add([parse(kind, text, distance_bits=distance_bits)], why="Asked by the photographer.", by=None)


@pytest.fixture
def held(web: PhotoWeb) -> list[Image]:
    """Four photographs in the dataset Photos; the first of them in the dataset Others too, from another address."""
    photos, others = (DatasetFactory.create(name=name, slug=name.lower()) for name in ("Photos", "Others"))
    paths = ("/ann/0.jpg", "/ann/1.jpg", "/bob/2.jpg", "/bob/3.jpg")
    images = [hold(photos, web.add_photo(path, photo(seed)), seed) for seed, path in enumerate(paths)]
    hold(others, web.url("/copy.jpg"), 0)
    return images


def hold(dataset: Dataset, url: str, seed: int) -> Image:
    body = photo(seed)
    facts = inspect(body, ImageLimits())
    assert isinstance(facts, ImageFacts)
    image = ImageFactory.create(
        dataset=dataset,
        url=url,
        url_key=url_key(url),
        sha256=facts.sha256,
        phash=facts.phash,
        dhash=facts.dhash,
        blob_name=put_original(body, sha256=facts.sha256, format="JPEG"),
        thumb_name=blobs.put_thumbnail(facts.thumbnail, sha256=facts.sha256),
        size_bytes=facts.size_bytes,
    )
    Dataset.objects.filter(pk=dataset.pk).update(
        image_count=F("image_count") + 1, size_bytes=F("size_bytes") + image.size_bytes
    )
    return image


def left(dataset: str = "Photos") -> set[str]:
    urls = Image.objects.filter(dataset__name=dataset).values_list("url", flat=True)
    return {url.split("/", 3)[3] for url in urls}


@pytest.mark.parametrize(
    ("kind", "text", "stays"),
    [
        ("url", "{web}/ann/0.jpg", {"ann/1.jpg", "bob/2.jpg", "bob/3.jpg"}),
        ("url", "{https}/ann/0.jpg#x", {"ann/1.jpg", "bob/2.jpg", "bob/3.jpg"}),
        ("prefix", "{web}/ann", {"bob/2.jpg", "bob/3.jpg"}),
        ("prefix", "{web}/ann/0.", {"ann/1.jpg", "bob/2.jpg", "bob/3.jpg"}),
        ("prefix", "{web}/an", {"ann/0.jpg", "ann/1.jpg", "bob/2.jpg", "bob/3.jpg"}),
        ("host", "127.0.0.1", set()),
        ("sha256", "{sha256}", {"ann/1.jpg", "bob/2.jpg", "bob/3.jpg"}),
        ("near", "{phash}", {"ann/1.jpg", "bob/2.jpg", "bob/3.jpg"}),
    ],
)
def test_what_an_entry_names_leaves_every_dataset(
    web: PhotoWeb, held: list[Image], kind: str, text: str, stays: set[str]
) -> None:
    first = held[0]
    given = text.format(
        web=f"http://{web.host}",
        https=f"https://{web.host}",
        sha256=first.sha256.upper(),
        phash=hashing.to_hex(first.phash),
    )

    report = take_down(kind, given)

    assert left() == stays
    assert left("Others") == (set() if "ann/0.jpg" not in stays else {"copy.jpg"})
    assert report.removed_images == 4 - len(stays) + (not left("Others"))
    assert (report.entries[0].removed_images, report.files_left) == (report.removed_images, 0)
    assert blobs.exists(first.blob_name) == blobs.exists(first.thumb_name) == ("ann/0.jpg" in stays)
    for dataset in Dataset.objects.all():
        assert dataset.image_count == dataset.images.count()
        assert dataset.size_bytes == sum(dataset.images.values_list("size_bytes", flat=True))


@committed
def test_a_picture_that_was_removed_never_comes_back(web: PhotoWeb, held: list[Image]) -> None:
    take_down("url", web.url("/ann/0.jpg"))
    web.hits.clear()

    again, elsewhere = drain(submit()), drain(submit(dataset="New"))

    assert_ledger_holds(again)
    assert reasons(again) == {"takedown": 1, "already_in_dataset": 3}
    assert_ledger_holds(elsewhere)
    assert reasons(elsewhere) == {"takedown": 1}
    assert web.hits["/ann/0.jpg"] == 0


@committed
def test_its_bytes_do_not_come_back_from_somewhere_else(web: PhotoWeb, held: list[Image]) -> None:
    stored = held[0]
    take_down("url", web.url("/ann/0.jpg"))
    web.listed[""].clear()
    web.add_photo("/mirror.jpg", photo(0))

    job = drain(submit())

    assert_ledger_holds(job)
    assert reasons(job) == {"takedown": 1}
    assert "takedown" in Finding.objects.get(job=job).detail
    assert not blobs.exists(stored.blob_name)
    assert not blobs.exists(stored.thumb_name)


@committed
def test_a_picture_that_looks_like_one_that_is_left_out_is_not_kept(web: PhotoWeb) -> None:
    picture = drawn(seed=4)
    web.add_photo("/first.jpg", encoded(picture, quality=95))
    drain(submit())
    take_down("near", hashing.to_hex(Image.objects.get().phash), distance_bits=8)
    web.listed[""].clear()
    web.add_photo("/again.jpg", encoded(picture, quality=60))
    web.add_photo("/other.jpg", encoded(drawn(seed=5)))

    job = drain(submit())

    assert_ledger_holds(job)
    assert (job.kept, reasons(job)) == (1, {"takedown": 1})


@committed
def test_a_redirect_to_what_is_left_out_is_not_followed(web: PhotoWeb) -> None:
    web.add_listed("/short")
    web.pages["/short"] = lambda _: (302, {"Location": "/ann/0.jpg"}, b"")
    web.pages["/ann/0.jpg"] = lambda _: (200, {}, photo(0))
    take_down("prefix", web.url("/ann/"))

    assert reasons(drain(submit())) == {"takedown": 1}
    assert web.hits["/ann/0.jpg"] == 0


def test_the_address_of_a_duplicate_takes_the_picture_down_too(web: PhotoWeb, held: list[Image]) -> None:
    url = "https://mirror.example/a.jpg"
    FindingFactory.create(
        chunk__job__dataset=held[1].dataset, image=held[1], url=url, key=f"url:{url_key(url)}",
        outcome="duplicate", reason="duplicate_exact",
    )  # fmt: skip

    take_down("url", url)

    assert left() == {"ann/0.jpg", "bob/2.jpg", "bob/3.jpg"}


def test_findings_of_a_removed_picture_stay(web: PhotoWeb, held: list[Image]) -> None:
    finding = FindingFactory.create(image=held[0], url=held[0].url, chunk__job__dataset=held[0].dataset)

    take_down("url", finding.url)

    finding.refresh_from_db()
    assert (finding.outcome, finding.image) == ("kept", None)


def test_the_list_says_who_asked_and_what_it_removed(web: PhotoWeb, held: list[Image]) -> None:
    ana = User.objects.create_user("ana")

    (entry,) = add([parse("prefix", web.url("/ann/"))], why="  The photographer,\nby mail. ", by=ana).entries

    assert (entry.why, entry.created_by, entry.removed_images) == ("The photographer, by mail.", ana, 3)
    pictures = {picture.value: picture.removed_images for picture in entry.pictures.all()}
    assert sorted(pictures.values()) == [1, 2]
    assert {picture.why for picture in entry.pictures.all()} == {entry.why}


@committed
def test_an_entry_that_is_lifted_lets_its_pictures_come_again(web: PhotoWeb, held: list[Image]) -> None:
    (entry,) = take_down("url", web.url("/ann/0.jpg")).entries

    lift(entry)
    job = drain(submit())

    assert_ledger_holds(job)
    assert (job.kept, Takedown.objects.count()) == (1, 0)


def test_a_picture_may_be_listed_by_itself_after_it_was_removed_by_another_entry(
    web: PhotoWeb, held: list[Image]
) -> None:
    sha256 = held[0].sha256
    (entry,) = take_down("url", web.url("/ann/0.jpg")).entries

    take_down("sha256", sha256)
    lift(entry)

    assert Takedown.objects.get().value == sha256


def test_many_entries_are_made_at_once_and_none_twice(web: PhotoWeb, held: list[Image]) -> None:
    entries = [parse("url", f"https://example.org/{n}.jpg") for n in range(1200)]

    report = add([*entries, *entries, parse("prefix", web.url("/bob/"))], why="A list.", by=None)

    assert (len(report.entries), report.removed_images) == (1201, 2)
    assert {entry.why for entry in add(entries, why="Again.", by=None).entries} == {"A list."}
    assert refusals(["http://example.org/7.jpg", "http://example.org/7.jpeg", "nonsense"]).keys() == {
        "http://example.org/7.jpg"
    }


@pytest.mark.parametrize(
    ("kind", "text", "distance_bits", "told"),
    [
        ("site", "example.org", None, "is none of url, prefix, host"),
        ("url", "javascript:alert(1)", None, "Only http and https"),
        ("url", "example.org/a.jpg", None, "has no scheme"),
        ("host", "not a host", None, "names no host"),
        ("sha256", "abc", None, "64 hexadecimal digits"),
        ("near", "zz", None, "16 hexadecimal digits"),
        ("near", "0" * 16, 17, "between 0 and 16"),
        ("host", "example.org", 3, "belongs to near"),
    ],
)
def test_an_entry_that_makes_no_sense_says_what_it_takes(
    kind: str, text: str, distance_bits: int | None, told: str
) -> None:
    with pytest.raises(InvalidTakedown, match=told):
        parse(kind, text, distance_bits=distance_bits)


def test_what_was_cut_off_is_made_good_by_doing_it_again(web: PhotoWeb, held: list[Image]) -> None:
    enlist([parse("url", held[0].url)], why="Cut off behind this.", by=None)

    assert take_down("url", held[0].url).removed_images == 2

    assert "ann/0.jpg" not in left()


def test_an_entry_without_a_reason_is_not_made() -> None:
    with pytest.raises(InvalidTakedown, match="Say who asked"):
        add([parse("host", "example.org")], why=" ", by=None)
    assert not Takedown.objects.exists()


@pytest.mark.parametrize(
    ("kind", "text", "url", "is_named"),
    [
        ("host", "example.org", "https://images.example.org/a.jpg", True),
        ("host", "Example.ORG.", "http://example.org:80/a.jpg", True),
        ("host", "https://bücher.example/x", "https://xn--bcher-kva.example/a.jpg", True),
        ("host", "example.org", "https://notexample.org/a.jpg", False),
        ("host", "images.example.org", "https://example.org/a.jpg", False),
        ("host", "1.2.3.4", "http://1.2.3.4/a.jpg", True),
        ("host", "3.4", "http://1.2.3.4/a.jpg", False),
        ("url", "https://example.org/a.jpg", "http://EXAMPLE.org/%61.jpg", True),
        ("url", "https://example.org/a.jpg", "https://example.org/a.jpg?size=2", False),
        ("prefix", "https://example.org/u/ann", "https://example.org/u/ann/1.jpg", True),
        ("prefix", "https://example.org/u/ann", "https://example.org/u/anna/1.jpg", False),
        ("prefix", "https://example.org/a.php?user=5", "https://example.org/a.php?user=5&n=1", True),
        ("prefix", "https://example.org/a.php?user=5", "https://example.org/a.php?user=51", False),
        ("prefix", "https://example.org/Bücher", "https://example.org/B%c3%bccher/1.jpg", True),
        ("prefix", "https://example.org", "https://example.org/anything", True),
    ],
)
def test_an_entry_names_what_lies_in_it(kind: str, text: str, url: str, is_named: bool) -> None:
    take_down(kind, text)

    assert (url in refusals([url])) == is_named


def test_a_near_entry_of_another_process_is_seen_at_once_and_forgotten_when_it_is_lifted() -> None:
    picture = ("0" * 64, 0b1011)
    assert takedowns.of_pictures([picture]) == {}

    (entry,) = take_down("near", f"{0:016x}", distance_bits=3).entries
    assert takedowns.of_pictures([picture, ("1" * 64, 0b11111)]) == {"0" * 64: entry.pk}

    Takedown.objects.filter(pk=entry.pk).delete()
    assert takedowns.of_pictures([picture]) == {}


@committed
def test_a_takedown_between_download_and_recording_wins(web: PhotoWeb) -> None:
    """The entry is made while the crawl has the bytes in hand: by the web's own answer to the picture's request."""
    body = photo(1)

    def answer(_before: int) -> tuple[int, dict[str, str], bytes]:
        try:
            take_down("url", web.url("/a.jpg"))
        finally:
            connection.close()
        return 200, {}, body

    web.add_listed("/a.jpg")
    web.pages["/a.jpg"] = answer

    job = drain(submit())

    assert_ledger_holds(job)
    assert reasons(job) == {"takedown": 1}
    assert not Image.objects.exists()
    assert hashlib.sha256(body).hexdigest() not in " ".join(blobs.names("originals"))


@committed
def test_a_takedown_waits_for_a_recording_that_has_not_seen_it(web: PhotoWeb) -> None:
    """The recording is still open when the entry is made: its image is found and removed when it has ended."""
    web.add_photo("/a.jpg", photo(1))
    job = submit(per_label=1)
    planner.plan(job.pk)
    reports: list[Report] = []

    def in_another_connection() -> None:
        try:
            reports.append(take_down("url", web.url("/a.jpg")))
        finally:
            connection.close()

    other = threading.Thread(target=in_another_connection)
    with transaction.atomic():
        runner.run_chunk(job.chunks.get().pk)
        assert Image.objects.count() == 1
        other.start()
        other.join(timeout=0.5)
        assert not reports
    other.join(timeout=20)

    assert reports[0].removed_images == 1
    assert not Image.objects.exists()


def test_an_empty_dataset_is_no_trouble() -> None:
    DatasetFactory.create()

    assert take_down(TakedownKind.HOST, "example.org").removed_images == 0
