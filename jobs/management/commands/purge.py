"""manage.py purge: removes for good what ended long ago."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import timedelta
from typing import Any, ClassVar

from django.core.management.base import CommandError

from datasets.blobs import BlobError
from jobs import purge
from jobs.management.base import EXIT_ARGUMENTS, EXIT_FAILED, PixCrawlerCommand
from jobs.services import Refused


class Command(PixCrawlerCommand):
    help = "Removes jobs that ended at least DAYS days ago, or only their findings, or only the files of old exports."
    epilog: ClassVar[str] = """
examples:
  manage.py purge --older-than 90 --dry-run
  manage.py purge --older-than 30 --only exports
  manage.py purge --older-than 180 --only findings --only exports

Without --only the jobs go with all their rows and files. Images, datasets and versions always stay: a version can be
exported again, byte for byte. Of a job whose findings are gone the counters stay.
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=int, required=True, metavar="DAYS", help="Ended so long ago.")
        parser.add_argument("--only", action="append", choices=["exports", "findings"], help="May be given twice.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would go.")
        parser.add_argument("--json", action="store_true", help="Print the numbers as JSON.")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["older_than"] < 0:
            raise CommandError("--older-than takes a number of days, 0 or more.", returncode=EXIT_ARGUMENTS)
        purged = purge.Purged()
        try:
            for kind in options["only"] or ["jobs"]:
                remove = purge.KINDS[kind]
                purged += remove(timedelta(days=options["older_than"]), by=None, dry_run=options["dry_run"])
        except (BlobError, Refused) as error:
            raise CommandError(str(error), returncode=EXIT_FAILED) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(purged)))
            return
        verb = "Would remove" if options["dry_run"] else "Removed"
        self.stdout.write(
            f"{verb} {purged.jobs:,} jobs, {purged.findings:,} findings and the files of {purged.exports:,} exports, "
            f"{purged.size_bytes:,} bytes."
        )
