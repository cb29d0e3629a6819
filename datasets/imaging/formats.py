"""Which formats are kept, and how they are recognised: by the first bytes alone, never by a name or a header."""

import re
from dataclasses import dataclass
from typing import Final

from PIL import features

#: Pillow's name of each format that is kept, and the extension of its files.
EXTENSIONS: Final = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "AVIF": "avif",
}

#: Decoders that a build of Pillow may lack, as `PIL.features` names them.
_OPTIONAL_DECODERS = {"JPEG": "jpg", "PNG": "zlib", "WEBP": "webp", "AVIF": "avif"}

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Sizes of the header that follows the 14 bytes of a BMP file's own; "BM" alone begins many a text.
_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}
#: Pillow opens these container brands as AVIF; the last two may hold HEIC as well.
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"mif1", b"msf1"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"} | _HEIF_BRANDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Bytes of a format that is not kept: what they are, and whether that is a picture or a document at all."""

    what: str
    is_picture: bool


_FOREIGN_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "PDF document"),
    (b"%!PS", "PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "EPS document"),
    (b"8BPS", "Photoshop document"),
    (b"gimp xcf", "GIMP document"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL picture"),
    (b"\xff\x0a", "JPEG XL picture"),
    (b"II\xbc\x01", "JPEG XR picture"),
    (b"IIU\0", "raw camera picture"),
    (b"IIRO", "raw camera picture"),
    (b"FUJIFILMCCD-RAW", "raw camera picture"),
    (b"icns", "icon"),
    (b"DDS ", "DDS texture"),
    (b"qoif", "QOI picture"),
    (b"\x76\x2f\x31\x01", "OpenEXR picture"),
    (b"#?RADIANCE", "Radiance picture"),
    (b"SIMPLE  =", "FITS picture"),
    (b"AT&TFORM", "DjVu document"),
    (b"\xd7\xcd\xc6\x9a", "WMF drawing"),
    (b"BPG\xfb", "BPG picture"),
    (b"FLIF", "FLIF picture"),
    (b"\x8aMNG\r\n\x1a\n", "MNG picture"),
    (b"\x8bJNG\r\n\x1a\n", "JNG picture"),
    (b"/* XPM */", "XPM picture"),
)

_OTHER_FILES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "ZIP archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"OggS", "audio or video"),
    (b"ID3", "audio"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
)

#: An icon or a cursor, and how many pictures it has; a TGA, which has no magic bytes, may begin so with none.
_ICON = re.compile(rb"\0\0[\1\2]\0[^\0]\0")
_NETPBM = re.compile(rb"P[1-7][ \t\r\n]+[#0-9W]")
_XML_PROLOGUE = (b"<?xml", b"<!--", b"<!doctype svg")
#: Comments and a DOCTYPE may stand before <svg>.
_SVG_SEARCH_BYTES = 4096


def extension_of(format: str) -> str:
    """The extension of files of a kept format, such as "jpg" for "JPEG". Raises ValueError for any other."""
    try:
        return EXTENSIONS[format]
    except KeyError:
        raise ValueError(f"{format!r} is not among the formats that are kept: {', '.join(EXTENSIONS)}.") from None


def is_decodable(format: str) -> bool:
    """Whether this installation's Pillow was built with the decoder of a kept format."""
    decoder = _OPTIONAL_DECODERS.get(format)
    return decoder is None or bool(features.check(decoder))


def recognise(body: bytes) -> str | Foreign:
    """Pillow's name of the kept format that the bytes begin like, else what they are instead."""
    if body.startswith(_TIFF_MAGIC):
        return Foreign(what="raw camera picture", is_picture=True) if body[8:10] == b"CR" else "TIFF"
    if body[4:8] == b"ftyp":
        return _recognise_iso_media(body)
    if body.startswith(b"RIFF"):
        return "WEBP" if body[8:12] == b"WEBP" else Foreign(what="audio or video", is_picture=False)
    if body.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if body.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if body.startswith(b"BM") and int.from_bytes(body[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return _recognise_foreign(body)


def _recognise_iso_media(body: bytes) -> str | Foreign:
    """AVIF, HEIC and MP4 share a container: the brands in its first box tell them apart."""
    box = body[8 : min(int.from_bytes(body[:4], "big"), 1024)]
    major, compatible = box[:4], {box[start : start + 4] for start in range(8, len(box), 4)}
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and compatible & _AVIF_BRANDS):
        return "AVIF"
    if major in _HEIC_BRANDS:
        return Foreign(what="HEIC picture", is_picture=True)
    return Foreign(what="video", is_picture=False)


def _recognise_foreign(body: bytes) -> Foreign:
    for magic, what in _FOREIGN_PICTURES:
        if body.startswith(magic):
            return Foreign(what=what, is_picture=True)
    for magic, what in _OTHER_FILES:
        if body.startswith(magic):
            return Foreign(what=what, is_picture=False)
    if _ICON.match(body):
        return Foreign(what="icon", is_picture=True)
    if _NETPBM.match(body):
        return Foreign(what="Netpbm picture", is_picture=True)
    return _recognise_text(body)


def _recognise_text(body: bytes) -> Foreign:
    head = body[:_SVG_SEARCH_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<svg") or (head.startswith(_XML_PROLOGUE) and b"<svg" in head and b"<html" not in head):
        return Foreign(what="SVG drawing", is_picture=True)
    if head.startswith((b"<!doctype html", b"<html")) or b"<html" in head:
        return Foreign(what="HTML page", is_picture=False)
    if head.startswith((b"{", b"[")):
        return Foreign(what="JSON text", is_picture=False)
    return Foreign(what="", is_picture=False)
