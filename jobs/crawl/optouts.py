"""What sites and files say against the use of a picture for machine learning, and how it is read.

`X-Robots-Tag` and `tdm-reservation` are headers of the answer, read before the body is. A statement in the file itself
is the data mining property of PLUS, which IPTC has taken over, or TDMRep's reservation, both in XMP.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jobs.crawl.text import clean

#: How we are named in robots.txt and in X-Robots-Tag.
PRODUCT_TOKEN = "PixCrawler"  # noqa: S105 - a name, not a secret

#: Headers that may be sent more than once; their values are kept apart by a line break, which no header holds.
REPEATABLE = frozenset({"x-robots-tag", "tdm-reservation"})

_OPT_OUT_DIRECTIVES = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
_FOR_EVERYBODY = frozenset({"*", PRODUCT_TOKEN.lower()})

#: `token: directive`. What looks like it but is a directive with a value, such as `max-snippet: 5`, names nobody.
_TOKEN = re.compile(r"(\*|[A-Za-z][\w./-]*)\s*:\s*(.*)", re.ASCII | re.DOTALL)
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})

#: The property's name, and within what follows the value of its closed vocabulary: DMI-ALLOWED, DMI-PROHIBITED-….
_DATA_MINING = re.compile(rb"[:/]DataMining\b[^\0]{0,300}?(DMI-[A-Z-]{1,60})")
_TDM_RESERVATION = re.compile(rb"[:/]reservation\b[^\0]{0,20}?[\"'>]\s*1\s*[\"'<]")
_TDM_NAMESPACE = b"www.w3.org/ns/tdmrep"

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_XMP_KEYWORD = b"XML:com.adobe.xmp\0"
_MAX_XMP_BYTES = 1024 * 1024
_MAX_MENTIONS = 100

#: So much of what a site says is kept as evidence.
_EVIDENCE_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutRules:
    """Which statements a dataset obeys."""

    robots_txt: bool = True
    robots_tag: bool = True
    tdm_reservation: bool = True
    embedded: bool = True


#: For what is fetched on nobody's behalf, such as robots.txt itself.
NO_RULES = OptOutRules(robots_txt=False, robots_tag=False, tdm_reservation=False, embedded=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one place says: `said` in its own words ("" nothing), `is_opt_out` what that means for us."""

    said: str = ""
    is_opt_out: bool = False


def robots_tag(headers: Mapping[str, str]) -> Statement:
    """X-Robots-Tag: whether a directive for everybody, or for us by name, keeps machines from the picture."""
    values = headers.get("x-robots-tag", "")
    is_opt_out = any(_keeps_us_out(value) for value in values.split("\n"))
    return Statement(said=clean(values.replace("\n", "; "), _EVIDENCE_LENGTH), is_opt_out=is_opt_out)


def tdm_reservation(headers: Mapping[str, str]) -> Statement:
    """tdm-reservation (TDMRep): 1 reserves text and data mining."""
    values = headers.get("tdm-reservation", "")
    is_opt_out = any(value.strip() == "1" for value in re.split(r"[\n,]", values))
    return Statement(said=clean(values.replace("\n", "; "), _EVIDENCE_LENGTH), is_opt_out=is_opt_out)


def embedded(body: bytes) -> Statement:
    """The file's own statement. Every prohibition of PLUS counts: nobody knows which use a dataset will be put to."""
    for text in (body, *_compressed_xmp(body)):
        if found := _mentioned(text, b"DataMining", _DATA_MINING):
            value = found[1].decode("ascii")
            return Statement(said=f"plus:DataMining {value}", is_opt_out=value.startswith("DMI-PROHIBITED"))
        if text.find(_TDM_NAMESPACE) >= 0 and _mentioned(text, b"reservation", _TDM_RESERVATION):
            return Statement(said="tdm:reservation 1", is_opt_out=True)
    return Statement()


def _mentioned(text: bytes, word: bytes, statement: re.Pattern[bytes]) -> re.Match[bytes] | None:
    """The statement around one of the first mentions of the word: of a file that is made of it, no more are read."""
    # `find` costs a fraction of a search, and nearly every file ends here.
    at = text.find(word)
    for _ in range(_MAX_MENTIONS):
        if at < 0:
            return None
        if found := statement.match(text, max(0, at - 1)):
            return found
        at = text.find(word, at + len(word))
    return None


def _keeps_us_out(value: str) -> bool:
    """One header's value: directives behind commas, each for the token that was named last."""
    is_for_us = True
    for part in value.split(","):
        directive = part.strip()
        named = _TOKEN.fullmatch(directive)
        if named and named[1].lower() not in _WITH_VALUE:
            is_for_us = named[1].partition("/")[0].lower() in _FOR_EVERYBODY
            directive = named[2].strip()
        if is_for_us and directive.lower() in _OPT_OUT_DIRECTIVES:
            return True
    return False


def _compressed_xmp(body: bytes) -> Iterator[bytes]:
    """The XMP of a PNG's compressed text chunk, of which there is one; everywhere else it stands as it is."""
    if not body.startswith(_PNG_MAGIC):
        return
    position = len(_PNG_MAGIC)
    while position + 12 <= len(body):
        size, kind = struct.unpack_from(">I4s", body, position)
        data = body[position + 8 : position + 8 + size] if kind == b"iTXt" else b""
        if data.startswith(_XMP_KEYWORD + b"\x01"):
            try:
                # Behind the keyword: the flag, the method, a language and a translated keyword, each ended by NUL.
                packed = data[len(_XMP_KEYWORD) + 2 :].split(b"\0", 2)[2]
                yield zlib.decompressobj().decompress(packed, _MAX_XMP_BYTES)
            except (IndexError, zlib.error):
                pass
            return
        position += 12 + size
