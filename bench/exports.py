"""What an export needs: `make bench-exports`.

Writes a version of many small pictures in each format and opens it again, each in a process of its own, and tells
seconds and memory. The version is made up as it is read, so that nothing of it is ever in memory as a whole. Fails when
a process needed more than --most-mib.
"""

import argparse
import hashlib
import io
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from datasets.exports.policy import Policy
from datasets.exports.types import SPLITS, Export, ExportFacts, ExportImage
from datasets.exports.verify import verify
from datasets.exports.writer import FORMATS, write
from datasets.tests.pictures import drawn, encoded, with_png_chunk

_FROZEN_AT = datetime(2026, 1, 1, tzinfo=UTC)
_LABELS = tuple(f"label {number}" for number in range(100))


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A version of `count` pictures, of which each has bytes of its own."""

    count: int
    body: bytes

    def bytes_of(self, id: int) -> bytes:
        return with_png_chunk(self.body, b"tEXt", b"id\0%d" % id)

    def label(self, id: int) -> str:
        return _LABELS[id % len(_LABELS)]

    def split(self, id: int) -> str:
        return SPLITS[(0, 0, 0, 0, 0, 0, 0, 0, 1, 2)[id // len(_LABELS) % 10]]

    def rows(self, after_id: int) -> Iterator[ExportImage]:
        return map(self._row, range(after_id + 1, self.count + 1))

    def open(self, image: ExportImage) -> IO[bytes]:
        return io.BytesIO(self.bytes_of(image.id))

    def facts(self) -> ExportFacts:
        counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        for id in range(1, self.count + 1):
            counts[self.split(id)][self.label(id)] += 1
        policy = Policy(commercial_use=True, changes=True, ml_training=True)
        return ExportFacts(
            dataset="Many", slug="many", version=1, created_at=_FROZEN_AT, labels=_LABELS, counts=counts, policy=policy
        )

    def _row(self, id: int) -> ExportImage:
        body = self.bytes_of(id)
        return ExportImage(
            id=id, sha256=hashlib.sha256(body).hexdigest(), label=self.label(id), split=self.split(id), keyword="many",
            created_at=_FROZEN_AT, size_bytes=len(body), format="PNG", mode="RGB", width_px=32, height_px=24, frames=1,
            phash=id, dhash=-id, source="sample", url=f"https://photos.example/originals/{id:064x}.png",
            page_url=f"https://photos.example/photographs/by-somebody/{id}", title=f"A photograph, number {id}",
            creator="Somebody of the village", creator_url="https://photos.example/people/somebody", licence_code="by",
            licence_version="4.0", tags=("village", "summer", "evening"), ml_use="allowed",
        )  # fmt: skip


def measure(action: str, format: str, version: MadeUp, folder: Path) -> tuple[float, int]:
    """Seconds, and the peak of the process's memory in MiB."""
    facts, started = version.facts(), time.perf_counter()
    if action == "write":
        write(Export(facts=facts, rows=version.rows, open_picture=version.open, folder=folder), format=format)
    elif problems := verify(folder, format=format, facts=facts).problems:
        raise RuntimeError(" ".join(problems))
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return time.perf_counter() - started, peak_kib // 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--formats", nargs="+", choices=tuple(FORMATS), default=tuple(FORMATS))
    parser.add_argument("--most-mib", type=int, default=300)
    options = parser.parse_args()
    version, peak_mib = MadeUp(options.pictures, encoded(drawn(32, 24), "PNG")), 0
    spawning = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as root:
        for format in options.formats:
            for action in ("write", "verify"):
                with spawning.Pool(1) as pool:
                    seconds, mib = pool.apply(measure, (action, format, version, Path(root) / format))
                sys.stdout.write(f"{format:12} {action:7} {seconds:7.1f} s {mib:5d} MiB\n")
                sys.stdout.flush()
                peak_mib = max(peak_mib, mib)
    return int(peak_mib > options.most_mib)


if __name__ == "__main__":
    sys.exit(main())
