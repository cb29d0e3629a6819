"""A dataset whose pictures lie in the store, and ways to damage it by hand."""

import hashlib
import io
from collections.abc import Iterable

import numpy as np
from django.core.files.storage import storages
from PIL import Image as PillowImage

from datasets import blobs
from datasets.imaging.inspect import inspect
from datasets.imaging.types import ImageFacts, ImageLimits
from datasets.models import Dataset, Image
from datasets.services import NewImage, Origin, add_images
from datasets.storage import AtomicFileSystemStorage
from datasets.tests.factories import DatasetFactory
from datasets.tests.originals import put_original


def scene(seed: int, size_px: tuple[int, int] = (320, 240)) -> PillowImage.Image:
    """A picture of soft shapes, as photographs are: no two seeds alike, and its copies look like it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return PillowImage.fromarray(coarse).resize(size_px, PillowImage.Resampling.BICUBIC)


def file(picture: PillowImage.Image, format: str = "JPEG", **options: int) -> bytes:
    output = io.BytesIO()
    picture.save(output, format, **options)
    return output.getvalue()


def dataset_of(bodies: Iterable[bytes], *, dataset: Dataset | None = None, label: str = "robin") -> Dataset:
    """A dataset with these files, each from an address of its own."""
    dataset = dataset or DatasetFactory.create()
    add_images(dataset, [_new(body, label) for body in bodies], job_id=1)
    dataset.refresh_from_db()
    return dataset


def images_of(dataset: Dataset) -> list[Image]:
    """In the order in which they were added."""
    return list(Image.objects.filter(dataset=dataset).order_by("pk"))


def overwrite(image: Image, body: bytes) -> None:
    """Other bytes under the image's name."""
    storage = storages["default"]
    assert isinstance(storage, AtomicFileSystemStorage)
    with open(storage.path(image.blob_name), "wb") as target:
        target.write(body)


def body_of(image: Image) -> bytes:
    with blobs.open(image.blob_name) as source:
        return source.read()


def _new(body: bytes, label: str) -> NewImage:
    facts = inspect(body, ImageLimits())
    assert isinstance(facts, ImageFacts), facts
    url = f"https://photos.example/{facts.sha256}.jpg"
    return NewImage(
        label=label,
        keyword=label,
        facts=facts,
        blob_name=put_original(body, sha256=facts.sha256, format=facts.format),
        thumb_name=blobs.put_thumbnail(facts.thumbnail, sha256=facts.sha256),
        origin=Origin(
            source="urls",
            source_id="",
            url=url,
            url_key=hashlib.sha256(url.encode()).hexdigest()[:32],
            page_url="",
            title="",
            creator="",
            creator_url="",
            licence_code="unknown",
            licence_version="",
            licence_url="",
            attribution="",
            tags=(),
            ml_use="unknown",
        ),
    )
