"""What is too large, too long or empty is refused for what it is, most of it before a pixel is decoded."""

import struct
import zlib

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from datasets.imaging.inspect import inspect
from datasets.imaging.metadata import metadata_bytes
from datasets.imaging.types import ImageLimits, Rejection
from datasets.outcomes import Reason
from datasets.tests.pictures import (
    animated,
    drawn,
    encoded,
    gif_repeating,
    noisy,
    png_blank,
    png_claiming,
    with_png_chunk,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

MIB = 1024 * 1024


def verdict(body: bytes, limits: ImageLimits | None = None) -> Reason | None:
    result = inspect(body, limits or ImageLimits())
    return result.reason if isinstance(result, Rejection) else None


def jpeg_with_segments(kind: int, count: int, size: int = 65_000) -> bytes:
    body = encoded(noisy(), "JPEG")
    return body[:2] + (bytes([0xFF, kind]) + struct.pack(">H", size + 2) + b"x" * size) * count + body[2:]


def webp_with_chunk(kind: bytes, size: int) -> bytes:
    body = encoded(noisy(), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    body += kind + struct.pack("<I", size) + b"x" * size
    return body[:4] + struct.pack("<I", len(body) - 8) + body[8:]


def exif_of(size: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = "x" * size
    return exif


def gif_with_comment(size: int) -> bytes:
    body, blocks = encoded(noisy(), "GIF"), size // 255
    start = 13 + 3 * 256
    return body[:start] + b"\x21\xfe" + (b"\xff" + b"x" * 255) * blocks + b"\0" + body[start:]


def packed_text(kind: bytes, size: int) -> bytes:
    names = {b"zTXt": b"Comment\0\0", b"iCCP": b"profile\0\0", b"iTXt": b"Comment\0\1\0en\0Kommentar\0"}
    return with_png_chunk(encoded(noisy(), "PNG"), kind, names[kind] + zlib.compress(b"x" * size))


@pytest.mark.parametrize(
    "body",
    [
        jpeg_with_segments(0xE1, 17),
        jpeg_with_segments(0xE2, 17),
        jpeg_with_segments(0xED, 17),
        jpeg_with_segments(0xFE, 17),
        packed_text(b"zTXt", 2 * MIB),
        packed_text(b"iTXt", 2 * MIB),
        packed_text(b"iCCP", 2 * MIB),
        with_png_chunk(encoded(noisy(), "PNG"), b"tEXt", b"Comment\0" + b"x" * 2 * MIB),
        with_png_chunk(encoded(noisy(), "PNG"), b"iTXt", b"Comment\0\0\0\0\0" + b"x" * 2 * MIB),
        with_png_chunk(encoded(noisy(), "PNG"), b"eXIf", b"II*\0" + b"x" * 2 * MIB),
        webp_with_chunk(b"EXIF", 2 * MIB),
        webp_with_chunk(b"XMP ", 2 * MIB),
        gif_with_comment(2 * MIB),
        encoded(noisy(), "TIFF", description="x" * 2 * MIB),
        encoded(noisy(), "TIFF", icc_profile=b"x" * 2 * MIB),
        encoded(noisy(), "TIFF", exif=exif_of(2 * MIB)),
        encoded(noisy(), "AVIF", exif=exif_of(2 * MIB)),
        encoded(noisy(), "AVIF", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
                + b"x" * 2 * MIB),
    ],
    ids=["jpeg-app1", "jpeg-app2", "jpeg-app13", "jpeg-comment", "png-ztxt", "png-itxt-packed", "png-iccp", "png-text",
         "png-itxt", "png-exif", "webp-exif", "webp-xmp", "gif-comment", "tiff-description", "tiff-icc", "tiff-exif",
         "avif-exif", "avif-icc"],
)  # fmt: skip
def test_a_picture_that_carries_more_than_a_mebibyte_of_metadata_is_refused(body: bytes) -> None:
    assert verdict(body) == Reason.METADATA_TOO_LARGE
    assert verdict(body, ImageLimits(max_metadata_bytes=4 * MIB)) != Reason.METADATA_TOO_LARGE


def test_packed_text_is_as_large_as_it_is_unpacked_and_no_more_is_unpacked_than_the_limit() -> None:
    bomb = packed_text(b"zTXt", 200 * MIB)
    assert len(bomb) < MIB
    assert verdict(bomb) == Reason.METADATA_TOO_LARGE
    assert metadata_bytes(bomb, "PNG", at_most=1000) == 1001


def test_many_small_texts_count_together() -> None:
    body = encoded(noisy(), "PNG")
    for _ in range(40):
        body = with_png_chunk(body, b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 30_000))
    assert verdict(body) == Reason.METADATA_TOO_LARGE


def test_ordinary_metadata_is_no_trouble() -> None:
    text = PngInfo()
    text.add_text("Comment", "x" * 900_000, zip=True)
    text.add_itxt("Title", "y" * 20_000, "en", "Title")
    exif = exif_of(30_000)
    for body in (
        encoded(noisy(), "PNG", pnginfo=text),
        encoded(noisy(), "JPEG", exif=exif, comment=b"x" * 60_000),
        encoded(noisy(), "WEBP", exif=exif, xmp=b"x" * 90_000),
        encoded(noisy(), "TIFF", exif=exif, compression="tiff_lzw"),
        encoded(noisy(), "GIF", comment=b"x" * 5_000),
        encoded(noisy(), "AVIF", exif=exif),
        animated("GIF"),
    ):
        assert verdict(body) is None


def test_metadata_behind_the_pixels_counts_too() -> None:
    body = encoded(noisy(), "PNG")
    end = body.index(b"IEND") - 4
    late = with_png_chunk(body, b"tEXt", b"Comment\0" + b"x" * 2 * MIB)[33 : 33 + 2 * MIB + 20]
    assert verdict(body[:end] + late + body[end:]) == Reason.METADATA_TOO_LARGE


@pytest.mark.parametrize("size_px", [(2_100, 100), (100, 2_100)])
def test_a_side_of_more_than_twenty_times_the_other_is_refused_by_the_header_alone(size_px: tuple[int, int]) -> None:
    assert verdict(png_claiming(*size_px)) == Reason.BAD_ASPECT
    assert verdict(png_claiming(*size_px), ImageLimits(max_aspect=21)) != Reason.BAD_ASPECT
    assert verdict(encoded(noisy(200, 10))) is None


@pytest.mark.parametrize(
    "body",
    [
        png_blank(64, 48),
        encoded(Image.new("RGB", (64, 48), (200, 30, 30)), "JPEG"),
        encoded(Image.new("L", (64, 48), 128), "JPEG"),
        encoded(Image.new("CMYK", (64, 48), (0, 0, 0, 0)), "JPEG"),
        encoded(Image.new("1", (64, 48), 1), "PNG"),
        encoded(Image.new("I;16", (64, 48), 900), "PNG"),
        encoded(Image.new("P", (64, 48), 3), "GIF"),
        encoded(Image.new("RGB", (64, 48), "white"), "WEBP", lossless=True),
        encoded(Image.new("RGBA", (64, 48), (1, 2, 3, 99)), "PNG"),
    ],
    ids=["black", "jpeg", "jpeg-grey", "jpeg-cmyk", "bits", "deep", "palette", "webp", "translucent"],
)
def test_one_colour_all_over_is_blank(body: bytes) -> None:
    assert verdict(body) == Reason.BLANK


def test_what_is_transparent_all_over_is_blank() -> None:
    picture = noisy().convert("RGBA")
    picture.putalpha(0)
    assert verdict(encoded(picture, "PNG")) == Reason.BLANK


def test_a_palette_with_one_colour_twice_is_blank() -> None:
    picture = Image.new("P", (64, 48), 0)
    picture.putpalette([9, 9, 9, 9, 9, 9])
    picture.paste(1, (0, 0, 32, 48))
    assert verdict(encoded(picture, "PNG")) == Reason.BLANK


def test_a_single_pixel_of_another_colour_is_something_to_see() -> None:
    picture = Image.new("RGB", (64, 48), "white")
    picture.putpixel((37, 5), (255, 255, 254))
    assert verdict(encoded(picture, "PNG")) is None
    drawn_on_nothing = Image.new("RGBA", (64, 48), (0, 0, 0, 0))
    drawn_on_nothing.putpixel((37, 5), (0, 0, 0, 255))
    assert verdict(encoded(drawn_on_nothing, "PNG")) is None


def test_an_animation_that_begins_blank_is_not_blank() -> None:
    body = encoded(Image.new("RGB", (64, 48)), "GIF", save_all=True, append_images=[drawn(64, 48)])
    assert verdict(body) is None


def test_a_bomb_of_frames_is_refused_before_one_is_decoded() -> None:
    assert verdict(gif_repeating(frames=1_001, size_px=(40, 30))) == Reason.TOO_MANY_FRAMES
    assert verdict(gif_repeating(frames=1_000, size_px=(40, 30))) is None
    assert verdict(gif_repeating(frames=900, size_px=(800, 800))) == Reason.TOO_MANY_FRAMES
