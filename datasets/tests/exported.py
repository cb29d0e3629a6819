"""Makes versions of a dataset to export, for tests: pictures of every format, awkward labels, foreign words."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from datasets.exports.policy import Policy
from datasets.exports.types import SPLITS, Export, ExportFacts, ExportImage
from datasets.tests.pictures import drawn, encoded

FROZEN_AT = datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC)
ANYTHING = Policy(
    commercial_use=False, changes=False, ml_training=False, allow_unknown_licence=True, allow_ml_restricted=True
)
LABELS = ("golden retriever", "Köln", "test tube", "../../etc", "=SUM(A1)", "con")


def picture(seed: int, format: str = "JPEG") -> bytes:
    """A small picture, other bytes for every seed."""
    return encoded(drawn(48, 40, seed=seed), format)


def image(id: int, body: bytes, *, format: str = "JPEG", label: str = LABELS[0], split: str = "train") -> ExportImage:
    """An image of an export with those bytes, of a photographer whose words try to break files."""
    return ExportImage(
        id=id, sha256=hashlib.sha256(body).hexdigest(), label=label, split=split, keyword=label, created_at=FROZEN_AT,
        size_bytes=len(body), format=format, mode="RGB", width_px=48, height_px=40, frames=1, phash=-id, dhash=id,
        source="sample", url=f"https://photos.example/{id}.jpg", page_url=f"https://photos.example/page/{id}",
        title=f"=HYPERLINK(\"x\") | **bold** <script> {id}", creator="Zoë\n# Doe", licence_code="by-sa",
        licence_version="4.0", tags=("dog", "a,b"), ml_use="allowed", decisions={"quality": 0.5},
    )  # fmt: skip


class Version:
    """A frozen version of a dataset in memory. Bodies may be taken away or changed, to see what becomes of them."""

    def __init__(self, images: Sequence[ExportImage], bodies: Sequence[bytes], *, slug: str = "dogs-things") -> None:
        self.slug = slug
        self.images = list(images)
        self.bodies = {image.id: body for image, body in zip(images, bodies, strict=True)}
        self.opened: list[int] = []

    @property
    def facts(self) -> ExportFacts:
        counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        for image in self.images:
            counts[image.split][image.label] += 1
        return ExportFacts(
            dataset="Dogs & <things>", slug=self.slug, version=3, created_at=FROZEN_AT,
            labels=tuple(dict.fromkeys(image.label for image in self.images)), counts=counts, policy=ANYTHING,
            left_out={"licence_unknown": 2},
        )  # fmt: skip

    def rows(self, after_id: int) -> Iterator[ExportImage]:
        return (image for image in self.images if image.id > after_id)

    def open(self, image: ExportImage) -> IO[bytes]:
        self.opened.append(image.id)
        if image.id not in self.bodies:
            raise FileNotFoundError(image.sha256)
        return io.BytesIO(self.bodies[image.id])

    def export(self, folder: Path) -> Export:
        return Export(facts=self.facts, rows=self.rows, open_picture=self.open, folder=folder, pictures_per_shard=4)


def version(count: int = 24, *, formats: Sequence[str] = ("JPEG", "PNG", "WEBP"), slug: str = "dogs-things") -> Version:
    """A version of so many pictures, over all splits, labels and those formats."""
    images, bodies = [], []
    for number in range(count):
        format = formats[number % len(formats)]
        body = picture(number, format)
        split = SPLITS[(0, 0, 0, 1, 0, 2)[number % 6]]
        label = LABELS[number // 6 % len(LABELS)]
        bodies.append(body)
        images.append(replace(image(number + 7, body, format=format, label=label), split=split))
    return Version(images, bodies, slug=slug)
