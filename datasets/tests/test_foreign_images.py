"""A folder of other people's pictures, malformed ones included, goes through the decoder without a crash or a hang.

PIXCRAWLER_TEST_IMAGES names the folder, such as Tests/images of Pillow's sources (`make test-images` gets them).
Without it nothing is collected here, and the end of the run says so.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from datasets.imaging.decoder import Allowance, Decoder
from datasets.imaging.types import Extras, ImageFacts, ImageLimits, Rejection

_FOLDER = os.environ.get("PIXCRAWLER_TEST_IMAGES", "")
_LARGEST_BYTES = 20 * 1024 * 1024
_EVERYTHING = Extras(pixel_hash=True, quality=True, turned_hashes=True)


class _NoKills:
    """Every picture is tried, whatever it broke before."""

    def __init__(self) -> None:
        self.killers: list[str] = []

    def is_condemned(self, sha256: str) -> bool:  # noqa: ARG002
        return False

    def note_kill(self, sha256: str) -> None:
        self.killers.append(sha256)


@pytest.fixture
def files() -> list[Path]:
    found = sorted(path for path in Path(_FOLDER).rglob("*") if path.is_file())
    assert found, f"PIXCRAWLER_TEST_IMAGES names {_FOLDER}, which holds no file. Name a folder of pictures."
    return [path for path in found if path.stat().st_size <= _LARGEST_BYTES]


@pytest.fixture
def kills() -> _NoKills:
    return _NoKills()


@pytest.fixture
def decoder(kills: _NoKills) -> Iterator[Decoder]:
    decoder = Decoder(allowance=Allowance(), kills=kills)
    yield decoder
    decoder.close()


def test_every_file_is_a_picture_or_refused_with_a_reason(
    files: list[Path], decoder: Decoder, kills: _NoKills, capsys: pytest.CaptureFixture[str]
) -> None:
    told: Counter[str] = Counter()
    slowest, largest_bytes = (0.0, ""), 0
    for path in files:
        decoder.submit(path.read_bytes(), ImageLimits(), _EVERYTHING)
        [decoded] = decoder.results()
        assert isinstance(decoded.result, ImageFacts | Rejection), path
        told["sound" if isinstance(decoded.result, ImageFacts) else str(decoded.result.reason)] += 1
        slowest = max(slowest, (decoded.seconds, path.name))
        if decoder.child_pid is not None:
            largest_bytes = max(largest_bytes, psutil.Process(decoder.child_pid).memory_info().rss)
    with capsys.disabled():
        sys.stdout.write(f"\n{len(files)} files of {_FOLDER}: {dict(told.most_common())}\n")
        sys.stdout.write(f"slowest {slowest[0]:.2f} s ({slowest[1]}), most memory {largest_bytes / 2**20:.0f} MiB\n")
    assert sum(told.values()) == len(files)
    assert not kills.killers
    assert slowest[0] < Allowance().wall_s
    assert largest_bytes < Allowance().memory_bytes
