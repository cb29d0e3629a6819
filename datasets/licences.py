"""The licences that are known: one table, and how what a source states becomes a code of it.

Codes are those of SPDX without the version, in lower case (`cc-by-sa`; `spdx_id` gives `CC-BY-SA-4.0`). A statement
that is not understood, or contradicts itself, is `unknown`: nothing is guessed. Plain Python, for crawl and exports.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

UNKNOWN: Final = "unknown"

#: Somebody says that nobody may use it: a statement that is understood, and no licence.
ALL_RIGHTS_RESERVED: Final = "all-rights-reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """What a licence lets people do with a picture. `name` is what people call it.

    `passing_on`: whether copies may be passed on. `pages` is the address of its text, with {version} where it has
    several; "" where there is none.
    """

    name: str
    spdx: str
    page: str = ""
    versions: tuple[str, ...] = ()
    passing_on: bool = True
    commercial: bool = True
    changes: bool = True
    attribution: bool = True
    is_public_domain: bool = False

    def url(self, version: str) -> str:
        """The licence's own page, or "" where the version is not known."""
        if "{version}" not in self.page:
            return self.page
        version = version or (self.versions[0] if len(self.versions) == 1 else "")
        return self.page.format(version=version) if version else ""


class LicenceClass(StrEnum):
    """What people want to do with the pictures; a class has every licence that allows it."""

    ANY = "any"
    SHARE = "share"
    COMMERCIAL = "commercial"
    MODIFY = "modify"
    PUBLIC_DOMAIN = "public_domain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Under which licence a picture is, as far as that was said. `url` is the licence's page, or the one given."""

    code: str = UNKNOWN
    version: str = ""
    url: str = ""


_CC_VERSIONS = ("1.0", "2.0", "2.1", "2.5", "3.0", "4.0")
_CC = "https://creativecommons.org"


def _creative_commons(terms: str) -> Licence:
    return Licence(
        name=f"CC {terms.upper()}",
        spdx=f"CC-{terms.upper()}",
        page=f"{_CC}/licenses/{terms}/{{version}}/",
        versions=_CC_VERSIONS,
        commercial="nc" not in terms.split("-"),
        changes="nd" not in terms.split("-"),
    )


LICENCES: Final[Mapping[str, Licence]] = {
    **{f"cc-{terms}": _creative_commons(terms) for terms in ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")},
    "cc0": Licence(
        name="CC0",
        spdx="CC0",
        page=f"{_CC}/publicdomain/zero/{{version}}/",
        versions=("1.0",),
        attribution=False,
        is_public_domain=True,
    ),
    "pdm": Licence(
        name="Public Domain Mark",
        spdx="CC-PDM",
        page=f"{_CC}/publicdomain/mark/{{version}}/",
        versions=("1.0",),
        attribution=False,
        is_public_domain=True,
    ),
    "public-domain": Licence(
        name="Public domain", spdx="LicenseRef-public-domain", attribution=False, is_public_domain=True
    ),
    "us-gov": Licence(
        name="United States Government Work",
        spdx="LicenseRef-us-gov",
        page="https://www.usa.gov/government-copyright",
        attribution=False,
        is_public_domain=True,
    ),
    "no-known-copyright": Licence(
        name="No known copyright restrictions",
        spdx="LicenseRef-no-known-copyright",
        page="https://rightsstatements.org/vocab/NKC/1.0/",
        attribution=False,
    ),
    "sampling+": Licence(
        name="CC Sampling Plus",
        spdx="LicenseRef-CC-sampling-plus",
        page=f"{_CC}/licenses/sampling+/{{version}}/",
        versions=("1.0",),
        commercial=False,
    ),
    "nc-sampling+": Licence(
        name="CC NC Sampling Plus",
        spdx="LicenseRef-CC-nc-sampling-plus",
        page=f"{_CC}/licenses/nc-sampling+/{{version}}/",
        versions=("1.0",),
        commercial=False,
    ),
    "gfdl": Licence(
        name="GNU Free Documentation License",
        spdx="GFDL",
        page="https://www.gnu.org/licenses/old-licenses/fdl-{version}.html",
        versions=("1.1", "1.2", "1.3"),
    ),
    "lal": Licence(name="Free Art License", spdx="LAL", page="https://artlibre.org/licence/lal/en/", versions=("1.3",)),
    "unsplash": Licence(
        name="Unsplash License",
        spdx="LicenseRef-Unsplash",
        page="https://unsplash.com/license",
        passing_on=False,
        attribution=False,
    ),
    "pexels": Licence(
        name="Pexels License",
        spdx="LicenseRef-Pexels",
        page="https://www.pexels.com/license/",
        passing_on=False,
        attribution=False,
    ),
    "pixabay": Licence(
        name="Pixabay Content License",
        spdx="LicenseRef-Pixabay",
        page="https://pixabay.com/service/license-summary/",
        passing_on=False,
        attribution=False,
    ),
}

#: What people write instead of a code, once lower case, with hyphens, and without "creative commons" and a version.
_ALIASES: Final = {
    **{code.removeprefix("cc-"): code for code in LICENCES if code.startswith("cc-")},
    **{code: code for code in LICENCES},
    "cc-0": "cc0",
    "cc-zero": "cc0",
    "zero": "cc0",
    "0": "cc0",
    "cc-pdm": "pdm",
    "public-domain-mark": "pdm",
    "pd": "public-domain",
    "publicdomain": "public-domain",
    "cc-sampling+": "sampling+",
    "cc-nc-sampling+": "nc-sampling+",
    "gnu-free-documentation-license": "gfdl",
    "fal": "lal",
    "free-art-license": "lal",
    "unsplash-license": "unsplash",
    "pexels-license": "pexels",
    "pixabay-license": "pixabay",
    "pixabay-content-license": "pixabay",
    "no-known-copyright-restrictions": "no-known-copyright",
    "united-states-government-work": "us-gov",
    ALL_RIGHTS_RESERVED: ALL_RIGHTS_RESERVED,
}

#: The terms of Creative Commons, written out.
_WRITTEN_OUT: Final = (
    ("attribution", "by"),
    ("non-commercial", "nc"),
    ("noncommercial", "nc"),
    ("share-alike", "sa"),
    ("sharealike", "sa"),
    ("no-derivatives", "nd"),
    ("noderivatives", "nd"),
    ("no-derivs", "nd"),
    ("noderivs", "nd"),
)

#: A version at the end, and the jurisdiction that may follow it.
_VERSION = re.compile(r"-v?(\d(?:\.\d)?)(?:-(?:international|unported|generic|universal|([a-z]{2}|igo|scotland)))?$")
_URL = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z+-]+)/(\d\.\d)"
    r"(?:/[a-z]{2,8})?(?:/(?:deed|legalcode)[a-z._-]*)?/?",
    re.I,
)
_PUBLIC_DOMAIN_URLS: Final = {"zero": "cc0", "mark": "pdm"}


def normalise(stated: str = "", *, version: str = "", url: str = "") -> Statement:
    """What a source states of a licence (a code, or a text), its version and its address, as a code of the table.

    Two parts that contradict each other give `unknown`; so does what is not understood. An address that was given is
    kept all the same: it tells people where to read on.
    """
    by_text, by_url = _of_text(stated, version.strip()), _of_url(url)
    if by_text and by_url and not _agree(by_text, by_url):
        return Statement(url=url)
    code = (by_text or by_url or ("", ""))[0]
    if not code:
        return Statement(url=url)
    known_version = (by_text[1] if by_text else "") or (by_url[1] if by_url else "")
    return Statement(code=code, version=known_version, url=url or _page_of(code, known_version, stated))


def known_licence(code: str) -> Licence | None:
    """The licence of a code such as "cc-by-sa", "by-sa", "cc-by-4.0" or "CC BY-NC 2.0"; None where it is not known."""
    return LICENCES.get(licence_key(code))


def licence_key(code: str) -> str:
    """The code as LICENCES has it, where it is known; else the code in lower case."""
    found = _of_text(code, "")
    return found[0] if found else code.strip().lower()


def licence_name(code: str, version: str) -> str:
    """What people call the licence, with its version: "CC BY-SA 4.0"; the code itself where it is not known."""
    licence = known_licence(code)
    if licence is None:
        return "unknown licence" if code in {"", UNKNOWN} else code
    return f"{licence.name} {version}".strip()


def licence_url(code: str, version: str) -> str:
    """The page of a known licence, or ""."""
    licence = known_licence(code)
    return licence.url(version) if licence else ""


def spdx_id(code: str, version: str) -> str:
    """The identifier of SPDX where it has one ("CC-BY-SA-4.0"), else one of its form; NOASSERTION for unknown."""
    if licence_key(code) == ALL_RIGHTS_RESERVED:
        return "LicenseRef-all-rights-reserved"
    licence = known_licence(code)
    if licence is None:
        return "NOASSERTION"
    version = version or (licence.versions[0] if len(licence.versions) == 1 else "")
    return f"{licence.spdx}-{version}" if version and licence.versions else licence.spdx


def permits(code: str, wanted: LicenceClass) -> bool:
    """Whether a picture of that licence may be used so. An unknown licence permits nothing but `any`."""
    if wanted is LicenceClass.ANY:
        return True
    licence = known_licence(code)
    if licence is None or not licence.passing_on:
        return False
    match wanted:
        case LicenceClass.COMMERCIAL:
            return licence.commercial
        case LicenceClass.MODIFY:
            return licence.changes
        case LicenceClass.PUBLIC_DOMAIN:
            return licence.is_public_domain
    return True


def codes_of(wanted: LicenceClass) -> tuple[str, ...]:
    """The codes that a class has, in the table's order."""
    return tuple(code for code in LICENCES if permits(code, wanted))


def credit_line(*, title: str, creator: str, statement: Statement) -> str:
    """Whom to credit, in a sentence made of what is known; "" where neither title nor creator is."""
    if not (title or creator):
        return ""
    work = f"“{title}”" if title else "A picture"
    by = f" by {creator}" if creator else ""
    licence = known_licence(statement.code)
    if licence is None:
        return f"{work}{by}."
    verb = "is licensed under" if licence.attribution else "is marked with"
    return f"{work}{by} {verb} {licence_name(statement.code, statement.version)}."


def _of_text(stated: str, version: str) -> tuple[str, str] | None:
    """(code, version or "") of what is written; None for what is not understood, or has a version there never was."""
    text = re.sub(r"^creative-commons-(?=.)", "cc-", _joined(stated))
    written = ""
    if found := _VERSION.search(text):
        text, written = text[: found.start()], _long(found[1])
    for word, term in _WRITTEN_OUT:
        text = text.replace(word, term)
    code = _ALIASES.get(text)
    given = _long(version)
    if code is None or (written and given and written != given):
        return None
    known = written or given
    versions = LICENCES[code].versions if code in LICENCES else ()
    if known and versions and known not in versions:
        return None
    return code, known if versions else ""


def _page_of(code: str, version: str, stated: str) -> str:
    """The licence's page; where the statement names a jurisdiction, the page of its text."""
    page = licence_url(code, version)
    found = _VERSION.search(_joined(stated))
    return f"{page}{found[2]}/" if found and found[2] and page.startswith(_CC) else page


def _joined(stated: str) -> str:
    """Lower case, with a hyphen wherever words are set apart."""
    return re.sub(r"[\s_-]+", "-", stated.strip().lower().replace("/", "-"))


def _long(version: str) -> str:
    return f"{version}.0" if version.isdigit() else version


def _of_url(url: str) -> tuple[str, str] | None:
    found = _URL.fullmatch(url.strip())
    if found:
        kind, name, version = found[1].lower(), found[2].lower(), found[3]
        code = _PUBLIC_DOMAIN_URLS.get(name) if kind == "publicdomain" else _ALIASES.get(name)
        if code is None or version not in LICENCES[code].versions:
            return None
        return code, version
    page = url.strip().rstrip("/")
    return next(
        ((code, "") for code, one in LICENCES.items() if one.page and one.page.rstrip("/") == page),
        None,
    )


def _agree(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one[0] == other[0] and (one[1] == other[1] or not one[1] or not other[1])
