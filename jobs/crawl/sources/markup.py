"""What a web page or a sitemap holds, read as tolerantly as a browser would."""

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

#: Pictures and addresses of one document at most: what is longer is no page for people.
_MOST: Final = 50_000

_PICTURE_METAS: Final = frozenset({"og:image", "og:image:url", "og:image:secure_url", "twitter:image"})

#: Where pages keep a picture's address until it is scrolled to.
_LATER: Final = ("data-src", "data-original", "data-lazy-src")
_LATER_SETS: Final = ("srcset", "data-srcset", "data-lazy-srcset")

_CANDIDATE: Final = re.compile(r"\s*(\S*[^\s,])(?:\s+([\d.]+)([wx]))?\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a page: its address as it stands there, and the words that stand for it."""

    url: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`base` is what its addresses are relative to ("": its own), `robots` what its meta robots say; the pages and
    sitemaps are those of a sitemap."""

    pictures: Sequence[Picture] = ()
    pages: Sequence[str] = ()
    sitemaps: Sequence[str] = ()
    robots: Sequence[str] = ()
    base: str = ""
    is_sitemap: bool = False


def document_of(body: bytes, *, kind: str = "") -> Document:
    """What the bytes hold; `kind` is their Content-Type."""
    reader = _Reader()
    reader.feed(body.decode(_charset(body, kind), errors="replace"))
    reader.close()
    return Document(
        pictures=reader.pictures,
        pages=reader.pages,
        sitemaps=reader.sitemaps,
        robots=reader.robots,
        base=reader.base,
        is_sitemap=reader.is_sitemap,
    )


def largest(srcset: str) -> str:
    """The address of the largest picture of a srcset; "" where there is none."""
    best, best_size = "", -1.0
    for found in _CANDIDATE.finditer(srcset[:20_000]):
        size = _number(found[2]) if found[2] else 1.0
        if size > best_size:
            best, best_size = found[1], size
    return best


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[Picture] = []
        self.pages: list[str] = []
        self.sitemaps: list[str] = []
        self.robots: list[str] = []
        self.base = ""
        self.is_sitemap = False
        self._is_index = False
        self._sources: list[str] = []
        self._in_picture = False
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        match tag:
            case "img":
                self._add_image(given)
            case "picture":
                self._in_picture, self._sources = True, []
            case "source" if self._in_picture:
                self._sources.append(_largest_of(given))
            case "meta":
                self._note_meta(given)
            case "link" if "image_src" in given.get("rel", "").split():
                self._add(given.get("href", ""))
            case "base":
                self.base = self.base or given.get("href", "")
            case "urlset" | "sitemapindex":
                self.is_sitemap, self._is_index = True, tag == "sitemapindex"
            case "loc" if self.is_sitemap:
                self._text = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "picture":
            self._in_picture, self._sources = False, []
        elif tag == "loc" and self._text is not None:
            address, self._text = "".join(self._text).strip(), None
            listed = self.sitemaps if self._is_index else self.pages
            if address and len(listed) < _MOST:
                listed.append(address)

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _add_image(self, given: Mapping[str, str]) -> None:
        """One picture for each img: the largest of what it, or the picture around it, offers."""
        later = next((given[name] for name in _LATER if given.get(name)), "")
        offered = [*self._sources, _largest_of(given), later, given.get("src", "")]
        self._add(next(filter(None, offered), ""), given.get("alt", ""))

    def _note_meta(self, given: Mapping[str, str]) -> None:
        name = (given.get("property") or given.get("name") or "").lower()
        if name in _PICTURE_METAS:
            self._add(given.get("content", ""))
        elif name in {"robots", "pixcrawler"}:
            self.robots.append(given.get("content", ""))

    def _add(self, url: str, title: str = "") -> None:
        # What a page draws itself has no address.
        if url.strip() and not url.lstrip().lower().startswith(("data:", "blob:")) and len(self.pictures) < _MOST:
            self.pictures.append(Picture(url.strip(), title))


def _largest_of(given: Mapping[str, str]) -> str:
    return next((found for name in _LATER_SETS if (found := largest(given.get(name, "")))), "")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _charset(body: bytes, kind: str) -> str:
    """The encoding that the answer or the page names, as far as Python knows it."""
    told = re.search(r"charset=[\"']?([\w.:-]+)", kind) or re.search(
        r"(?:charset|encoding)\s*=\s*[\"']?([\w.:-]+)", body[:2048].decode("ascii", "replace")
    )
    name = told[1] if told else "utf-8"
    try:
        codecs.lookup(name)
    except LookupError:
        return "utf-8"
    return name
