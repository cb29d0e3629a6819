"""manage.py validate: looks at all images of a dataset, and waits for it when asked to."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from datasets.models import ValidationLevel
from jobs.management.base import EXIT_ARGUMENTS, dataset_named
from jobs.management.submitting import EXIT_STATUS, SubmittingCommand
from jobs.services import Refused, submit_validation
from jobs.spec import InvalidSpec


class Command(SubmittingCommand):
    help = "Verifies every image of the dataset NAME: files, checksums, pixels, duplicates, quality."
    epilog = f"""
examples:
  manage.py validate birds
  manage.py validate birds --level strict --wait
  manage.py validate birds --level basic --wait --json

levels, each does all that the one before it does:
  basic     the file is there, its size and checksum are those of the row, header, format and dimensions agree
  standard  every pixel decodes, and duplicates are found
  strict    quality is scored, and places and personal data in the files are flagged

Nothing is changed or deleted: what is found is written on the images. A validation that ran is completed, whatever
it found; “failed” counts files that are missing, “rejected” files that are damaged.
{EXIT_STATUS}"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="The dataset's name.")
        parser.add_argument(
            "--level",
            default=ValidationLevel.STANDARD.value,
            metavar="LEVEL",
            help="How closely to look: basic, standard (the default) or strict.",
        )
        self.add_following_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        dataset = dataset_named(options["name"])
        try:
            job = submit_validation(dataset=dataset, level=options["level"], by=None)
        except (InvalidSpec, Refused) as refusal:
            raise CommandError(refusal.message, returncode=EXIT_ARGUMENTS) from None
        self.follow(job, options)
