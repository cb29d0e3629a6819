"""Lists of addresses as files: plain, packed, and as tables."""

import gzip
import io
from collections.abc import Callable

import pyarrow
import pyarrow.parquet
import pytest

from jobs.crawl.list_file import lines_of_file
from jobs.crawl.url_list import ListedUrl, UrlListError, parse_url_list

TEXT = b"url\tlabel\nhttps://a.example/1.jpg\trobin\nhttps://a.example/2.jpg\twren\n"


def table(**columns: list[object]) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def parsed(body: bytes) -> list[ListedUrl]:
    return list(parse_url_list(lines_of_file(io.BytesIO(body)), default_label="bird"))


@pytest.mark.parametrize("pack", [lambda body: body, gzip.compress, lambda body: b"\xef\xbb\xbf" + body])
def test_text_may_be_packed_and_have_a_mark(pack: Callable[[bytes], bytes]) -> None:
    assert [(one.url, one.label) for one in parsed(pack(TEXT))] == [
        ("https://a.example/1.jpg", "robin"),
        ("https://a.example/2.jpg", "wren"),
    ]


def test_a_parquet_table_is_read_by_its_columns_whatever_their_case_and_order() -> None:
    body = table(
        caption=["A robin", None],
        width=[100, 200],
        URL=["https://a.example/1.jpg", "https://a.example/2.jpg"],
        license=["cc0", "by"],
    )
    first, second = parsed(body)
    assert (first.url, first.title, first.licence, first.label) == ("https://a.example/1.jpg", "A robin", "cc0", "bird")
    assert (second.title, second.licence) == ("", "by")


def test_a_table_is_read_a_part_at_a_time() -> None:
    body = table(url=[f"https://a.example/{number}.jpg" for number in range(5_000)])
    assert [one.url for one in parsed(body)][-1] == "https://a.example/4999.jpg"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (gzip.compress(TEXT, mtime=0)[:30], "cannot be read"),
        (b"PAR1 and no more", "cannot be read"),
        (table(address=["https://a.example/"]), "no column url"),
        ("https://a.example/ä.jpg".encode("latin-1"), "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(body: bytes, said: str) -> None:
    with pytest.raises(UrlListError, match=said):
        parsed(body)
