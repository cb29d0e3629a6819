"""Every kind of bytes ends as facts or as the right reason, and never as an exception."""

import io
import random
from dataclasses import replace

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps, features

from datasets.imaging.hashing import to_hex
from datasets.imaging.inspect import inspect
from datasets.imaging.types import Extras, ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason
from datasets.tests.pictures import FORMATS, animated, cuts, drawn, encoded, noisy, oriented, png_claiming, sha256

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

LIMITS = ImageLimits()
ALL_EXTRAS = Extras(pixel_hash=True, quality=True, turned_hashes=True)
DAMAGE = {Reason.TRUNCATED, Reason.CORRUPT}


def facts_of(body: bytes, limits: ImageLimits = LIMITS) -> ImageFacts:
    result = inspect(body, limits)
    assert isinstance(result, ImageFacts), result
    return result


def rejection_of(body: bytes, limits: ImageLimits = LIMITS) -> Rejection:
    result = inspect(body, limits)
    assert isinstance(result, Rejection), result
    return result


def opened_thumbnail(facts: ImageFacts) -> Image.Image:
    thumbnail = Image.open(io.BytesIO(facts.thumbnail))
    thumbnail.load()
    return thumbnail


@pytest.mark.parametrize("format", FORMATS)
def test_a_sound_picture_of_each_format_gives_its_facts(format: str) -> None:
    body = encoded(drawn(), format)
    facts = facts_of(body)
    assert (facts.format, facts.width_px, facts.height_px, facts.frames) == (format, 320, 240, 1)
    assert (facts.sha256, facts.size_bytes) == (sha256(body), len(body))
    assert facts.mode == ("P" if format == "GIF" else "RGB")
    assert to_hex(facts.phash) == str(imagehash.phash(Image.open(io.BytesIO(body))))
    assert to_hex(facts.dhash) == str(imagehash.dhash(Image.open(io.BytesIO(body))))
    assert opened_thumbnail(facts).size == (320, 240)


@pytest.mark.parametrize("quality", [False, True])
def test_without_a_thumbnail_all_else_is_the_same(quality: bool) -> None:
    body = encoded(noisy(400, 300))
    with_it, without = (inspect(body, LIMITS, extras=Extras(quality=quality, thumbnail=made)) for made in (True, False))
    assert isinstance(with_it, ImageFacts)
    assert without == replace(with_it, thumbnail=b"")


def test_the_installed_pillow_decodes_every_format_that_is_kept() -> None:
    assert all(features.check(name) for name in ("jpg", "zlib", "webp", "avif"))


def test_a_jpeg_with_several_pictures_counts_as_a_jpeg_of_one() -> None:
    body = encoded(noisy(), "MPO", save_all=True, append_images=[noisy(seed=1)])
    with Image.open(io.BytesIO(body)) as picture:
        assert picture.format == "MPO"
    facts = facts_of(body)
    assert (facts.format, facts.frames) == ("JPEG", 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.NOT_AN_IMAGE),
        (b"\0" * 4096, Reason.NOT_AN_IMAGE),
        (b"BM is how this sentence begins, and no picture.", Reason.NOT_AN_IMAGE),
        (b"<!DOCTYPE html><html><body><svg></svg></body></html>", Reason.NOT_AN_IMAGE),
        (b'{"error": "gone"}', Reason.NOT_AN_IMAGE),
        (b"PK\x03\x04" + b"\0" * 60, Reason.NOT_AN_IMAGE),
        (b"RIFF\x24\0\0\0WAVEfmt ", Reason.NOT_AN_IMAGE),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp41isom", Reason.NOT_AN_IMAGE),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Reason.UNSUPPORTED_FORMAT),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Reason.UNSUPPORTED_FORMAT),
        (b"%PDF-1.7\n%\xe2\xe3", Reason.UNSUPPORTED_FORMAT),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", Reason.UNSUPPORTED_FORMAT),
        (b"8BPS\0\x01" + b"\0" * 40, Reason.UNSUPPORTED_FORMAT),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', Reason.UNSUPPORTED_FORMAT),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n<svg/>', Reason.UNSUPPORTED_FORMAT),
        (b"II*\0\x10\0\0\0CR\x02\0", Reason.UNSUPPORTED_FORMAT),
    ],
)
def test_what_is_no_kept_picture_is_told_apart(body: bytes, reason: Reason) -> None:
    rejection = rejection_of(body)
    assert rejection.reason == reason
    assert rejection.detail
    assert (rejection.sha256, rejection.size_bytes, rejection.format) == (sha256(body), len(body), "")


@pytest.mark.parametrize("format", ["ICO", "PPM", "JPEG2000", "TGA", "PCX"])
def test_formats_that_pillow_reads_but_we_do_not_keep_are_refused(format: str) -> None:
    # TGA and PCX have no reliable first bytes, so they are not recognised at all.
    expected = Reason.NOT_AN_IMAGE if format in ("TGA", "PCX") else Reason.UNSUPPORTED_FORMAT
    assert rejection_of(encoded(noisy(), format)).reason == expected


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_anywhere_is_truncated(progressive: bool) -> None:
    body = encoded(noisy(), "JPEG", progressive=progressive)
    for cut in cuts(body):
        assert rejection_of(body[:cut]).reason == Reason.TRUNCATED, cut


def test_a_cut_jpeg_that_has_a_whole_thumbnail_in_its_exif_is_truncated() -> None:
    body = encoded(noisy(), "JPEG", exif=b"Exif\0\0" + encoded(noisy(16, 16)))
    assert facts_of(body).format == "JPEG"
    assert rejection_of(body[: len(body) // 2]).reason == Reason.TRUNCATED


@pytest.mark.parametrize(
    "body",
    [
        encoded(noisy(), "PNG"),
        encoded(noisy(), "WEBP"),
        encoded(noisy(), "WEBP", lossless=True),
        encoded(noisy(), "GIF"),
        encoded(noisy(), "TIFF"),
        encoded(noisy(), "TIFF", compression="tiff_lzw"),
        encoded(noisy(), "TIFF", compression="jpeg"),
        encoded(noisy(), "AVIF"),
        animated("GIF"),
        animated("WEBP"),
        animated("PNG"),
        animated("AVIF"),
    ],
    ids=["png", "webp", "webp-lossless", "gif", "tiff", "tiff-lzw", "tiff-jpeg", "avif",
         "animated-gif", "animated-webp", "animated-png", "animated-avif"],
)  # fmt: skip
def test_other_formats_cut_anywhere_are_truncated(body: bytes) -> None:
    offsets = [cut for cut in cuts(body) if cut >= 40] + [len(body) - 13]
    for cut in offsets:
        assert rejection_of(body[:cut]).reason == Reason.TRUNCATED, cut


def test_a_cut_bmp_is_truncated() -> None:
    body = encoded(noisy(), "BMP")
    for cut in (len(body) // 10, len(body) // 2, len(body) - 1):
        assert rejection_of(body[:cut]).reason == Reason.TRUNCATED, cut


def test_a_gif_that_lost_its_last_frames_is_truncated() -> None:
    body = animated("GIF")
    last_frame = body.rindex(b"\x21\xf9\x04")
    assert facts_of(body[:last_frame] + b";").frames == 3
    assert rejection_of(body[:last_frame]).reason == Reason.TRUNCATED


@pytest.mark.parametrize("format", FORMATS)
def test_flipped_bits_never_raise(format: str) -> None:
    body = encoded(noisy(64, 48), format)
    rng = random.Random(format)
    for _ in range(60):
        damaged = bytearray(body)
        for _ in range(rng.choice((1, 8, 64))):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        assert inspect(bytes(damaged), LIMITS, extras=ALL_EXTRAS).size_bytes == len(body)


def test_pixels_of_a_png_that_do_not_match_their_checksum_are_corrupt() -> None:
    # The checksum of the last chunk with pixels stands before the twelve bytes of the end mark; Pillow skips it.
    body = bytearray(encoded(noisy(), "PNG"))
    body[-13] ^= 0x01
    with Image.open(io.BytesIO(bytes(body))) as picture:
        picture.load()
    rejection = rejection_of(bytes(body))
    assert rejection.reason == Reason.CORRUPT
    assert (rejection.format, rejection.width_px, rejection.height_px) == ("PNG", 160, 120)


def test_damage_that_the_decoder_reports_is_told_with_the_kind_of_its_error() -> None:
    body = bytearray(encoded(noisy(), "GIF"))
    body[-3000:-2000] = b"\xff" * 1000
    rejection = rejection_of(bytes(body))
    assert rejection.reason in DAMAGE
    assert rejection.detail.startswith("OSError: ")


def test_garbage_behind_each_magic_is_damage() -> None:
    for format in FORMATS:
        body = encoded(noisy(), format)[:20] + random.Random(format).randbytes(5000)
        assert rejection_of(body).reason in DAMAGE, format


def test_truncated_files_are_never_loaded_as_if_they_were_whole() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_the_bomb_guard_of_pillow_refuses_a_claimed_50000_by_50000() -> None:
    rejection = rejection_of(png_claiming(50_000, 50_000))
    assert rejection.reason == Reason.DECOMPRESSION_BOMB
    assert rejection.format == "PNG"


def test_too_many_pixels_are_refused_by_the_header_alone() -> None:
    # There are no pixels in the file: were they decoded, it would be truncated.
    rejection = rejection_of(png_claiming(8_000, 8_000))
    assert rejection.reason == Reason.TOO_MANY_PIXELS
    assert (rejection.width_px, rejection.height_px) == (8_000, 8_000)


def test_a_side_that_is_too_long_is_refused() -> None:
    assert rejection_of(png_claiming(20_000, 10)).reason == Reason.TOO_MANY_PIXELS
    assert rejection_of(encoded(noisy(101, 10)), ImageLimits(max_side_px=100)).reason == Reason.TOO_MANY_PIXELS
    assert facts_of(encoded(noisy(100, 10)), ImageLimits(max_side_px=100)).width_px == 100


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_frames_are_counted_and_limited(format: str) -> None:
    body = animated(format, frames=4)
    assert facts_of(body, ImageLimits(max_frames=4)).frames == 4
    rejection = rejection_of(body, ImageLimits(max_frames=3))
    assert rejection.reason == Reason.TOO_MANY_FRAMES
    assert (rejection.width_px, rejection.height_px) == (80, 60)


def test_an_animation_is_refused_when_its_frames_have_too_many_pixels_together() -> None:
    body = animated("GIF", frames=12)
    assert facts_of(body, ImageLimits(max_pixels=80 * 60 * 2)).frames == 12
    assert rejection_of(body, ImageLimits(max_pixels=80 * 60)).reason == Reason.TOO_MANY_FRAMES


def test_a_later_page_of_a_tiff_has_the_same_limits() -> None:
    body = encoded(noisy(20, 20), "TIFF", save_all=True, append_images=[noisy(200, 20)])
    assert facts_of(body).frames == 2
    assert rejection_of(body, ImageLimits(max_side_px=100)).reason == Reason.TOO_MANY_PIXELS


def test_an_animation_is_hashed_by_its_first_frame() -> None:
    facts = facts_of(animated("PNG"))
    assert to_hex(facts.phash) == str(imagehash.phash(noisy(80, 60, seed=0)))


def test_damage_in_a_later_frame_is_found() -> None:
    body = bytearray(animated("PNG"))
    body[-200] ^= 0xFF
    assert rejection_of(bytes(body)).reason in DAMAGE


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_hashes_and_thumbnail_are_upright(format: str, orientation: int) -> None:
    body = oriented(drawn(320, 200), orientation, format)
    facts = facts_of(body)
    with Image.open(io.BytesIO(body)) as picture:
        picture.load()
        upright = ImageOps.exif_transpose(picture)
    assert (facts.width_px, facts.height_px) == upright.size
    assert facts.width_px == (200 if orientation >= 5 else 320)
    assert to_hex(facts.phash) == str(imagehash.phash(upright))
    assert to_hex(facts.dhash) == str(imagehash.dhash(upright))
    thumbnail = opened_thumbnail(facts)
    difference = np.asarray(thumbnail, np.int16) - np.asarray(upright.convert("RGB").resize(thumbnail.size), np.int16)
    assert np.abs(difference).mean() < 8


def test_the_smallest_size_is_a_rule_of_the_upright_picture() -> None:
    body = oriented(drawn(100, 40), 6)
    facts_of(body, ImageLimits(min_width_px=40, min_height_px=100))
    rejection = rejection_of(body, ImageLimits(min_width_px=41, min_height_px=1))
    assert rejection.reason == Reason.TOO_SMALL
    assert (rejection.width_px, rejection.height_px) == (40, 100)
    assert rejection_of(body, ImageLimits(min_width_px=1, min_height_px=101)).reason == Reason.TOO_SMALL


def test_a_tiny_picture_is_a_picture() -> None:
    facts = facts_of(encoded(noisy(2, 1), "PNG"))
    assert (facts.width_px, facts.height_px) == (2, 1)
    assert opened_thumbnail(facts).size == (2, 1)


def test_broken_exif_does_not_make_a_broken_picture() -> None:
    facts = facts_of(encoded(noisy(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage"))
    assert (facts.width_px, facts.height_px) == (160, 120)


def test_a_colour_mode_without_a_way_to_grey_is_unsupported() -> None:
    rejection = rejection_of(encoded(Image.new("LAB", (40, 30)), "TIFF"))
    assert rejection.reason == Reason.UNSUPPORTED_FORMAT
    assert "LAB" in rejection.detail


def test_the_bytes_decide_not_what_they_are_called() -> None:
    assert facts_of(encoded(noisy(), "PNG") + b"trailing bytes").format == "PNG"
    assert facts_of(encoded(noisy(), "JPEG") + b"trailing bytes").format == "JPEG"


def test_a_film_behind_a_jpeg_does_not_make_it_truncated() -> None:
    # As phones append it to a "motion photo"; it may hold any bytes, also those that begin a scan.
    assert facts_of(encoded(noisy(), "JPEG") + b"\0\0\0\x18ftypmp42\xff\xda" + b"\x01" * 500).frames == 1
