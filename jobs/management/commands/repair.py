"""manage.py repair: fetches damaged images of a dataset again, and waits for it when asked to."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from jobs.management.base import EXIT_ARGUMENTS, dataset_named
from jobs.management.submitting import EXIT_STATUS, SubmittingCommand
from jobs.services import Refused, submit_repair


class Command(SubmittingCommand):
    help = "Fetches images of the dataset NAME again whose files a validation found missing or damaged."
    epilog = f"""
examples:
  manage.py repair birds --wait
  manage.py repair birds --image 4711 --wait --json

Each is fetched from the address that it came from; only the very bytes that were kept are taken. What came instead
is written in the job's findings.
{EXIT_STATUS}"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="The dataset's name.")
        parser.add_argument("--image", type=int, metavar="N", help="Only this image.")
        self.add_following_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        dataset = dataset_named(options["name"])
        try:
            job = submit_repair(dataset=dataset, image_id=options["image"], by=None)
        except Refused as refusal:
            raise CommandError(refusal.message, returncode=EXIT_ARGUMENTS) from None
        self.follow(job, options)
