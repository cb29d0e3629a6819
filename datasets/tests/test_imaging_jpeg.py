"""JPEGs are decoded strictly, to the very pixels that Pillow decodes."""

import io
import os
import random
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from datasets.imaging import jpeg
from datasets.imaging.hashing import to_hex
from datasets.imaging.inspect import inspect
from datasets.imaging.types import ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason
from datasets.tests.pictures import cuts, drawn, encoded, noisy

END = b"\xff\xd9"


def verdict(body: bytes) -> Reason | None:
    result = inspect(body, ImageLimits())
    return result.reason if isinstance(result, Rejection) else None


def photographs() -> list[bytes]:
    """Photographs of a folder that PIXCRAWLER_TEST_PHOTOS names, and JPEGs of every kind that Pillow writes."""
    folder = os.environ.get("PIXCRAWLER_TEST_PHOTOS")
    found = [path.read_bytes() for path in sorted(Path(folder).iterdir())] if folder else []
    return found + [
        encoded(picture.convert(mode), "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
        for picture in (noisy(157, 119), drawn(331, 247))
        for mode in ("RGB", "L", "CMYK")
        for quality in (30, 75, 95)
        for subsampling in ("4:4:4", "4:2:2", "4:2:0")
        for progressive in (False, True)
    ]


def test_hashes_are_those_of_the_full_picture_that_pillow_decodes() -> None:
    for body in photographs():
        facts = inspect(body, ImageLimits())
        assert isinstance(facts, ImageFacts), facts
        with Image.open(io.BytesIO(body)) as picture:
            assert to_hex(facts.phash) == str(imagehash.phash(picture))
            assert to_hex(facts.dhash) == str(imagehash.dhash(picture))


def test_pixels_are_those_that_pillow_decodes() -> None:
    compared = 0
    for body in photographs():
        with Image.open(io.BytesIO(body)) as picture:
            strict = jpeg.decode(body, mode=picture.mode, size_px=picture.size)
            if strict is not None:
                compared += 1
                assert strict.mode == picture.mode
                assert np.array_equal(np.asarray(strict), np.asarray(picture))
    assert compared >= 72


def test_inks_are_left_to_pillow_and_their_damage_is_found_all_the_same() -> None:
    body = encoded(noisy().convert("CMYK"), "JPEG")
    assert jpeg.decode(body, mode="CMYK", size_px=(160, 120)) is None
    with pytest.raises(ValueError, match="premature end"):
        jpeg.decode(body[: len(body) // 2] + END, mode="CMYK", size_px=(160, 120))
    assert verdict(body[: len(body) // 2] + END) == Reason.TRUNCATED


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_is_cut_and_closed_with_an_end_mark_is_truncated(mode: str, progressive: bool) -> None:
    body = encoded(noisy().convert(mode), "JPEG", progressive=progressive)
    first_scan = body.index(b"\xff\xda") + 20
    for cut in cuts(body[first_scan:-20]):
        assert verdict(body[: first_scan + cut] + END) == Reason.TRUNCATED, cut


def test_a_progressive_jpeg_that_lacks_its_last_scans_is_truncated() -> None:
    body = encoded(noisy(), "JPEG", progressive=True)
    starts = [at for at in range(len(body)) if body[at : at + 2] == b"\xff\xda"]
    assert jpeg.scans(body) == (len(starts), True)
    for start in starts[1:]:
        # Tables of the next scan may stand before it; what counts is that every scan is whole.
        assert jpeg.scans(body[:start] + END)[1] is False
        assert verdict(body[:start] + END) == Reason.TRUNCATED


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_picture_saved_with_missing_rows_is_truncated(mode: str) -> None:
    picture = drawn().convert(mode)
    picture.paste((128,) * len(picture.getbands()), (0, 150, 320, 240))
    assert verdict(encoded(picture, "JPEG", quality=90)) == Reason.TRUNCATED


def test_a_picture_with_a_grey_frame_or_a_thin_grey_line_is_whole() -> None:
    framed, lined = Image.new("RGB", (320, 240), (128, 128, 128)), drawn()
    framed.paste(drawn(280, 160), (20, 40))
    lined.paste((128, 128, 128), (0, 232, 320, 240))
    assert verdict(encoded(framed, "JPEG", quality=95)) is None
    assert verdict(encoded(lined, "JPEG", quality=95)) is None


def test_damage_inside_is_found_nearly_always() -> None:
    body, rng, found = encoded(noisy(320, 240), "JPEG"), random.Random(1), 0
    for _ in range(40):
        start = rng.randrange(700, len(body) - 4200)
        found += verdict(body[:start] + bytes(4096) + body[start + 4096 :]) is not None
    assert found >= 38


def test_odd_headers_do_not_make_a_damaged_picture() -> None:
    body = bytearray(encoded(noisy(), "JPEG"))
    assert body[6:12] == b"JFIF\0\1"
    body[11] = 9
    assert jpeg.decode(bytes(body), mode="RGB", size_px=(160, 120)) is None
    assert verdict(bytes(body)) is None


def test_headers_that_disagree_about_the_size_are_refused() -> None:
    body = encoded(noisy(), "JPEG")
    with pytest.raises(ValueError, match="disagree"):
        jpeg.decode(body, mode="RGB", size_px=(120, 160))


@pytest.mark.parametrize("count", [600, 5_000])
def test_thousands_of_scans_are_a_bomb_that_no_decoder_sees(count: int) -> None:
    body = encoded(noisy(40, 30), "JPEG", progressive=True)
    start = body.index(b"\xff\xda")
    scan = body[start : body.index(b"\xff", start + 14)]
    bomb = body[:start] + scan * count + body[start:]
    assert jpeg.scans(bomb)[0] == jpeg.MAX_SCANS + 1
    assert verdict(bomb) == Reason.DECOMPRESSION_BOMB


def test_any_bytes_behind_a_jpegs_first_are_walked_through() -> None:
    rng = random.Random(5)
    for _ in range(300):
        count, _ = jpeg.scans(b"\xff\xd8" + bytes(rng.choices((0, 1, 2, 3, 0xC0, 0xC2, 0xDA, 0xFF), k=400)))
        assert 0 <= count <= jpeg.MAX_SCANS + 1
