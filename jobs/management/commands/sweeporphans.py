"""manage.py sweeporphans: removes the files that no dataset names, all at once instead of bit by bit."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, ClassVar

from django.core.management.base import CommandError

from datasets import blobs, orphans
from jobs.management.base import EXIT_FAILED, PixCrawlerCommand


class Command(PixCrawlerCommand):
    help = (
        "Removes files from the media store that no image of any dataset names and that are older than "
        "PIXCRAWLER_ORPHAN_GRACE_S. The scheduler does the same by itself, a part at a time."
    )
    epilog: ClassVar[str] = "Examples:\n  manage.py sweeporphans --dry-run\n  manage.py sweeporphans --json"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be removed.")
        parser.add_argument("--json", action="store_true", help="Print the numbers as JSON.")

    def handle(self, *_args: Any, **options: Any) -> None:
        swept = orphans.SweptFiles()
        try:
            for prefix in orphans.PREFIXES:
                swept += orphans.sweep_prefix(prefix, dry_run=options["dry_run"])
        except blobs.BlobError as error:
            raise CommandError(str(error), returncode=EXIT_FAILED) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(swept)))
            return
        verb = "Would remove" if options["dry_run"] else "Removed"
        self.stdout.write(
            f"{verb} {swept.orphans:,} files that no image names and {swept.unfinished:,} unfinished ones, "
            f"{swept.size_bytes:,} bytes."
        )
