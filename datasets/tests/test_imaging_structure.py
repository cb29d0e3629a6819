"""Whether a file's end is missing is told without decoding it."""

import io

import pytest
from PIL import Image

from datasets.imaging.formats import extension_of, is_decodable, recognise
from datasets.imaging.structure import ends_early, gif_frames
from datasets.tests.pictures import FORMATS, animated, encoded, noisy


@pytest.mark.parametrize("format", FORMATS)
def test_a_whole_file_does_not_end_early(format: str) -> None:
    assert recognise(encoded(noisy(), format)) == format
    assert not ends_early(encoded(noisy(), format), format)


@pytest.mark.parametrize("format", [format for format in FORMATS if format != "BMP"])
def test_half_a_file_ends_early(format: str) -> None:
    body = encoded(noisy(), format)
    assert ends_early(body[: len(body) // 2], format)


@pytest.mark.parametrize("format", FORMATS)
def test_a_few_bytes_are_no_trouble(format: str) -> None:
    body = encoded(noisy(16, 16), format)
    for length in range(60):
        assert isinstance(ends_early(body[:length], format), bool)


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_gif_frames_are_counted_as_pillow_counts_them(frames: int) -> None:
    body = animated("GIF", frames=frames)
    with Image.open(io.BytesIO(body)) as picture:
        assert gif_frames(body) == (getattr(picture, "n_frames", 1), True) == (frames, True)
    assert gif_frames(body, at_most=frames) == (frames, True)


def test_counting_gif_frames_stops_beyond_the_limit() -> None:
    assert gif_frames(animated("GIF", frames=7), at_most=3) == (4, False)


def test_each_kept_format_has_its_extension_and_decoder() -> None:
    assert [extension_of(format) for format in FORMATS] == ["jpg", "png", "webp", "gif", "bmp", "tiff", "avif"]
    assert all(is_decodable(format) for format in FORMATS)
    with pytest.raises(ValueError, match="SVG"):
        extension_of("SVG")
