"""Datasets by name, and pictures that are added once."""

import hashlib

import pytest

from datasets import near
from datasets.imaging.types import ImageFacts
from datasets.models import Image
from datasets.services import InvalidDataset, NewImage, Origin, add_images, get_or_create_dataset
from datasets.tests.factories import DatasetFactory, ImageFactory

pytestmark = pytest.mark.django_db

_ORIGIN = Origin(
    source="sample", source_id="", url="https://photos.example/1.jpg", url_key="0" * 32, page_url="", title="",
    creator="", creator_url="", licence_code="unknown", licence_version="", licence_url="", attribution="", tags=(),
    ml_use="unknown",
)  # fmt: skip


def new_image(content: str, *, phash: int = 0, dhash: int = 0) -> NewImage:
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    facts = ImageFacts(
        sha256=sha256, size_bytes=10, format="JPEG", mode="RGB", width_px=100, height_px=100, frames=1, phash=phash,
        dhash=dhash, thumbnail=b"",
    )  # fmt: skip
    return NewImage(label="a", keyword="a", facts=facts, blob_name="b", thumb_name="t", origin=_ORIGIN)


def test_a_name_is_one_dataset_and_two_names_never_share_an_address() -> None:
    one = get_or_create_dataset("Birds  of prey", by=None)

    assert get_or_create_dataset("Birds of prey", by=None) == one
    assert get_or_create_dataset("birds of prey!", by=None).slug == "birds-of-prey-2"
    assert get_or_create_dataset("鳥", by=None).slug == "dataset"


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\x00b"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(InvalidDataset, match="1 to 120"):
        get_or_create_dataset(name, by=None)


def test_two_spellings_of_a_name_are_one_dataset() -> None:
    assert get_or_create_dataset("Cafe\u0301", by=None) == get_or_create_dataset("Caf\u00e9", by=None)


def test_of_several_with_the_same_bytes_the_first_is_added() -> None:
    dataset = DatasetFactory.create()
    there = ImageFactory.create(dataset=dataset, sha256=hashlib.sha256(b"old").hexdigest())

    result = add_images(dataset, [new_image("x"), new_image("old"), new_image("x")], job_id=1)

    assert [image.sha256 for image in result.added.values()] == [hashlib.sha256(b"x").hexdigest()]
    assert list(result.existing.values()) == [there]
    dataset.refresh_from_db()
    assert (dataset.image_count, dataset.size_bytes) == (1, 10)


def test_a_picture_that_looks_like_one_of_the_dataset_is_flagged() -> None:
    dataset = DatasetFactory.create()
    first = add_images(dataset, [new_image("a", phash=0b1111, dhash=7)], job_id=1)
    [original] = first.added.values()

    add_images(dataset, [new_image("b", phash=0b0111, dhash=7), new_image("c", phash=-1, dhash=-1)], job_id=1)

    flagged = Image.objects.get(near_duplicate_of__isnull=False)
    assert (flagged.near_duplicate_of_id, flagged.near_distance_bits) == (original.pk, 1)


def test_nothing_is_flagged_where_the_dataset_does_not_want_it() -> None:
    dataset = DatasetFactory.create(near_duplicate_bits=0)

    add_images(dataset, [new_image("a"), new_image("b")], job_id=1)

    assert not Image.objects.filter(near_duplicate_of__isnull=False).exists()


def test_look_alikes_are_found_among_more_images_than_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_ROWS_PER_READ", 20)
    dataset = DatasetFactory.create()
    rows = ImageFactory.build_batch(near._ROWS_PER_READ + 2, dataset=dataset, phash=-1, dhash=-1)
    rows[0].phash = rows[0].dhash = 0
    rows[-1].phash = rows[-1].dhash = 0b1111_0000_1111
    first, *_, last = Image.objects.bulk_create(rows)

    add_images(dataset, [new_image("a"), new_image("b", phash=0b1111_0000_1111, dhash=0b1111_0000_1111)], job_id=1)

    assert set(dataset.images.filter(job_id=1, near_distance_bits=0).values_list("near_duplicate_of", flat=True)) == {
        first.pk,
        last.pk,
    }
