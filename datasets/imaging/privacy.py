"""What a picture's metadata says of people and places.

Only what Pillow finds, and only whether something is there: no value leaves this module.

A position is, in EXIF, a latitude, a longitude (also of the destination) or an area information of the GPS directory,
and in XMP exif:GPSLatitude or exif:GPSLongitude.

Personal data is

- in EXIF: Artist, XPAuthor, CameraOwnerName, Photographer, ImageEditor, CameraSerialNumber, BodySerialNumber and
  LensSerialNumber;
- in IPTC: By-line (2:80), Contact (2:118) and Writer/Editor (2:122);
- in XMP: dc:creator, Artist, OwnerName, CameraOwnerName, SerialNumber, BodySerialNumber, LensSerialNumber, of the
  creator's contact CiAdrExtadr, CiAdrCity, CiAdrPcode, CiEmailWork and CiTelWork, and of who is shown PersonInImage and
  PersonDisplayName;
- in a PNG's text: Author.

An empty value does not count. Makers' own notes, comments and XMP in UTF-16 are not read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, IptcImagePlugin

from datasets.imaging.errors import DECODER_ERRORS

_GPS_TAGS = (
    ExifTags.GPS.GPSLatitude,
    ExifTags.GPS.GPSLongitude,
    ExifTags.GPS.GPSDestLatitude,
    ExifTags.GPS.GPSDestLongitude,
    ExifTags.GPS.GPSAreaInformation,
)
#: In the main directory.
_PERSONAL_TAGS = (ExifTags.Base.Artist, ExifTags.Base.XPAuthor, ExifTags.Base.CameraSerialNumber)
#: In the EXIF directory; the last two are of EXIF 3.0, and Pillow has no names for them: Photographer, ImageEditor.
_PERSONAL_EXIF_TAGS = (
    ExifTags.Base.CameraOwnerName,
    ExifTags.Base.BodySerialNumber,
    ExifTags.Base.LensSerialNumber,
    0xA437,
    0xA438,
)
_PERSONAL_IPTC = ((2, 80), (2, 118), (2, 122))
_PERSONAL_PNG_TEXT = "Author"

#: An attribute with a value, or an element that begins, at any depth below other beginning elements, with text. Bounded
#: everywhere: XMP is foreign text.
_WITH_VALUE = (
    rb"\b(?:\s{0,20}=\s{0,20}(?:\"\s{0,20}[^\"\s]|'\s{0,20}[^'\s])"
    rb"|(?:\s[^<>]{0,120})?(?<!/)>(?:\s{0,80}<[^/<>][^<>]{0,120}(?<!/)>){0,4}\s{0,80}[^<\s])"
)
#: An attribute, or an element that begins. Prefixes are the writer's to choose, but `creator` is a common word.
_XMP_GPS = re.compile(rb"[<\s][\w.-]{1,40}:GPSL(?:at|ong)itude" + _WITH_VALUE)
_XMP_PERSONAL = re.compile(
    rb"[<\s](?:dc:creator|[\w.-]{1,40}:(?:Artist|(?:Camera)?OwnerName|(?:Body|Lens)?SerialNumber"
    rb"|CiAdrExtadr|CiAdrCity|CiAdrPcode|CiEmailWork|CiTelWork|PersonInImage|PersonDisplayName))" + _WITH_VALUE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyNotes:
    """Whether the metadata tells a place, and whether it tells of a person or of one person's camera."""

    has_gps: bool
    has_personal_data: bool


def privacy_notes(picture: Image.Image) -> PrivacyNotes:
    """Of an opened picture with its pixels loaded: some formats have metadata behind them.

    Broken metadata counts as none.
    """
    xmp = _xmp(picture)
    return PrivacyNotes(
        has_gps=bool(_XMP_GPS.search(xmp)) or _has_exif_gps(picture),
        has_personal_data=bool(_XMP_PERSONAL.search(xmp))
        or _is_filled(picture.info.get(_PERSONAL_PNG_TEXT))
        or _has_personal_exif(picture)
        or _has_personal_iptc(picture),
    )


def _has_exif_gps(picture: Image.Image) -> bool:
    try:
        return _has_any(picture.getexif().get_ifd(ExifTags.IFD.GPSInfo), _GPS_TAGS)
    except DECODER_ERRORS:
        return False


def _has_personal_exif(picture: Image.Image) -> bool:
    try:
        exif = picture.getexif()
        return _has_any(exif, _PERSONAL_TAGS) or _has_any(exif.get_ifd(ExifTags.IFD.Exif), _PERSONAL_EXIF_TAGS)
    except DECODER_ERRORS:
        return False


def _has_personal_iptc(picture: Image.Image) -> bool:
    try:
        notes = IptcImagePlugin.getiptcinfo(picture)  # type: ignore[arg-type]
        return notes is not None and _has_any(notes, _PERSONAL_IPTC)
    except DECODER_ERRORS:
        return False


def _xmp(picture: Image.Image) -> bytes:
    xmp = picture.info.get("xmp", b"")
    return xmp.encode() if isinstance(xmp, str) else xmp if isinstance(xmp, bytes) else b""


def _has_any(notes: Mapping[Any, object], keys: tuple[Any, ...]) -> bool:
    return any(_is_filled(notes.get(key)) for key in keys)


def _is_filled(value: object) -> bool:
    """Whether it is more than blanks and zero bytes, with which cameras fill what nobody entered."""
    if isinstance(value, bytes):
        return bool(value.strip(b"\0 \t\r\n"))
    if isinstance(value, str):
        return bool(value.strip("\0 \t\r\n"))
    if isinstance(value, list | tuple):
        return any(_is_filled(part) for part in value)
    return value is not None
