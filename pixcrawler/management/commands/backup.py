"""manage.py backup: database and files into a folder, while everything goes on."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from jobs.management.base import EXIT_FAILED, PixCrawlerCommand
from pixcrawler.backup.take import BackupError, BlobError, take


class Command(PixCrawlerCommand):
    help = "Backs the installation up into the folder DIR: the database as it is now, and the files that it names."
    epilog: ClassVar[str] = """
examples:
  manage.py backup /backups/pixcrawler
  manage.py backup /backups/pixcrawler --without-files

Run it as often as you like, while everything runs: a file is copied once, however many backups need it. DIR then holds
what has to be kept secret (password hashes, and the secret key where you set none): nobody but its owner may read it.
--without-files is for a bucket that keeps its own versions. docs/operations.md has the whole procedure.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder", metavar="DIR", type=Path, help="Where backups lie, best on another machine's disk."
        )
        parser.add_argument("--without-files", action="store_true", help="The database alone.")
        parser.add_argument("--json", action="store_true", help="Print what came of it as JSON.")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            taken = take(options["folder"].resolve(), with_files=not options["without_files"])
        except (BackupError, BlobError) as error:
            raise CommandError(str(error), returncode=EXIT_FAILED) from error
        if options["json"]:
            told = {"state": str(taken.state), "copied": taken.copied, "missing": taken.missing}
            self.stdout.write(json.dumps({**told, **asdict(taken.manifest)}))
            return
        self.stdout.write(
            f"{taken.state} holds the database, and {taken.manifest.files:,} files "
            f"({taken.manifest.size_bytes:,} bytes), of which {taken.copied:,} were new."
        )
        if taken.missing:
            self.stderr.write(
                f"{taken.missing:,} images have no file any more, so that no backup can have it. “manage.py validate” "
                "names them, “manage.py repair” fetches them again."
            )
