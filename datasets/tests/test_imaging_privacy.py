"""Metadata that tells of places and people is noticed, wherever it stands; empty, broken and other metadata is not."""

import io

import pytest
from PIL import ExifTags, Image, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

from datasets.imaging.inspect import inspect
from datasets.imaging.types import Extras, ImageFacts, ImageLimits
from datasets.tests.pictures import encoded, noisy

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

EXIF_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmp:CreatorTool="Editor 3"
 %s>%s</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def noted(body: bytes) -> tuple[bool, bool]:
    """Whether a position and whether personal data is found."""
    facts = inspect(body, ImageLimits(), extras=Extras(quality=True))
    assert isinstance(facts, ImageFacts), facts
    assert facts.quality
    return facts.quality.has_gps, facts.quality.has_personal_data


def with_exif(format: str, main: dict[int, object], **directories: dict[int, object]) -> bytes:
    exif = Image.Exif()
    exif.update(main)
    for name, values in directories.items():
        exif[ExifTags.IFD[name]] = values
    return encoded(noisy(), format, exif=exif.tobytes())


def with_xmp(attributes: str = "", elements: str = "", format: str = "JPEG") -> bytes:
    xmp = (XMP % (attributes, elements)).encode()
    match format:
        case "PNG":
            text = PngInfo()
            text.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
            return encoded(noisy(), format, pnginfo=text)
        case "TIFF":
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags.tagtype[700] = 1
            tags[700] = xmp
            return encoded(noisy(), format, tiffinfo=tags)
        case _:
            return encoded(noisy(), format, xmp=xmp)


def iptc(dataset: int, value: bytes) -> bytes:
    """One value of record 2 in a Photoshop segment of a JPEG."""
    record = b"\x1c\x02" + bytes([dataset]) + len(value).to_bytes(2, "big") + value
    record += b"\0" * (len(record) % 2)
    segment = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(record).to_bytes(4, "big") + record
    marker = b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment
    body = encoded(noisy())
    return body[:2] + marker + body[2:]


@pytest.mark.parametrize("format", [*EXIF_FORMATS, "GIF", "BMP"])
def test_a_picture_without_metadata_tells_nothing(format: str) -> None:
    assert noted(encoded(noisy(), format)) == (False, False)


@pytest.mark.parametrize("format", EXIF_FORMATS)
def test_what_many_cameras_write_is_nothing_personal(format: str) -> None:
    main: dict[int, object] = {ExifTags.Base.Make: "Acme", ExifTags.Base.Model: "One", ExifTags.Base.Software: "1.0"}
    main[ExifTags.Base.Artist] = "    "
    exposure: dict[int, object] = {ExifTags.Base.ISOSpeedRatings: 100, ExifTags.Base.BodySerialNumber: "\0"}
    # A camera without reception writes the version of its GPS notes, and the time.
    gps: dict[int, object] = {ExifTags.GPS.GPSVersionID: b"\2\3\0\0", ExifTags.GPS.GPSDateStamp: "2024:05:01"}
    assert noted(with_exif(format, main, Exif=exposure, GPSInfo=gps)) == (False, False)


@pytest.mark.parametrize("format", EXIF_FORMATS)
def test_a_position_in_exif_is_found(format: str) -> None:
    gps: dict[int, object] = {
        ExifTags.GPS.GPSLatitudeRef: "N",
        ExifTags.GPS.GPSLatitude: (48.0, 12.0, 30.0),
        ExifTags.GPS.GPSLongitudeRef: "E",
        ExifTags.GPS.GPSLongitude: (16.0, 22.0, 0.0),
    }
    assert noted(with_exif(format, {}, GPSInfo=gps)) == (True, False)


@pytest.mark.parametrize("format", EXIF_FORMATS)
@pytest.mark.parametrize(
    "tag", [ExifTags.Base.Artist, ExifTags.Base.XPAuthor, ExifTags.Base.CameraSerialNumber], ids=lambda tag: tag.name
)
def test_people_and_cameras_in_the_main_directory_are_found(format: str, tag: ExifTags.Base) -> None:
    value = "Ann\0".encode("utf-16-le") if tag == ExifTags.Base.XPAuthor else "Ann 4711"
    assert noted(with_exif(format, {tag: value})) == (False, True)


@pytest.mark.parametrize("format", EXIF_FORMATS)
@pytest.mark.parametrize("tag", [0xA430, 0xA431, 0xA435, 0xA437, 0xA438], ids=hex)
def test_owners_and_serial_numbers_in_the_exif_directory_are_found(format: str, tag: int) -> None:
    assert noted(with_exif(format, {}, Exif={tag: "Ann 4711"})) == (False, True)


@pytest.mark.parametrize(("dataset", "is_personal"), [(80, True), (118, True), (122, True), (5, False), (90, False)])
def test_people_in_iptc_are_found(dataset: int, is_personal: bool) -> None:
    assert noted(iptc(dataset, b"Ann Example")) == (False, is_personal)
    assert noted(iptc(dataset, b"  ")) == (False, False)


def test_the_author_of_a_png_is_found() -> None:
    text = PngInfo()
    text.add_text("Title", "A walk")
    assert noted(encoded(noisy(), "PNG", pnginfo=text)) == (False, False)
    text.add_text("Author", "Ann Example", zip=True)
    assert noted(encoded(noisy(), "PNG", pnginfo=text)) == (False, True)


@pytest.mark.parametrize("format", EXIF_FORMATS)
def test_xmp_is_read_in_every_format_that_has_it(format: str) -> None:
    assert noted(with_xmp(format=format)) == (False, False)
    assert noted(with_xmp('exif:GPSLatitude="48,12.5N" aux:SerialNumber="4711"', format=format)) == (True, True)


@pytest.mark.parametrize(
    ("attributes", "elements", "expected"),
    [
        ("", "<dc:creator><rdf:Seq>\n <rdf:li>Ann</rdf:li></rdf:Seq></dc:creator>", (False, True)),
        ("", "<dc:creator><rdf:Seq><rdf:li xml:lang='x-default'>Ann</rdf:li></rdf:Seq></dc:creator>", (False, True)),
        ("aux:OwnerName='Ann'", "", (False, True)),
        ("", "<aux:LensSerialNumber>12</aux:LensSerialNumber>", (False, True)),
        ("", "<tiff:Artist>Ann</tiff:Artist>", (False, True)),
        (
            "",
            '<Iptc4xmpCore:CreatorContactInfo rdf:parseType="Resource"><Iptc4xmpCore:CiEmailWork>a@b.example'
            "</Iptc4xmpCore:CiEmailWork></Iptc4xmpCore:CreatorContactInfo>",
            (False, True),
        ),
        ("", '<Iptc4xmpCore:CreatorContactInfo Iptc4xmpCore:CiTelWork="+43 1"/>', (False, True)),
        ("", "<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Ann</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>",
         (False, True)),
        ("", "<exif:GPSLongitude>16,22E</exif:GPSLongitude>", (True, False)),
        ("", "<dc:creator><rdf:Seq><rdf:li/></rdf:Seq></dc:creator><dc:title>Walk</dc:title>", (False, False)),
        ("aux:OwnerName='' aux:Lens='50 mm'", "<tiff:Artist/><tiff:Make>Acme</tiff:Make>", (False, False)),
        ("", "<tiff:Artist> </tiff:Artist><tiff:Make>Acme</tiff:Make>", (False, False)),
        ("pdf:creator='A program'", "<xmp:creatorTool>Editor</xmp:creatorTool>", (False, False)),
    ],
)  # fmt: skip
def test_xmp_counts_where_it_has_a_value(attributes: str, elements: str, expected: tuple[bool, bool]) -> None:
    assert noted(with_xmp(attributes, elements)) == expected


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_counts_as_none(format: str) -> None:
    whole = io.BytesIO(
        with_exif("JPEG", {ExifTags.Base.Artist: "Ann Example, of a long name"}, GPSInfo={2: (1.0,) * 3})
    )
    exif = Image.open(whole).info["exif"]
    for cut in range(6, len(exif), 5):
        noted(encoded(noisy(16, 16), format, exif=exif[:cut]))
    assert noted(encoded(noisy(), format, exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage")) == (False, False)


def test_broken_iptc_counts_as_none() -> None:
    assert noted(iptc(80, b"Ann").replace(b"\x1c\x02\x50", b"\x1d\xff\x50")) == (False, False)


def test_xmp_made_to_be_searched_for_long_is_searched() -> None:
    # Each of 48,000 beginnings leads through as many characters as the search ever looks at.
    evil = "<a:b" + " a:Artist" * 32 + ">"
    assert noted(with_xmp(elements=evil * 1500, format="PNG")) == (False, False)
