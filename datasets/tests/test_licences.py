"""What sources state of licences becomes a code of one table, and nothing is guessed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.licences import (
    ALL_RIGHTS_RESERVED,
    LICENCES,
    UNKNOWN,
    LicenceClass,
    Statement,
    codes_of,
    credit_line,
    licence_key,
    normalise,
    permits,
    spdx_id,
)


@pytest.mark.parametrize(
    ("stated", "version", "url", "code", "known_version"),
    [
        ("by", "4.0", "", "cc-by", "4.0"),
        ("CC0", "1.0", "https://creativecommons.org/publicdomain/zero/1.0/", "cc0", "1.0"),
        ("cc-by-sa-4.0", "", "https://creativecommons.org/licenses/by-sa/4.0", "cc-by-sa", "4.0"),
        ("CC BY-SA 3.0 de", "", "", "cc-by-sa", "3.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International", "", "", "cc-by-sa", "4.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivs 2.0 Generic", "", "", "cc-by-nc-nd", "2.0"),
        ("", "", "http://creativecommons.org/licenses/by-nc/2.0/deed.en", "cc-by-nc", "2.0"),
        ("", "", "https://creativecommons.org/publicdomain/mark/1.0/", "pdm", "1.0"),
        ("Public domain", "", "", "public-domain", ""),
        ("pd", "", "", "public-domain", ""),
        ("sampling+", "1.0", "", "sampling+", "1.0"),
        ("All Rights Reserved", "", "", ALL_RIGHTS_RESERVED, ""),
        ("", "", "https://unsplash.com/license", "unsplash", ""),
        ("GFDL", "1.2", "", "gfdl", "1.2"),
    ],
)
def test_what_is_said_is_understood(stated: str, version: str, url: str, code: str, known_version: str) -> None:
    statement = normalise(stated, version=version, url=url)
    assert (statement.code, statement.version) == (code, known_version)
    assert statement.url == url or not url


@pytest.mark.parametrize(
    ("stated", "version", "url"),
    [
        ("", "", ""),
        ("unknown", "", ""),
        ("free for personal use", "", ""),
        ("by-xx", "", ""),
        ("cc", "", ""),
        ("by", "9.0", ""),
        ("cc-by-4.0", "3.0", ""),
        ("by", "4.0", "https://creativecommons.org/licenses/by-nc/4.0/"),
        ("by", "4.0", "https://creativecommons.org/licenses/by/2.0/"),
        ("all rights reserved", "", "https://creativecommons.org/licenses/by/4.0/"),
        ("", "", "https://creativecommons.org.evil.example/licenses/by/4.0/"),
        ("", "", "https://evil.example/?https://creativecommons.org/licenses/by/4.0/"),
        ("", "", "https://creativecommons.org/licenses/by/7.0/"),
        ("not cc-by-4.0", "", ""),
        ("cc-by-4.0 or similar", "", ""),
    ],
)
def test_what_is_not_understood_or_contradicts_itself_stays_unknown(stated: str, version: str, url: str) -> None:
    assert normalise(stated, version=version, url=url) == Statement(code=UNKNOWN, version="", url=url)


def test_the_page_of_a_jurisdictions_text_is_that_text() -> None:
    assert normalise("cc-by-sa-3.0-de").url == "https://creativecommons.org/licenses/by-sa/3.0/de/"
    assert normalise("cc-by-sa-3.0").url == "https://creativecommons.org/licenses/by-sa/3.0/"
    assert normalise("cc-by-sa").url == ""


_words = st.one_of(st.text(max_size=40), st.sampled_from(["by", "cc by 4.0", "cc0", "public domain", "nc", "©", "4.0"]))
_urls = st.one_of(
    st.just(""),
    st.text(max_size=60),
    st.builds(
        "https://creativecommons.org/licenses/{}/{}/".format,
        st.sampled_from(["by", "by-sa", "by-nd-nc", "zz"]),
        st.sampled_from(["1.0", "2.0", "4.0", "5.0", ""]),
    ),
)


@given(stated=_words, version=st.one_of(st.just(""), _words), url=_urls)
def test_a_code_is_never_guessed(stated: str, version: str, url: str) -> None:
    """Whatever is stated: the code is known or `unknown`, its version is one there is, and is named somewhere."""
    statement = normalise(stated, version=version, url=url)
    assert statement.code in {*LICENCES, ALL_RIGHTS_RESERVED, UNKNOWN}
    if statement.version:
        assert statement.version in LICENCES[statement.code].versions
        assert statement.version.removesuffix(".0") in f"{stated} {version} {url}"
    if statement.code != UNKNOWN:
        assert (stated + url).strip()
        again = normalise(statement.code, version=statement.version)
        assert (again.code, again.version) == (statement.code, statement.version)


@given(noise=st.text(alphabet="abcxyz ", min_size=1, max_size=12), code=st.sampled_from([*LICENCES]))
def test_words_around_a_code_make_it_unknown(noise: str, code: str) -> None:
    stated = f"{noise.strip() or 'x'}x {code}"
    assert normalise(stated).code == UNKNOWN


@given(code=st.one_of(st.text(max_size=40), st.sampled_from([*LICENCES, "by", "CC BY-NC 2.0"])))
def test_an_unknown_licence_permits_nothing(code: str) -> None:
    is_known = licence_key(code) in LICENCES
    for wanted in LicenceClass:
        if not is_known:
            assert permits(code, wanted) is (wanted is LicenceClass.ANY)


def test_classes_have_the_licences_that_allow_it() -> None:
    assert set(codes_of(LicenceClass.PUBLIC_DOMAIN)) == {"cc0", "pdm", "public-domain", "us-gov"}
    assert "cc-by-nc" not in codes_of(LicenceClass.COMMERCIAL)
    assert "cc-by-nd" not in codes_of(LicenceClass.MODIFY)
    assert {"cc-by-nc-nd", "cc-by-nd"} < set(codes_of(LicenceClass.SHARE))
    assert "unsplash" not in codes_of(LicenceClass.SHARE)


@pytest.mark.parametrize(
    ("code", "version", "spdx"),
    [
        ("cc-by-sa", "4.0", "CC-BY-SA-4.0"),
        ("by", "2.0", "CC-BY-2.0"),
        ("cc-by", "", "CC-BY"),
        ("cc0", "", "CC0-1.0"),
        ("unknown", "", "NOASSERTION"),
        ("all-rights-reserved", "", "LicenseRef-all-rights-reserved"),
        ("pexels", "", "LicenseRef-Pexels"),
    ],
)
def test_spdx_has_a_word_for_it(code: str, version: str, spdx: str) -> None:
    assert spdx_id(code, version) == spdx
    assert re.fullmatch(r"[A-Za-z0-9.-]+", spdx)


def test_a_line_of_credit_says_what_is_known_and_no_more() -> None:
    by = Statement(code="cc-by", version="4.0")
    assert credit_line(title="Bark", creator="Zoë", statement=by) == "“Bark” by Zoë is licensed under CC BY 4.0."
    assert credit_line(title="", creator="Zoë", statement=Statement()) == "A picture by Zoë."
    assert credit_line(title="Bark", creator="", statement=Statement(code="cc0", version="1.0")) == (
        "“Bark” is marked with CC0 1.0."
    )
    assert credit_line(title="", creator="", statement=by) == ""
