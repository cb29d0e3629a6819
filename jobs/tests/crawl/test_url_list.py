"""Lists of image addresses in every form that people bring."""

from collections.abc import Iterator, Sequence

import pytest

from datasets.outcomes import Reason
from jobs.crawl.sources.urls import UrlListSource
from jobs.crawl.types import Cursor, Query
from jobs.crawl.url_list import ListedUrl, UrlListError, parse_url_list
from jobs.tests.crawl.fetching import code, fetch_one, fetcher_for

A, B, C = (f"http://example.org/{name}.jpg" for name in "abc")


def parse(text: str, format: str = "auto") -> list[ListedUrl]:
    return list(parse_url_list(text.splitlines(keepends=True), format=format, default_label="birds"))


def urls(text: str, format: str = "auto") -> list[str]:
    return [line.url for line in parse(text, format)]


def test_text_is_one_address_a_line() -> None:
    listed = parse(f"\ufeff\n# from my notes\n{A}\n\n   {B}  \r\n# the last one\n{C}")
    assert [line.url for line in listed] == [A, B, C]
    assert {line.label for line in listed} == {"birds"}


def test_csv_has_a_header() -> None:
    text = f'Title,URL,Label,Licence,page_url,extra\n"A, b",{A},owl,by 4.0,https://example.org/page,1\n,{B},,,,\n\n'
    assert parse(text) == [
        ListedUrl(url=A, label="owl", title="A, b", licence="by 4.0", page_url="https://example.org/page"),
        ListedUrl(url=B, label="birds"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_may_be_separated_as_spreadsheets_do(delimiter: str) -> None:
    text = f'"label"{delimiter}"url"\nowl{delimiter}{A}\n'
    assert parse(text) == [ListedUrl(url=A, label="owl")]


def test_jsonl_is_one_object_a_line() -> None:
    text = f'{{"url": "{A}", "label": "owl", "title": "Ä", "license": "cc0"}}\n\n{{"url": "{B}", "label": null}}\n'
    assert parse(text) == [
        ListedUrl(url=A, label="owl", title="Ä", licence="cc0"),
        ListedUrl(url=B, label="birds"),
    ]


def test_a_format_that_is_named_is_not_guessed() -> None:
    assert urls("url,label\n", "text") == ["url,label"]
    assert urls(f"url\n{A}\n", "csv") == [A]


def test_a_list_without_lines_is_empty() -> None:
    for format_name in ("auto", "text", "csv", "jsonl"):
        assert parse("\n# nothing\n\n", format_name) == []


@pytest.mark.parametrize(
    ("text", "format_name", "line", "advice"),
    [
        ("link,label\nx,y\n", "csv", "Line 1", "no column url"),
        (f"\n# mine\nurl,label\n{A},owl\n,owl\n", "auto", "Line 5", "Write one there"),
        (f'url\n{A}\n"unclosed\n', "auto", "Line 3", "Mend the line"),
        (f'{{"url": "{A}"}}\nnot json\n', "auto", "Line 2", "JSON object such as"),
        (f'{{"url": "{A}"}}\n[1]\n', "auto", "Line 2", "JSON object such as"),
        ('{"label": "owl"}\n', "auto", "Line 1", "no address in its column url"),
        (f"{A}\n" + "x" * 70_000, "auto", "Line 2", "one address a line"),
        ("[" * 60_000, "jsonl", "Line 1", "JSON object such as"),
    ],
)
def test_a_list_that_cannot_be_read_says_where_and_what_to_do(
    text: str, format_name: str, line: str, advice: str
) -> None:
    with pytest.raises(UrlListError) as caught:
        parse(text, format_name)
    assert f"{line} " in str(caught.value).replace(",", " ")
    assert advice in str(caught.value)
    assert str(caught.value).endswith(".")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UrlListError, match=r"xml.*auto, text, csv, jsonl"):
        parse(A, "xml")


def test_a_bad_address_is_no_error_of_the_list_but_of_the_address() -> None:
    text = f'{A}\nnonsense\nftp://example.org/a\n<a href="x">\n' + "http://example.org/" + "a" * 9_000
    listed = urls(text)
    assert len(listed) == 5
    reasons = [code(fetch_one(fetcher_for(), url)) for url in listed[1:]]
    assert reasons == [Reason.INVALID_URL, Reason.BLOCKED_SCHEME, Reason.INVALID_URL, Reason.INVALID_URL]


def test_every_listed_text_can_be_stored() -> None:
    text = (
        '{"url": "http://a/\\u0000\\ud800", "label": "o\\u0000wl\\udc00", "page_url": "javascript:1", "title": ["x"]}'
    )
    assert parse(text) == [ListedUrl(url="http://a/\ufffd\ufffd", label="owl")]


def test_the_list_is_never_held_as_a_whole() -> None:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for number in range(1_000_000):
            read += 1
            yield f"http://example.org/{number}.jpg\n"

    listed = parse_url_list(lines(), default_label="birds")
    assert [next(listed).url for _ in range(3)][-1] == "http://example.org/2.jpg"
    assert read <= 4


def test_the_source_goes_through_the_list_a_window_at_a_time() -> None:
    stored = [ListedUrl(url=f"http://example.org/{number}", label="owl", title=f"t{number}") for number in range(25)]

    def read_window(label: str, start: int, count: int) -> Sequence[ListedUrl]:
        return [line for line in stored if line.label == label][start : start + count]

    source = UrlListSource(read_window, page_size=10)
    query = Query(keyword="owl", label="owl")
    cursor: Cursor | None = None
    seen: list[tuple[str, str, int]] = []
    pages = 0
    while pages == 0 or cursor is not None:
        page = source.page(query, cursor)
        seen += [(candidate.url, candidate.title, candidate.rank) for candidate in page.candidates]
        cursor = page.next_cursor
        pages += 1
    assert seen == [(line.url, line.title, number) for number, line in enumerate(stored)]
    assert pages == 3


def test_a_list_that_fills_its_window_has_no_empty_page_behind_it() -> None:
    lines = [ListedUrl(url=A, label="owl"), ListedUrl(url=B, label="owl", licence="by", page_url=C)]
    source = UrlListSource(lambda _label, start, count: lines[start : start + count], page_size=2)
    page = source.page(Query(keyword="owl", label="owl"), None)
    assert page.next_cursor is None
    assert [(candidate.licence_code, candidate.page_url) for candidate in page.candidates] == [
        ("unknown", ""),
        ("cc-by", C),
    ]
