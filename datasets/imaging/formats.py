"""Which formats are pictures to us, told from the first bytes, never from a name or a header."""

from typing import Final

#: Pillow's name of a format -> the suffix of its files. Nothing else is ever decoded.
EXTENSIONS: Final = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "AVIF": "avif",
}

#: What Pillow may try: MPO is a JPEG with further pictures behind it.
DECODERS: Final = (*EXTENSIONS, "MPO")

#: First bytes of what people meant as a picture or a document, but what is not kept.
_OTHER = (
    (b"%PDF", "PDF"),
    (b"%!PS", "EPS"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
)


def sniff(body: bytes) -> tuple[str, bool]:
    """The format's name and whether it is decoded; ("", False) for what is no picture at all."""
    if body.startswith(b"\xff\xd8\xff"):
        return "JPEG", True
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", True
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "WEBP", True
    if body.startswith((b"GIF87a", b"GIF89a")):
        return "GIF", True
    if body.startswith(b"BM"):
        return "BMP", True
    if body.startswith((b"II*\x00", b"MM\x00*")):
        return "TIFF", True
    if body[4:8] == b"ftyp":
        brands = body[8 : min(len(body), 64)]
        return ("AVIF", True) if b"avif" in brands or b"avis" in brands else ("HEIF or video", False)
    for magic, name in _OTHER:
        if body.startswith(magic):
            return name, False
    if b"<svg" in body[:1024].lower():
        return "SVG", False
    return "", False
