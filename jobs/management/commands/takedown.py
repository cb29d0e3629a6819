"""manage.py takedown: what is left out for good."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from datasets.counting import number_of
from datasets.takedown_models import Takedown, TakedownKind
from jobs import takedowns
from jobs.management.base import EXIT_ARGUMENTS, PixCrawlerCommand
from jobs.takedowns import DEFAULT_DISTANCE_BITS, MAX_DISTANCE_BITS, Entry, InvalidTakedown

_SHOWN = 50


class Command(PixCrawlerCommand):
    help = "Leaves out addresses, sites and pictures for good, and removes them from every dataset."
    epilog = """
kinds:
  url     one address                     https://example.org/a.jpg
  prefix  every address below one         https://example.org/users/ann
  host    a host and all below it         example.org
  sha256  a picture by its bytes          64 hexadecimal digits, as the image's page shows them
  near    pictures that look like one     the pHash: 16 hexadecimal digits, as the image's page shows them

examples:
  manage.py takedown add url https://example.org/a.jpg --why "Ann Example, by mail of 3 May"
  manage.py takedown add host example.org example.net --why "The sites' owner"
  manage.py takedown add near ffd8a1b2c3d4e5f6 --distance 8 --why "The photographer"
  manage.py takedown add url --file addresses.txt --why "List of 3 May"
  manage.py takedown list
  manage.py takedown remove 17
"""

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="add | list | remove")
        add = verbs.add_parser("add", help="Puts something on the list and removes it everywhere.")
        add.add_argument("kind", choices=TakedownKind.values, help="What is named.")
        add.add_argument("values", nargs="*", metavar="VALUE", help="An address, a host or a hash.")
        add.add_argument("--file", type=Path, metavar="F", help="A file with a value per line; # starts a comment.")
        add.add_argument("--why", required=True, help="Who asked for it, and for what reason.")
        add.add_argument(
            "--distance",
            type=int,
            metavar="BITS",
            help=f"For near: bits of 64 that may differ, 0 to {MAX_DISTANCE_BITS} ({DEFAULT_DISTANCE_BITS}).",
        )
        shown = verbs.add_parser("list", help="Shows what is on the list, and what it removed.")
        shown.add_argument("--json", action="store_true", help="Every entry, a line of JSON each.")
        remove = verbs.add_parser("remove", help="Takes an entry off the list: its pictures may come again.")
        remove.add_argument("entry", type=int, metavar="ENTRY", help="Its number; “manage.py takedown list” shows it.")

    def handle(self, *_args: Any, **options: Any) -> None:
        match options["verb"]:
            case "add":
                self._add(options)
            case "list":
                self._list(as_json=options["json"])
            case _:
                self._remove(options["entry"])

    def _add(self, options: dict[str, Any]) -> None:
        try:
            report = takedowns.add(_entries(options), why=options["why"], by=None)
        except InvalidTakedown as error:
            raise CommandError(str(error), returncode=EXIT_ARGUMENTS) from None
        self.stdout.write(
            f"{len(report.entries):,} on the list. Removed from datasets: {number_of(report.removed_images, 'image')}."
        )
        if report.files_left:
            self.stderr.write(
                f"The files of {number_of(report.files_left, 'picture')} could not be deleted: the media store is in "
                "trouble (the log says which). No page shows them any more; delete them when it is well again."
            )

    def _list(self, *, as_json: bool) -> None:
        entries = Takedown.objects.select_related("created_by")
        if as_json:
            for entry in entries.iterator():
                self.stdout.write(json.dumps(_as_json(entry), ensure_ascii=False))
            return
        own = entries.filter(parent__isnull=True)
        for entry in own[:_SHOWN]:
            by = entry.created_by or "command line"
            removed = number_of(entry.removed_images, "image")
            self.stdout.write(
                f"{entry.pk:>6}  {entry.kind:<6}  {entry.value}\n"
                f"        {entry.created_at:%Y-%m-%d} by {by}, {removed} removed: {entry.why}"
            )
        total = own.count()
        if total > _SHOWN:
            self.stdout.write(f"The {_SHOWN} newest of {total:,}; --json shows all.")
        if not total:
            self.stdout.write("Nothing is left out. “manage.py takedown --help” shows how.")

    def _remove(self, pk: int) -> None:
        entry = Takedown.objects.filter(pk=pk).first()
        if entry is None:
            raise CommandError(
                f"There is no entry {pk}. “manage.py takedown list” shows them.", returncode=EXIT_ARGUMENTS
            )
        takedowns.lift(entry)
        self.stdout.write(f"{entry.kind} {entry.value} is off the list. What it removed may come with the next crawl.")


def _entries(options: dict[str, Any]) -> Iterator[Entry]:
    """Raises InvalidTakedown."""
    texts = [*options["values"], *(_lines(options["file"]) if options["file"] else ())]
    if not texts:
        raise InvalidTakedown("Name at least one value, or a --file of them.")
    for text in texts:
        yield takedowns.parse(options["kind"], text, distance_bits=options["distance"])


def _lines(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidTakedown(f"{file} cannot be read ({error}). It has to be a text file in UTF-8.") from None
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _as_json(entry: Takedown) -> dict[str, Any]:
    return {
        "entry": entry.pk,
        "kind": entry.kind,
        "value": entry.value,
        "distance_bits": entry.distance_bits,
        "why": entry.why,
        "removed_by_entry": entry.parent_id,
        "by": str(entry.created_by) if entry.created_by else None,
        "at": entry.created_at.isoformat(),
        "removed_images": entry.removed_images,
    }
