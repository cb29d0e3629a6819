"""Makes pictures for tests."""

import hashlib
import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

#: Every kept format, by the name that Pillow gives it.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def noisy(width_px: int = 160, height_px: int = 120, *, seed: int = 0) -> Image.Image:
    """Coloured noise: no two seeds alike, and as large as a file of its size gets."""
    noise = np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def drawn(width_px: int = 320, height_px: int = 240, *, seed: int = 0) -> Image.Image:
    """Flat shapes on a plain ground, with more light above than below: turned, it is another picture."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (width_px, height_px), (200, 210, 220))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, height_px // 2, width_px, height_px), fill=(30, 60, 20))
    for _ in range(6):
        x, y = int(rng.integers(0, width_px)), int(rng.integers(0, height_px))
        colour = (int(rng.integers(256)), int(rng.integers(256)), int(rng.integers(256)))
        draw.ellipse((x, y, x + width_px // 4, y + height_px // 5), fill=colour)
    return picture


def encoded(picture: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    """The picture as a file of that format."""
    output = io.BytesIO()
    picture.save(output, format, **options)
    return output.getvalue()


def animated(format: str, *, frames: int = 4, size_px: tuple[int, int] = (80, 60)) -> bytes:
    """A file with several different frames."""
    pictures = [noisy(*size_px, seed=seed) for seed in range(frames)]
    return encoded(pictures[0], format, save_all=True, append_images=pictures[1:], duration=100)


def oriented(picture: Image.Image, orientation: int, format: str = "JPEG") -> bytes:
    """The picture's pixels as they are, with an EXIF note of how to turn them."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture, format, exif=exif)


def png_claiming(width_px: int, height_px: int) -> bytes:
    """A PNG of a few bytes whose header claims any size."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b""))
    )


def png_blank(width_px: int, height_px: int, *, corner: bool = False) -> bytes:
    """A sound PNG of black pixels, a thousandth of their size; its first pixel may be of another colour."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    row = b"\0" * (1 + 3 * width_px)
    packer = zlib.compressobj()
    packed = packer.compress(b"\0\xff" + row[2:] if corner else row)
    packed += b"".join(packer.compress(row) for _ in range(height_px - 1)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    )


def with_png_chunk(body: bytes, kind: bytes, data: bytes) -> bytes:
    """The PNG with one more chunk behind its header."""
    return body[:33] + _chunk(kind, data) + body[33:]


def gif_repeating(*, frames: int, size_px: tuple[int, int]) -> bytes:
    """A GIF that shows one and the same drawing again and again."""
    body = encoded(drawn(*size_px), "GIF")
    start = body.index(b"\x2c\0\0\0\0")
    return body[:start] + body[start:-1] * frames + b";"


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def cuts(body: bytes, count: int = 10) -> Sequence[int]:
    """Offsets at which to cut a file: from just behind its magic bytes to one byte before its end."""
    return [4 + (len(body) - 5) * step // (count - 1) for step in range(count)]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
