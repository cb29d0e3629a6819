"""Rows of a dataset for tests."""

# factory_boy declares its types in part.
# mypy: allow-untyped-calls

import hashlib

from django.contrib.auth.models import User
from factory.declarations import LazyAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from datasets.models import Dataset, Image


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = Sequence(lambda n: f"user{n}")


class DatasetFactory(DjangoModelFactory[Dataset]):
    class Meta:
        model = Dataset

    name = Sequence(lambda n: f"Dataset {n}")
    slug = Sequence(lambda n: f"dataset-{n}")
    is_shared = True


class ImageFactory(DjangoModelFactory[Image]):
    class Meta:
        model = Image

    dataset = SubFactory(DatasetFactory)
    job_id = 1
    label = "robin"
    keyword = "robin"
    sha256 = Sequence(lambda n: hashlib.sha256(str(n).encode()).hexdigest())
    blob_name = LazyAttribute(lambda o: f"originals/{o.sha256[:2]}/{o.sha256}.jpg")
    thumb_name = LazyAttribute(lambda o: f"thumbs/{o.sha256[:2]}/{o.sha256}.jpg")
    size_bytes = 1000
    format = "JPEG"
    mode = "RGB"
    width_px = 640
    height_px = 480
    phash = Sequence(lambda n: n * 7919)
    dhash = Sequence(lambda n: n * 104729)
    source = "sample"
    url = Sequence(lambda n: f"https://photos.example/{n}.jpg")
    url_key = LazyAttribute(lambda o: hashlib.sha256(o.url.encode()).hexdigest()[:32])
    licence_code = "cc0"
