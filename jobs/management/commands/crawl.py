"""manage.py crawl: submits a crawl, and waits for it when asked to."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from datasets.licences import LicenceClass
from jobs.crawl.filters import Colour, Orientation, PictureFormat
from jobs.crawl.list_file import lines_of_file
from jobs.crawl.url_list import UrlListError
from jobs.crawl_services import CrawlRequest, submit_crawl
from jobs.management.base import EXIT_ARGUMENTS
from jobs.management.submitting import EXIT_STATUS, SubmittingCommand
from jobs.spec import InvalidSpec, parse_filters
from jobs.uploads import GivenZip


def _text(value: str) -> str:
    """An argument that can be stored: a shell may pass bytes that are no text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("this is not text in UTF-8") from None
    return value


class Command(SubmittingCommand):
    help = "Starts a crawl into the dataset NAME, which is made if there is none."
    epilog = f"""
examples:
  manage.py crawl fish --keyword "tiger shark" --source openverse --per-label 100 --wait
  manage.py crawl birds --keyword "bird: robin, European robin" --source openverse --per-label 200
  manage.py crawl mine --source urls --urls-file list.csv --per-label 1000 --wait --json
  manage.py crawl pets --source folder --zip pets.zip --per-label 1000
{EXIT_STATUS}"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", type=_text, help="The dataset's name.")
        parser.add_argument(
            "--keyword",
            action="append",
            default=[],
            type=_text,
            metavar="LINE",
            help="A keyword, or “label: keyword, keyword” to keep several under one label. May be repeated.",
        )
        parser.add_argument(
            "--keywords-file", type=Path, metavar="F", help="A file with such a line per line; # starts a comment."
        )
        parser.add_argument(
            "--source",
            action="append",
            required=True,
            type=_text,
            metavar="S",
            help="Where to search, such as openverse; several with commas. docs/sources.md lists them.",
        )
        parser.add_argument(
            "--urls-file",
            type=Path,
            metavar="F",
            help="Image addresses for the source urls: one a line, CSV or TSV with a header, JSONL or Parquet, "
            "also packed by gzip (columns url, label, title, licence, page_url).",
        )
        parser.add_argument(
            "--zip",
            type=Path,
            metavar="F",
            help="A ZIP file of pictures for the source folder; its folders are the labels.",
        )
        parser.add_argument(
            "--per-label",
            type=int,
            required=True,
            metavar="N",
            help="Images to keep per label, over all its keywords and sources.",
        )
        parser.add_argument(
            "--min-size", default="64x64", type=_text, metavar="WxH", help="Least width and height in pixels (64x64)."
        )
        for flag, destination, kind, what in (
            ("--picture-format", "picture_format", PictureFormat, "Only pictures of this format"),
            ("--orientation", "orientation", Orientation, "Only pictures that lie so"),
            ("--colour", "colour", Colour, "Only pictures of this colour, where a source can tell"),
            ("--licence", "licence", LicenceClass, "Only pictures whose licence allows this"),
        ):
            known = ", ".join(kind)
            parser.add_argument(flag, dest=destination, default="", type=_text, metavar="X", help=f"{what}: {known}.")
        parser.add_argument("--no-safe-search", action="store_true", help="Also what sources mark as mature.")
        parser.add_argument("--after", default="", type=_text, metavar="DAY", help="First day, such as 2020-01-31.")
        parser.add_argument("--before", default="", type=_text, metavar="DAY", help="Last day.")
        parser.add_argument("--dry-run", action="store_true", help="Look what there is; download nothing.")
        self.add_following_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            with _opened(options["zip"]) as upload:
                job = submit_crawl(replace(_request(options), upload=upload), by=None)
        except InvalidSpec as error:
            raise CommandError(f"{error.field}: {error.message}", returncode=EXIT_ARGUMENTS) from None
        self.follow(job, options)


def _request(options: dict[str, Any]) -> CrawlRequest:
    """What the arguments ask for. Raises InvalidSpec."""
    keywords = list(options["keyword"])
    if options["keywords_file"]:
        keywords += _lines(options["keywords_file"], "keywords")
    return CrawlRequest(
        dataset=options["name"],
        keywords=tuple(keywords),
        sources=tuple(name.strip() for given in options["source"] for name in given.split(",") if name.strip()),
        per_label=options["per_label"],
        filters=parse_filters(
            min_size=options["min_size"],
            format=options["picture_format"],
            orientation=options["orientation"],
            colour=options["colour"],
            licence=options["licence"],
            safe_search=not options["no_safe_search"],
            after=options["after"],
            before=options["before"],
        ),
        url_list=_lines(options["urls_file"], "urls") if options["urls_file"] else None,
        dry_run=options["dry_run"],
    )


@contextmanager
def _opened(path: Path | None) -> Iterator[GivenZip | None]:
    """Raises InvalidSpec."""
    if path is None:
        yield None
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidSpec("zip", f"{path} cannot be read ({error}). Check its name and its permissions.") from None
    with file:
        yield GivenZip(file=file, name=path.name)


def _lines(file: Path, field: str) -> Iterator[str]:
    """The file's lines, one at a time: a list of addresses may be huge. Raises InvalidSpec."""
    try:
        with file.open("rb") as handle:
            yield from lines_of_file(handle)
    except OSError as error:
        raise InvalidSpec(field, f"{file} cannot be read ({error}). Check its name and its permissions.") from None
    except UrlListError as error:
        raise InvalidSpec(field, f"{file}: {error}") from None
