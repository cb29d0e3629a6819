"""ZIP files from people: what is taken of them, and which are refused before a byte is unpacked."""

import io
import os
import stat
import tempfile
import zipfile
import zlib
from itertools import product

import pytest

from jobs.crawl import archive
from jobs.crawl.archive import Archive, ArchiveError, PictureTooLarge
from jobs.tests.crawl.zips import by_method, encrypted, overlapping, packed, with_special, without_utf_8_mark


def opened(body: bytes) -> Archive:
    return Archive(io.BytesIO(body))


def folders(body: bytes) -> list[tuple[str, str]]:
    return [(entry.folder, entry.name) for entry in opened(body).pictures]


def test_the_outermost_folder_is_told_of_every_picture() -> None:
    body = packed({"robin/": b"", "robin/1.jpg": b"1", "robin/young/2.PNG": b"2", "3.webp": b"3"})

    assert folders(body) == [("robin", "robin/1.jpg"), ("robin", "robin/young/2.PNG"), ("", "3.webp")]
    found = opened(body)
    assert [found.read(entry.number) for entry in found.pictures] == [b"1", b"2", b"3"]


def test_names_that_lead_elsewhere_are_names_and_no_more() -> None:
    names = ["../../etc/evil.jpg", "/root/x.jpg", "..\\..\\windows\\y.jpg", "C:\\z.jpg", "../up.jpg", "a/../b/c.jpg"]

    assert [folder for folder, _ in folders(packed(dict.fromkeys(names, b"")))] == [
        "etc", "root", "windows", "C:", "", "a"
    ]  # fmt: skip


def test_two_entries_of_one_name_are_two() -> None:
    found = opened(packed([("a/1.jpg", b"first"), ("a/1.jpg", b"second")]))

    assert [found.read(entry.number) for entry in found.pictures] == [b"first", b"second"]


def test_names_in_other_scripts_are_read_whether_the_archive_says_utf_8_or_not() -> None:
    body = packed({"rødhals/größe.jpg": b"1", "ツバメ/鳥.png": b"2"})
    unmarked = without_utf_8_mark(body)

    assert unmarked != body
    assert folders(body) == folders(unmarked) == [("rødhals", "rødhals/größe.jpg"), ("ツバメ", "ツバメ/鳥.png")]
    found = opened(unmarked)
    assert [found.read(entry.number) for entry in found.pictures] == [b"1", b"2"]


def test_what_would_turn_the_text_of_a_page_around_is_taken_out_of_names() -> None:
    assert folders(packed({"ro\u202ebin/\u202egpj.\x01x.jpg": b""})) == [("robin", "robin/gpj.x.jpg")]


def test_links_hidden_files_and_what_is_named_otherwise_are_passed_over_and_counted() -> None:
    names = ["1.jpg", ".x.jpg", "__MACOSX/._1.jpg", "a/.b/2.jpg", "notes.txt", "a/"]
    body = packed(dict.fromkeys(names, b""))
    for number, kind in enumerate((stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK)):
        body = with_special(body, f"special{number}.jpg", kind)
    found = opened(body)

    assert [entry.name for entry in found.pictures] == ["1.jpg"]
    assert found.passed_over == {
        "hidden files": 3, "files not named like a picture": 1, "links and special files": 3
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "cannot be read as a ZIP file"),
        (b"\xff\xd8\xff a picture, renamed", "cannot be read as a ZIP file"),
        (packed({"1.jpg": b"x" * 500})[:300], "cut off on its way"),
        (packed({"1.jpg": b"x" * 500})[300:], "Pack the pictures again"),
        (b"PK\x05\x06" + b"\xff" * 18, "cannot be read as a ZIP file"),
        (encrypted(packed({"1.jpg": b"x"})), "is encrypted, and its password is not known here. Pack it without one."),
        (by_method(packed({"1.jpg": b"x"}), 14), "unusual method. Pack it again with"),
        (by_method(packed({"1.jpg": b"x"}), 9), "unusual method"),
        (packed({f"{n}.jpg": bytes(1_000_000) for n in range(3)}, method=zipfile.ZIP_DEFLATED), "200 times its size"),
        (overlapping(packed({"1.jpg": os.urandom(5_000)}), 1_000), "longer together than it is itself"),
    ],
    ids=["empty", "no-zip", "cut", "beginning-lost", "absurd-end", "password", "lzma", "deflate64", "bomb", "overlap"],
)
def test_a_hostile_or_broken_archive_is_refused_with_what_to_do(body: bytes, told: str) -> None:
    with pytest.raises(ArchiveError, match=told):
        opened(body)


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 10)
    with pytest.raises(ArchiveError, match=r"more than 10 files\. Split it"):
        opened(packed({f"{n}.jpg": b"" for n in range(11)}))


def test_a_list_of_files_that_would_fill_the_memory_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = packed({f"{n:0200}.jpg": b"" for n in range(400)})
    monkeypatch.setattr(archive, "_MAX_LIST_BYTES", 70_000)
    with pytest.raises(ArchiveError, match="more than 50,000 files"):
        opened(body)


def test_every_cut_and_every_flipped_byte_is_read_or_refused() -> None:
    body = packed({"a/1.jpg": b"one" * 9, "2.jpg": b"two" * 9}, method=zipfile.ZIP_DEFLATED)
    changed = [body[:end] for end in range(len(body))]
    for place, bits in product(range(len(body)), (1, 0x80, 0xFF)):
        changed.append(body[:place] + bytes((body[place] ^ bits,)) + body[place + 1 :])
    refused = 0
    for one in changed:
        with tempfile.TemporaryFile() as file:
            file.write(one)
            try:
                found = Archive(file)
                for entry in found.pictures:
                    found.read(entry.number)
            except ArchiveError:
                refused += 1
    assert len(body) < refused < len(changed)


def test_a_damaged_picture_costs_itself_alone() -> None:
    body = packed({"1.jpg": b"first" * 50, "2.jpg": b"second" * 50})
    found = opened(body.replace(b"firstfirst", b"firstFIRST", 1))

    with pytest.raises(ArchiveError, match="cannot be read"):
        found.read(0)
    assert found.read(1) == b"second" * 50
    with pytest.raises(ArchiveError):
        found.read(2)


def test_no_more_of_a_picture_is_unpacked_than_one_may_have() -> None:
    body = packed({"0.jpg": bytes(30 * 1024 * 1024), "1.jpg": os.urandom(400_000)}, method=zipfile.ZIP_DEFLATED)

    with pytest.raises(PictureTooLarge, match="larger than 20 MiB"):
        opened(body).read(0)


def test_a_picture_that_lies_about_its_size_gives_no_more_than_it_says() -> None:
    body = packed({"0.jpg": bytes(90_000), "1.jpg": os.urandom(4_000)}, method=zipfile.ZIP_DEFLATED)
    place = body.index(b"PK\x01\x02")
    lying = body[: place + 24] + (10).to_bytes(4, "little") + body[place + 28 :]
    assert zlib.crc32(bytes(90_000)) != zlib.crc32(bytes(10))

    with pytest.raises(ArchiveError, match="cannot be read"):
        opened(lying).read(0)
