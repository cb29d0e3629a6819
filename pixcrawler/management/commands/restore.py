"""manage.py restore: a backup into an empty installation."""

from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from jobs.management.base import EXIT_FAILED, PixCrawlerCommand
from pixcrawler.backup.restore import BackupError, BlobError, restore


class Command(PixCrawlerCommand):
    help = "Restores a backup from the folder DIR into an installation whose database is empty."
    epilog: ClassVar[str] = """
examples:
  manage.py restore /backups/pixcrawler
  manage.py restore /backups/pixcrawler --state 2026-11-29T02-00-00Z

Everything is verified before anything is written. A database that holds anything is refused. Files go where this
installation keeps them, a folder or a bucket, wherever they came from. Afterwards: manage.py migrate, then start.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path, help="The folder that manage.py backup wrote.")
        parser.add_argument(
            "--state", default="", metavar="TIME", help="Which backup: a folder of DIR/states (newest)."
        )
        parser.add_argument(
            "--without-files", action="store_true", help="The database alone; the bucket has the files."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            restored = restore(
                options["folder"].resolve(), state_name=options["state"], with_files=not options["without_files"]
            )
        except (BackupError, BlobError) as error:
            raise CommandError(str(error), returncode=EXIT_FAILED) from error
        self.stdout.write(
            f"The database of {restored.manifest.taken_at} and {restored.files:,} files are in place. Run "
            "“manage.py migrate”, then start everything; work that was under way goes on."
        )
        if restored.has_other_key:
            self.stderr.write(
                "SECRET_KEY is not the one of the backup: people sign in anew, and what was signed is void. Set the "
                "old one, or name it in SECRET_KEY_FALLBACKS, where that matters."
            )
